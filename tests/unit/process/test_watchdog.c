/* The child that watches a process without a master: how it ends, also when the application has reaped it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/process/watchdog.h"

static unsigned kills;

/* Replaces the C library's function. */
int
kill(pid_t pid, int number)
{
	kills++;
	return (int)syscall(SYS_kill, pid, number);
}

static void
test_stop_ends_the_child(void **state)
{
	struct vitals *vitals = vitals_new(1);
	struct watchdog *w = watchdog_start(vitals, 60000);

	(void)state;
	assert_non_null(w);
	kills = 0;
	watchdog_stop(w);
	assert_int_equal(kills, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	vitals_free(vitals, 1);
}

/* The only child of this process. */
static pid_t
child_of_ours(void)
{
	char path[64];
	FILE *f;
	int pid = 0;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* The process id of a reaped child may belong to another process by now. */
static void
test_stop_kills_no_other_process(void **state)
{
	struct vitals *vitals = vitals_new(1);
	struct watchdog *w = watchdog_start(vitals, 60000);
	pid_t child;

	(void)state;
	assert_non_null(w);
	child = child_of_ours();
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(-1, NULL, 0), child); /* as the application does */
	kills = 0;
	watchdog_stop(w);
	assert_int_equal(kills, 0);
	vitals_free(vitals, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_ends_the_child),
		cmocka_unit_test(test_stop_kills_no_other_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
