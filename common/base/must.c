#include "common/base/must.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/asan.h"
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

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

#ifdef WITH_ASAN
/*
 * The checks of UBSan are traps (Makefile). With 2, ASan prints the stack of each trap, even if the program or cmocka
 * has a handler of its own for SIGILL.
 */
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "handle_sigill=2";
}
#endif
