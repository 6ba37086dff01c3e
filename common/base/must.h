/*
 * Assertions that stay enabled in release builds. A broken invariant is a bug in this program, and continuing could
 * corrupt a session.
 */
#ifndef COMMON_BASE_MUST_H
#define COMMON_BASE_MUST_H

#define must(condition)                                                                                              \
	do {                                                                                                         \
		if (__builtin_expect(!(condition), 0))                                                               \
			must_fail(#condition, __FILE__, __LINE__);                                                   \
	} while (0)

/* Prints the broken invariant to stderr and aborts. */
_Noreturn void must_fail(const char *condition, const char *file, int line);

/* Returns the broken invariant that is aborting this process, for a SIGABRT handler; otherwise "". */
const char *must_broken(void);

#endif
