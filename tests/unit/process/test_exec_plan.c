/* Which programs run, and what happens to them, with a clock and processes that the test simulates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/exec_plan.h"

#define READY_MS 30000
#define STOP_MS 15000
#define PROGRAMS (3 * EXEC_PER_NUMBER)

static struct exec_stats stats;
static struct exec_plan *plan;
static uint64_t now;
static bool cannot_fork;
static bool group_left[PROGRAMS]; /* other processes of its group still run */
static pid_t next_pid;
static char did[4096]; /* the actions of the plan, in words */
static char logged[8192];

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	size_t n = strlen(did);
	va_list args;

	va_start(args, format);
	vsnprintf(did + n, sizeof did - n, format, args);
	va_end(args);
}

static pid_t
start(void *arg, unsigned program, unsigned number)
{
	assert_ptr_equal(arg, did);
	if (cannot_fork) {
		errno = EAGAIN;
		return -1;
	}
	note("start %u as %u; ", number, program);
	return next_pid++;
}

static void
signal_group(void *arg, unsigned program, int signum)
{
	(void)arg;
	note("%s %u; ", signum == SIGTERM ? "TERM" : "KILL", program);
}

static bool
has_left(void *arg, unsigned program)
{
	(void)arg;
	return !group_left[program];
}

static void
released(void *arg, unsigned program)
{
	(void)arg;
	note("free %u; ", program);
}

static const struct exec_ops ops = {start, signal_group, has_left, released};

static void
sink(void *arg, enum log_level level, const char *line, size_t n)
{
	size_t used = strlen(logged);

	(void)arg;
	(void)level;
	snprintf(logged + used, sizeof logged - used, "%.*s", (int)n, line);
}

static void
begin(unsigned count)
{
	struct exec_plan_setup setup = {
		.count = count, .ready_ms = READY_MS, .stop_ms = STOP_MS, .stats = &stats, .ops = &ops, .arg = did};

	memset(&stats, 0, sizeof stats);
	memset(group_left, 0, sizeof group_left);
	cannot_fork = false;
	now = 1000000;
	next_pid = 100;
	did[0] = logged[0] = '\0';
	log_set_sink(sink, NULL);
	plan = exec_plan_new(&setup);
	exec_plan_start(plan, now);
}

static int
teardown(void **state)
{
	(void)state;
	exec_plan_free(plan);
	plan = NULL;
	log_set_sink(NULL, NULL);
	return 0;
}

static void
expect(const char *words)
{
	assert_string_equal(did, words);
	did[0] = '\0';
}

static void
expect_log(const char *words)
{
	if (!strstr(logged, words))
		fail_msg("%s\nis not in\n%s", words, logged);
	logged[0] = '\0';
}

/* Time passes. The plan is called at the times that it asks for, never earlier. */
static void
pass(uint64_t ms)
{
	uint64_t until = now + ms;

	while (exec_plan_due(plan, now) <= until) {
		uint64_t due = exec_plan_due(plan, now);

		now = due > now ? due : now;
		exec_plan_look(plan, now);
	}
	now = until;
}

static void
ready(unsigned program)
{
	exec_plan_ready(plan, program, now);
}

static void
ended(unsigned program, int code)
{
	exec_plan_ended(plan, program, false, code, now);
}

/* ---------------------------------------------------------------- beginning */

static void
each_number_gets_one_program(void **state)
{
	(void)state;
	begin(3);
	expect("start 0 as 0; start 1 as 1; start 2 as 2; ");
	assert_int_equal(stats.count, 3);
	assert_int_equal(stats.of[2].running, 1);
	assert_int_equal(stats.of[2].ready, 0);
	ready(2);
	expect_log("event=exec_ready number=2 pid=102 after_ms=0");
	assert_int_equal(stats.of[2].ready, 1);
	assert_int_equal(stats.of[1].ready, 0);
	pass(READY_MS / 2);
	expect("");
}

