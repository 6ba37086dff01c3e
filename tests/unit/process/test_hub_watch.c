/* How the master ends a hub that does not turn: with real processes, and a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/io/log.h"
#include "node/process/hang.h"
#include "node/process/hub_watch.h"

#define WARNING 1000
#define TIMEOUT 2500
#define BEAT 100      /* hang_interval() derives it from WARNING */
#define ABORT_MS 3000 /* from the abort to the kill */

static struct hub_watch *watch;
static pid_t hub; /* 0: none */
static uint64_t now;
static char logged[4096];

static void
on_log(void *arg, enum log_level level, const char *line, size_t n)
{
	size_t used = strlen(logged);

	(void)arg, (void)level;
	must(used + n < sizeof logged);
	memcpy(logged + used, line, n);
	logged[used + n] = '\0';
}

static int
setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	hub = 0;
	log_set_sink(on_log, NULL);
	now = 1000000;
	watch = hub_watch_new(WARNING, TIMEOUT);
	return watch ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	if (hub > 0) {
		kill(hub, SIGKILL);
		waitpid(hub, NULL, 0);
	}
	hub_watch_free(watch);
	log_set_sink(NULL, NULL);
	return 0;
}

static void
start_hub(bool spins, void (*on_abort)(int))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGABRT, on_abort);
		for (;;) {
			if (!spins)
				pause();
		}
	}
	hub = pid;
	hub_watch_started(watch, hub);
}

/* Returns when the kernel shows the hub in this state, and, if the hub runs, when its processor time has grown. */
static void
await_state(char state)
{
	struct hang_sample before = hang_sample(hub), after;

	do
		assert_int_not_equal((after = hang_sample(hub)).state, 'Z');
	while (after.state != state || (state == 'R' && after.cpu == before.cpu));
}

/* Looks at intervals for `ms` milliseconds. */
static void
look_for(uint64_t ms, char state)
{
	for (uint64_t end = now + ms; now < end; now += BEAT) {
		await_state(state);
		hub_watch_look(watch, now);
	}
}

static void
turn(void)
{
	hub_watch_life(watch)->vitals.turn += 2;
}

static void
expect_end(int signum)
{
	int status;

	assert_int_equal(waitpid(hub, &status, 0), hub);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signum);
	assert_int_equal(hub_watch_life(watch)->kills, 1);
	hub_watch_ended(watch, true);
	assert_int_equal(hub_watch_life(watch)->restarts, 1);
	hub = 0;
}

static void
an_endless_loop_is_aborted(void **state)
{
	(void)state;
	start_hub(true, SIG_DFL);
	look_for(TIMEOUT, 'R');
	assert_non_null(strstr(logged, "event=hub_hangs"));
	assert_null(strstr(logged, "event=hub_killed"));
	look_for(1, 'R');
	assert_non_null(strstr(logged, "event=hub_killed"));
	expect_end(SIGABRT);
}

static void
an_idle_loop_that_never_wakes_is_aborted(void **state)
{
	(void)state;
	start_hub(false, SIG_DFL);
	look_for(TIMEOUT + 1, 'S');
	expect_end(SIGABRT);
}

static void
a_stopped_hub_is_aborted_too(void **state)
{
	(void)state;
	start_hub(false, SIG_DFL);
	kill(hub, SIGSTOP);
	look_for(TIMEOUT + 1, 'T');
	expect_end(SIGABRT);
}

static void
a_hub_that_survives_the_abort_is_killed(void **state)
{
	(void)state;
	start_hub(true, SIG_IGN);
	look_for(TIMEOUT + 1, 'R');
	assert_int_equal(hub_watch_life(watch)->kills, 1);
	look_for(ABORT_MS - BEAT, 'R');
	assert_int_equal(waitpid(hub, NULL, WNOHANG), 0);
	look_for(1, 'R');
	expect_end(SIGKILL);
}

static void
a_hub_that_goes_on_lives(void **state)
{
	(void)state;
	start_hub(false, SIG_DFL);
	kill(hub, SIGSTOP);
	look_for(TIMEOUT, 'T');
	kill(hub, SIGCONT);
	turn();
	look_for(1, 'S');
	assert_non_null(strstr(logged, "event=hub_goes_on"));
	for (unsigned i = 0; i < 100; i++, turn())
		look_for(1, 'S');
	assert_int_equal(hub_watch_life(watch)->kills, 0);
	assert_int_equal(waitpid(hub, NULL, WNOHANG), 0);
}

static void
a_hub_that_a_debugger_holds_is_left_to_it(void **state)
{
	(void)state;
	start_hub(false, SIG_DFL);
	assert_int_equal(ptrace(PTRACE_ATTACH, hub, NULL, NULL), 0);
	look_for(100 * TIMEOUT, 't');
	assert_int_equal(hub_watch_life(watch)->kills, 0);
	assert_non_null(strstr(logged, "a debugger holds the hub"));
	assert_int_equal(waitpid(hub, NULL, __WALL), hub);
	assert_int_equal(ptrace(PTRACE_DETACH, hub, NULL, NULL), 0);
	turn();
	look_for(1, 'S');
	assert_non_null(strstr(logged, "event=hub_goes_on"));
	assert_int_equal(waitpid(hub, NULL, WNOHANG), 0);
}

static void
limits_have_bounds_and_can_be_off(void **state)
{
	const uint64_t beats[][3] = {{5000, 60000, 500}, {1, 1, 100}, {0, 0, 500}};

	(void)state;
	start_hub(false, SIG_DFL);
	for (unsigned i = 0; i < sizeof beats / sizeof beats[0]; i++) {
		hub_watch_free(watch);
		watch = hub_watch_new(beats[i][0], beats[i][1]);
		assert_int_equal(hub_watch_life(watch)->beat_ms, beats[i][2]);
	}
	hub_watch_started(watch, hub);
	look_for(100 * TIMEOUT, 'S'); /* both are off */
	assert_int_equal(hub_watch_life(watch)->kills, 0);
	assert_string_equal(logged, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct rlimit no_core = {0, 0};
	const struct CMUnitTest tests[] = {
		TEST(an_endless_loop_is_aborted),
		TEST(an_idle_loop_that_never_wakes_is_aborted),
		TEST(a_stopped_hub_is_aborted_too),
		TEST(a_hub_that_survives_the_abort_is_killed),
		TEST(a_hub_that_goes_on_lives),
		TEST(a_hub_that_a_debugger_holds_is_left_to_it),
		TEST(limits_have_bounds_and_can_be_off),
	};

	setrlimit(RLIMIT_CORE, &no_core);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
