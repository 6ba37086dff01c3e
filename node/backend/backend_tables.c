#include "node/backend/backend_tables.h"

#include <stddef.h>

#include "node/backend/backend_client_tables.h"

NAMES_DEFINE(
	backend_counters, NAMES_BACKEND, BACKEND_COUNTER_TABLE, BACKEND_COUNTER_END, &backend_client_counters, NULL);

const char *
backend_lost_word(unsigned reason)
{
	static const char *const words[] = {
#define X(lost, word, meaning) word,
		BACKEND_LOST_TABLE(X)
#undef X
	};

	return words[reason];
}

const char *
backend_refusal_word(enum backend_refusal reason)
{
	static const char *const words[] = {
#define X(refusal, word, meaning) word,
		BACKEND_REFUSAL_TABLE(X)
#undef X
	};

	return words[reason];
}