static void
a_first_program_that_is_never_ready_goes_on(void **state)
{
	(void)state;
	begin(1);
	expect("start 0 as 0; ");
	pass(READY_MS - 1);
	assert_null(strstr(logged, "exec_not_ready"));
	pass(1);
	expect_log("level=warn event=exec_not_ready number=0 pid=100 after_ms=30000");
	pass(10 * READY_MS);
	expect("");
	ready(0);
	assert_int_equal(stats.of[0].ready, 1);
}

static void
a_command_that_cannot_run_is_reported_at_its_first_start_only(void **state)
{
	(void)state;
	begin(1);
	ended(0, 127);
	assert_int_equal(exec_plan_unrunnable(plan), 127);
	expect("start 0 as 0; KILL 0; free 0; ");
	pass(100000);
	expect("");
	exec_plan_free(plan);

	begin(1);
	ended(0, 1);
	pass(0);
	assert_int_equal(exec_plan_unrunnable(plan), 0);
	ended(0, 127); /* removed in between */
	assert_int_equal(exec_plan_unrunnable(plan), 0);
	exec_plan_free(plan);

	begin(1);
	ready(0);
	ended(0, 126);
	assert_int_equal(exec_plan_unrunnable(plan), 0);
	exec_plan_free(plan);

	begin(1);
	ready(0);
	exec_plan_deploy(plan, now);
	ended(0, 1);
	ended(1, 127); /* the deployed program is bad, too, and clients wait for the one that failed first */
	assert_int_equal(exec_plan_unrunnable(plan), 0);
	expect("start 0 as 0; start 0 as 1; KILL 0; free 0; KILL 1; free 1; ");
	pass(100);
	expect("start 0 as 0; ");
}

/* ------------------------------------------------------------------- crashes */

static void
a_program_that_ends_restarts_after_doubling_pauses(void **state)
{
	static const unsigned pauses[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};

	(void)state;
	begin(1);
	expect("start 0 as 0; ");
	for (unsigned i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
		char words[64];

		ready(0);
		ended(0, 1);
		snprintf(words, sizeof words, "code=1 restart_ms=%u\n", pauses[i]);
		expect_log(words);
		expect("KILL 0; free 0; ");
		assert_int_equal(stats.of[0].running, 0);
		assert_int_equal(stats.of[0].ready, 0);
		if (pauses[i] > 0)
			pass(pauses[i] - 1);
		expect("");
		pass(pauses[i] > 0);
		expect("start 0 as 0; ");
		assert_int_equal(stats.of[0].restarts, i + 1);
	}
	pass(10000); /* a program that has run this long has no failures on record */
	ended(0, 0);
	expect_log("code=0 restart_ms=0\n");
	pass(0);
	expect("KILL 0; free 0; start 0 as 0; ");
}

static void
a_signal_is_named_and_the_other_numbers_go_on(void **state)
{
	(void)state;
	begin(2);
	expect("start 0 as 0; start 1 as 1; ");
	exec_plan_ended(plan, 1, true, SIGSEGV, now);
	expect_log("event=exec_ended number=1 pid=101 signal=11 restart_ms=0");
	pass(0);
	expect("KILL 1; free 1; start 1 as 1; ");
	assert_int_equal(stats.of[0].restarts, 0);
	assert_int_equal(stats.of[1].restarts, 1);
}

static void
a_failed_fork_is_tried_again(void **state)
{
	(void)state;
	begin(1);
	ended(0, 1);
	cannot_fork = true;
	pass(0);
	expect_log("event=exec_failed number=0");
	pass(50);
	cannot_fork = false;
	pass(100);
	expect("start 0 as 0; KILL 0; free 0; start 0 as 0; ");
}

/* -------------------------------------------------------------------- deploy */

