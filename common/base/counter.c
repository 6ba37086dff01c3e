#include "common/base/counter.h"

#include "common/base/must.h"

#define X(id, metric, help) [id] = {metric, help},
static const struct {
	const char *name;
	const char *help;
} counters[COUNTER_COUNT] = {COUNTER_TABLE(X)};
#undef X

const char *
counter_name(enum counter which)
{
	must((unsigned)which < COUNTER_COUNT);
	return counters[which].name;
}

const char *
counter_help(enum counter which)
{
	must((unsigned)which < COUNTER_COUNT);
	return counters[which].help;
}
