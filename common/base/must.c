#include "common/base/must.h"

#include <stdio.h>
#include <stdlib.h>

static char broken_invariant[256];

void
must_fail(const char *condition, const char *file, int line)
{
	snprintf(broken_invariant, sizeof broken_invariant, "broken invariant at %s:%d: %s", file, line, condition);
	fprintf(stderr, "sockeye: %s\n", broken_invariant);
	fflush(stderr);
	abort();
}

const char *
must_broken(void)
{
	return broken_invariant;
}
