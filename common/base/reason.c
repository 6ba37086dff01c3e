#include "common/base/reason.h"

#define X(name, word, meaning) [name] = {word, meaning},
static const struct {
	const char *word;
	const char *meaning;
} reasons[REASON_COUNT] = {REASON_TABLE(X)};
#undef X

const char *
reason_word(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? reasons[reason].word : "unknown";
}

const char *
reason_meaning(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? reasons[reason].meaning : "not a reason of this table";
}
