/* Which clients send. It follows from the options alone, so every process knows all senders. */
#include <stdio.h>

#include "common/base/error.h"
#include "tests/load/load.h"
#include "tests/load/messages.h"

#define PAIRS_MAX (UINT64_C(1) << 26) /* trackers of one run: 1 GiB */

uint64_t
messages_senders(const struct load_options *o)
{
	return o->senders > 0 ? o->senders : o->scenario->all_send ? o->clients : 1;
}

/* Sender number j is client floor(j * clients / senders), which spreads the senders evenly over the processes. */
bool
messages_is_sender(const struct load_options *o, uint64_t client, uint64_t *sender)
{
	uint64_t senders = messages_senders(o);

	*sender = (client * senders + o->clients - 1) / o->clients;
	return *sender < senders && *sender * o->clients / senders == client;
}

int
messages_check(const struct load_options *o, char *error)
{
	uint64_t senders = messages_senders(o);

	if (o->scenario->audience <= AUDIENCE_SELF || senders <= PAIRS_MAX / o->clients)
		return 0;
	snprintf(error, OPTION_ERROR_MAX,
		"option --senders: %llu senders with %llu receivers exceed the limit of %llu pairs",
		(unsigned long long)senders, (unsigned long long)o->clients, (unsigned long long)PAIRS_MAX);
	return ERROR_ARGUMENT;
}
