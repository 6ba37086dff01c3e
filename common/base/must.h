/*
 * Loud assertions that stay on in release builds: a broken invariant is our
 * bug, and going on would corrupt somebody's session.
 */
#ifndef COMMON_BASE_MUST_H
#define COMMON_BASE_MUST_H

#define must(condition)                                                                                              \
	do {                                                                                                         \
		if (__builtin_expect(!(condition), 0))                                                               \
			must_fail(#condition, __FILE__, __LINE__);                                                   \
	} while (0)

/* Prints the broken invariant to stderr and aborts. Never returns. */
_Noreturn void must_fail(const char *condition, const char *file, int line);

/* The broken invariant that this process is about to die of, for whoever handles the SIGABRT; "": there is none. */
const char *must_broken(void);

#endif