static void
an_old_program_is_stopped_when_its_successor_is_ready(void **state)
{
	(void)state;
	begin(2);
	ready(0);
	ready(1);
	exec_plan_deploy(plan, now);
	expect("start 0 as 0; start 1 as 1; start 0 as 2; start 1 as 3; ");
	assert_int_equal(stats.of[0].running, 2);
	pass(5000);
	expect("");
	ready(3);
	expect("TERM 1; ");
	assert_int_equal(stats.of[1].ready, 1);
	ended(1, 0);
	expect_log("level=info event=exec_ended number=1 pid=101 code=0\n");
	expect("free 1; ");
	ready(2);
	expect("TERM 0; ");
	exec_plan_ended(plan, 0, true, SIGTERM, now);
	expect("free 0; ");
	assert_int_equal(stats.of[0].restarts + stats.of[1].restarts, 0);
	pass(100000);
	expect("");
}

static void
a_successor_that_is_never_ready_is_stopped_and_the_old_program_stays(void **state)
{
	(void)state;
	begin(1);
	ready(0);
	exec_plan_deploy(plan, now);
	pass(READY_MS - 1);
	expect("start 0 as 0; start 0 as 1; ");
	pass(1);
	expect_log("event=exec_given_up number=0 pid=101 error=\"the new program was not ready in time\"");
	expect("TERM 1; ");
	assert_int_equal(stats.of[0].ready, 1);
	ready(1); /* too late */
	expect("");
	ended(1, 0);
	expect("free 1; ");
	pass(100000);
	expect("");
}

static void
a_successor_that_ends_is_given_up(void **state)
{
	(void)state;
	begin(1);
	ready(0);
	exec_plan_deploy(plan, now);
	ended(1, 127);
	expect_log("event=exec_given_up number=0 pid=101 error=\"the new program ended before it was ready\"");
	expect("start 0 as 0; start 0 as 1; KILL 1; free 1; ");
	assert_int_equal(exec_plan_unrunnable(plan), 0);
	assert_int_equal(stats.of[0].restarts, 0);
	pass(100000);
	expect("");
}

static void
an_old_program_that_ends_early_leaves_its_place_to_the_successor(void **state)
{
	(void)state;
	begin(1);
	ready(0);
	exec_plan_deploy(plan, now);
	ended(0, 1);
	expect("start 0 as 0; start 0 as 1; KILL 0; free 0; ");
	pass(1000);
	ready(1);
	assert_int_equal(stats.of[0].ready, 1);
	pass(100000);
	expect("");
}

static void
a_deploy_in_a_pause_starts_at_once(void **state)
{
	(void)state;
	begin(1);
	for (unsigned i = 0; i < 5; i++) {
		ended(0, 1);
		pass(i == 4 ? 0 : 5000);
	}
	did[0] = '\0';
	exec_plan_deploy(plan, now);
	expect("start 0 as 0; ");
	ended(0, 1);
	expect_log("restart_ms=0\n");
}

static void
a_deploy_within_a_deploy_begins_anew_and_waits_for_room(void **state)
{
	(void)state;
	begin(1);
	ready(0);
	exec_plan_deploy(plan, now);
	exec_plan_deploy(plan, now);
	exec_plan_deploy(plan, now);
	expect("start 0 as 0; start 0 as 1; TERM 1; start 0 as 2; TERM 2; start 0 as 3; ");
	exec_plan_deploy(plan, now); /* there are four programs */
	expect("TERM 3; ");
	pass(100);
	expect("");
	ended(2, 0);
	pass(0);
	expect("free 2; ");
	exec_plan_look(plan, now);
	expect("start 0 as 2; ");
	ready(2);
	expect("TERM 0; ");
}

/* ---------------------------------------------------------------------- end */

