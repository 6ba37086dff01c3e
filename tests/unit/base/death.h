/* For tests of code that must abort: runs it in a child process and reports how the child ended and what it printed.
 */
#ifndef TESTS_UNIT_BASE_DEATH_H
#define TESTS_UNIT_BASE_DEATH_H

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns how the process of fn() ended, as from waitpid(). `said` receives its stderr, NUL-terminated. */
static inline int
end_of(void (*fn)(void), char *said, size_t size)
{
	int ends[2], status = -1;
	size_t used = 0;
	ssize_t got;
	pid_t child;

	if (pipe(ends) != 0 || (child = fork()) < 0)
		return -1;
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		fn();
		_exit(0);
	}
	close(ends[1]);
	while (used < size - 1 && (got = read(ends[0], said + used, size - 1 - used)) > 0)
		used += (size_t)got;
	said[used] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	return status;
}

/* True if fn() ended by abort(). `said` is as above. */
static inline bool
aborts(void (*fn)(void), char *said, size_t size)
{
	int status = end_of(fn, said, size);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
