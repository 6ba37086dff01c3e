/* When a worker counts as hung and when it only appears to be, with a clock and a system that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/process/hang.h"

#define INTERVAL 500
#define RUNNING 7 /* an odd number: a turn is running */

static struct hang_sample said;
static unsigned asked;

static struct hang_sample
sample(pid_t pid)
{
	assert_int_equal(pid, 42);
	asked++;
	return said;
}

static struct hang hang;
static uint64_t now;

static int
setup(void **state)
{
	(void)state;
	hang_reset(&hang, INTERVAL);
	now = 1000000;
	asked = 0;
	said = (struct hang_sample){'R', 100};
	return 0;
}

/* Looks after `ms` milliseconds in which the worker used `ticks` ticks. */
static void
look(uint64_t ms, uint64_t turn, uint64_t ticks)
{
	now += ms;
	said.cpu += ticks;
	hang_look(&hang, now, turn, sample, 42);
}

static void
time_in_one_turn_adds_up_and_the_next_turn_ends_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= 10; i++) {
		look(INTERVAL, RUNNING, 50);
		assert_int_equal(hang.stuck_ms, i * INTERVAL);
		assert_int_equal(hang.looks, i);
	}
	look(INTERVAL, RUNNING + 1, 50);
	assert_int_equal(hang.stuck_ms, 0);
	look(INTERVAL, RUNNING + 2, 50);
	assert_int_equal(hang.stuck_ms, 0);
}

static void
an_idle_worker_is_not_examined(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		look(INTERVAL, RUNNING + 1, 0);
	for (unsigned i = 0; i < 100; i++)
		look(INTERVAL, RUNNING + 2 * i, 50); /* busy with many turns */
	assert_int_equal(hang.stuck_ms, 0);
	assert_int_equal(asked, 0);
}

static void
a_handler_that_sleeps_hangs_too(void **state)
{
	(void)state;
	said.state = 'S';
	for (unsigned i = 0; i <= 4; i++)
		look(INTERVAL, RUNNING, 0);
	assert_int_equal(hang.stuck_ms, 4 * INTERVAL);
}

static void
time_when_it_is_stopped_does_not_count(void **state)
{
	(void)state;
	look(INTERVAL, RUNNING, 50);
	look(INTERVAL, RUNNING, 50);
	for (unsigned i = 0; i < 1000; i++) {
		said.state = i % 2 ? 'T' : 't';
		look(INTERVAL, RUNNING, 0);
	}
	said.state = 'R';
	look(INTERVAL, RUNNING, 50);
	assert_int_equal(hang.stuck_ms, 2 * INTERVAL);
}

static void
a_missing_beat_counts_in_an_idle_process_and_in_a_stopped_one(void **state)
{
	(void)state;
	hang_reset_beat(&hang, INTERVAL);
	for (uint64_t turn = 0; turn < 10; turn++)
		look(INTERVAL, turn, 0);
	assert_int_equal(hang.stuck_ms, 0);
	said.state = 'S';
	for (unsigned i = 1; i <= 3; i++)
		look(INTERVAL, 9, 0);
	said.state = 'T';
	look(INTERVAL, 9, 0);
	assert_int_equal(hang.stuck_ms, 4 * INTERVAL);
	said.state = 'R'; /* runnable, but without a processor */
	look(INTERVAL, 9, 0);
	assert_int_equal(hang.stuck_ms, 4 * INTERVAL);
	look(INTERVAL, 10, 50);
	assert_int_equal(hang.stuck_ms, 0);
}

static void
time_in_which_a_debugger_holds_a_process_with_a_beat_is_counted_apart(void **state)
{
	(void)state;
	hang_reset_beat(&hang, INTERVAL);
	said.state = 't';
	for (unsigned i = 0; i <= 100; i++)
		look(INTERVAL, RUNNING, 0);
	assert_int_equal(hang.stuck_ms, 0);
	assert_int_equal(hang.held_ms, 100 * INTERVAL);
	look(INTERVAL, RUNNING + 1, 0);
	assert_int_equal(hang.held_ms, 0);
}

static void
time_without_a_processor_does_not_count(void **state)
{
	(void)state;
	look(INTERVAL, RUNNING, 50);
	look(INTERVAL, RUNNING, 50);
	for (unsigned i = 0; i < 1000; i++)
		look(INTERVAL, RUNNING, 0);
	assert_int_equal(hang.stuck_ms, INTERVAL);
}

static void
a_pause_of_the_whole_machine_counts_as_two_looks_at_most(void **state)
{
	(void)state;
	look(INTERVAL, RUNNING, 50);
	look(3600 * 1000, RUNNING, 1);
	assert_int_equal(hang.stuck_ms, 2 * INTERVAL);
}

static void
the_worker_is_checked_often_enough_for_both_time_limits(void **state)
{
	(void)state;
	assert_int_equal(hang_interval(5000, 60000), 500);
	assert_int_equal(hang_interval(60000, 1000), 100);
	assert_int_equal(hang_interval(1000, 0), 100);
	assert_int_equal(hang_interval(0, 1000), 100);
	assert_int_equal(hang_interval(1, 0), 10);
	assert_int_equal(hang_interval(0, 0), 500);
}

static void
the_system_reports_a_threads_state(void **state)
{
	struct hang_sample before = hang_sample(getpid()), after;

	(void)state;
	assert_int_equal(before.state, 'R');
	do
		after = hang_sample(getpid());
	while (after.cpu == before.cpu);
	assert_true(after.cpu > before.cpu);
	assert_int_equal(hang_sample(0x7ffffff).state, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(time_in_one_turn_adds_up_and_the_next_turn_ends_it, setup),
		cmocka_unit_test_setup(an_idle_worker_is_not_examined, setup),
		cmocka_unit_test_setup(a_handler_that_sleeps_hangs_too, setup),
		cmocka_unit_test_setup(time_when_it_is_stopped_does_not_count, setup),
		cmocka_unit_test_setup(a_missing_beat_counts_in_an_idle_process_and_in_a_stopped_one, setup),
		cmocka_unit_test_setup(time_in_which_a_debugger_holds_a_process_with_a_beat_is_counted_apart, setup),
		cmocka_unit_test_setup(time_without_a_processor_does_not_count, setup),
		cmocka_unit_test_setup(a_pause_of_the_whole_machine_counts_as_two_looks_at_most, setup),
		cmocka_unit_test(the_worker_is_checked_often_enough_for_both_time_limits),
		cmocka_unit_test(the_system_reports_a_threads_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
