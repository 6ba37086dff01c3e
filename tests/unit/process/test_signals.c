/* The signals of a process that stops: after its loop has ended, too. Each test forks a process, because signals end
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ev.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/process/signals.h"

#define FINE 7

static void
on_stop(void *arg)
{
	*(unsigned *)arg += 1;
}

/* Runs `body` in a child. Returns its exit code, or minus the signal that has ended it. */
static int
ending_of(void (*body)(struct signals *signals, struct ev_loop *ev), bool has_master)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned stops = 0;
		struct signals signals = {.on_stop = on_stop, .arg = &stops, .has_master = has_master};
		struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

		signals_init(&signals, ev);
		body(&signals, ev);
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
stop(struct signals *signals, struct ev_loop *ev)
{
	raise(SIGTERM);
	ev_run(ev, EVRUN_NOWAIT);
	if (!signals->stopping)
		_exit(1);
}

static void
the_same_signal_comes_late(struct signals *signals, struct ev_loop *ev)
{
	stop(signals, ev);
	signals_fini(signals, ev);
	raise(SIGTERM);
	raise(SIGINT);
}

static void
a_second_signal_comes_late(struct signals *signals, struct ev_loop *ev)
{
	stop(signals, ev);
	signals->stopping_since -= 2 * SIGNALS_SAME_MS;
	signals_fini(signals, ev);
	raise(SIGTERM);
}

static void
the_first_signal_comes_late(struct signals *signals, struct ev_loop *ev)
{
	signals_fini(signals, ev);
	raise(SIGINT);
}

static void
other_signals_come_late(struct signals *signals, struct ev_loop *ev)
{
	static const int others[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN};

	signals_fini(signals, ev);
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		raise(others[i]);
}

static void
test_after_the_loop(void **state)
{
	(void)state;
	assert_int_equal(ending_of(the_same_signal_comes_late, false), FINE);
	assert_int_equal(ending_of(a_second_signal_comes_late, false), 128 + SIGTERM);
	assert_int_equal(ending_of(the_first_signal_comes_late, false), 128 + SIGINT);
	assert_int_equal(ending_of(other_signals_come_late, false), FINE);
}

static void
test_a_child_of_a_master_after_the_loop(void **state)
{
	(void)state;
	assert_int_equal(ending_of(the_same_signal_comes_late, true), FINE);
	assert_int_equal(ending_of(a_second_signal_comes_late, true), FINE);
	assert_int_equal(ending_of(other_signals_come_late, true), FINE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_the_loop),
		cmocka_unit_test(test_a_child_of_a_master_after_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
