#include "common/base/must.h"

#include <stdio.h>
#include <stdlib.h>

void
must_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "sockeye: broken invariant at %s:%d: %s\n", file, line, condition);
	fflush(stderr);
	abort();
}