static void
a_program_that_does_not_stop_is_killed(void **state)
{
	(void)state;
	begin(1);
	ready(0);
	exec_plan_stop(plan, now);
	expect("start 0 as 0; TERM 0; ");
	assert_int_equal(stats.of[0].ready, 0);
	pass(STOP_MS - 1);
	expect("");
	pass(1);
	expect("KILL 0; ");
	expect_log("level=warn event=exec_killed number=0 pid=100 after_ms=15000");
	assert_false(exec_plan_is_over(plan));
	exec_plan_ended(plan, 0, true, SIGKILL, now);
	expect("free 0; ");
	assert_true(exec_plan_is_over(plan));
	assert_int_equal(stats.of[0].running, 0);
}

static void
a_program_that_survives_sigkill_is_left_behind(void **state)
{
	(void)state;
	begin(1);
	exec_plan_kill(plan, now);
	pass(1999);
	assert_false(exec_plan_is_over(plan));
	pass(1);
	expect_log("level=error event=exec_left_behind number=0 pid=100");
	assert_true(exec_plan_is_over(plan));
}

static void
stopping_waits_for_started_programs(void **state)
{
	(void)state;
	begin(1);
	group_left[0] = true;
	exec_plan_stop(plan, now);
	exec_plan_ended(plan, 0, true, SIGTERM, now); /* the shell has ended, but its child still has work to do */
	expect("start 0 as 0; TERM 0; ");
	pass(1000);
	assert_false(exec_plan_is_over(plan));
	group_left[0] = false;
	pass(100);
	expect("free 0; ");
	assert_true(exec_plan_is_over(plan));
	exec_plan_free(plan);

	begin(1);
	group_left[0] = true;
	exec_plan_stop(plan, now);
	ended(0, 0);
	pass(STOP_MS);
	expect("start 0 as 0; TERM 0; KILL 0; free 0; ");
	assert_true(exec_plan_is_over(plan));
}

static void
nothing_starts_after_stop(void **state)
{
	(void)state;
	begin(2);
	ready(0);
	exec_plan_deploy(plan, now);
	ended(1, 1); /* the successor of program 1 takes its place */
	did[0] = '\0';
	exec_plan_stop(plan, now);
	expect("TERM 0; TERM 2; TERM 3; ");
	exec_plan_deploy(plan, now);
	ready(2);
	ended(0, 0);
	ended(2, 0);
	ended(3, 0);
	pass(100000);
	expect("free 0; free 2; free 3; ");
	assert_true(exec_plan_is_over(plan));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_number_gets_one_program, teardown),
		cmocka_unit_test_teardown(a_first_program_that_is_never_ready_goes_on, teardown),
		cmocka_unit_test_teardown(a_command_that_cannot_run_is_reported_at_its_first_start_only, teardown),
		cmocka_unit_test_teardown(a_program_that_ends_restarts_after_doubling_pauses, teardown),
		cmocka_unit_test_teardown(a_signal_is_named_and_the_other_numbers_go_on, teardown),
		cmocka_unit_test_teardown(a_failed_fork_is_tried_again, teardown),
		cmocka_unit_test_teardown(an_old_program_is_stopped_when_its_successor_is_ready, teardown),
		cmocka_unit_test_teardown(
			a_successor_that_is_never_ready_is_stopped_and_the_old_program_stays, teardown),
		cmocka_unit_test_teardown(a_successor_that_ends_is_given_up, teardown),
		cmocka_unit_test_teardown(an_old_program_that_ends_early_leaves_its_place_to_the_successor, teardown),
		cmocka_unit_test_teardown(a_deploy_in_a_pause_starts_at_once, teardown),
		cmocka_unit_test_teardown(a_deploy_within_a_deploy_begins_anew_and_waits_for_room, teardown),
		cmocka_unit_test_teardown(a_program_that_does_not_stop_is_killed, teardown),
		cmocka_unit_test_teardown(a_program_that_survives_sigkill_is_left_behind, teardown),
		cmocka_unit_test_teardown(stopping_waits_for_started_programs, teardown),
		cmocka_unit_test_teardown(nothing_starts_after_stop, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
