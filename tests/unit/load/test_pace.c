#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/load/board.h"
#include "tests/load/pace.h"

#define CALLS_MAX 200000
#define MS UINT64_C(1000000)

static struct ev_loop *ev;
static struct pace pace;
static uint64_t due[CALLS_MAX], called[CALLS_MAX];
static unsigned calls, stop_at;

static int
setup(void **state)
{
	(void)state;
	ev = ev_loop_new(EVFLAG_AUTO);
	calls = stop_at = 0;
	pace = (struct pace){.ev = NULL};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pace_stop(&pace);
	pace_stop(&pace);
	ev_loop_destroy(ev);
	return 0;
}

static void
on_due(void *arg, uint64_t when)
{
	assert_ptr_equal(arg, &calls);
	assert_true(calls < CALLS_MAX);
	due[calls] = when;
	called[calls] = board_now();
	if (++calls == stop_at)
		pace_stop(&pace);
}

static void
start(uint64_t from, double rate)
{
	assert_int_equal(pace_start(&pace, ev, from, rate, on_due, &calls), 0);
}

/* Every call is made, not before its time, and receives the time at which it was due. */
static void
test_calls_are_due_at_their_times(void **state)
{
	static const double rates[] = {50, 333.3, 1000, 70000};
	unsigned seen;

	(void)state;
	for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		uint64_t from = board_now() + 5 * MS, until = from + 100 * MS;

		calls = 0;
		start(from, rates[i]);
		while (board_now() < until)
			ev_run(ev, EVRUN_ONCE);
		ev_run(ev, EVRUN_NOWAIT); /* calls that became due since the last turn */
		pace_stop(&pace);
		seen = calls;
		assert_in_range(seen, (unsigned)(rates[i] * 0.1), CALLS_MAX);
		for (unsigned k = 0; k < seen; k++) {
			uint64_t expected = from + (uint64_t)(k * 1e9 / rates[i]);

			assert_in_range(due[k], expected - 1, expected + 1);
			assert_true(called[k] >= due[k]);
		}
		ev_run(ev, EVRUN_NOWAIT);
		assert_int_equal(calls, seen);
	}
}

static void
test_delayed_calls_are_made_up_for(void **state)
{
	uint64_t from = board_now() - 1000 * MS;

	(void)state;
	start(from, 1000);
	ev_run(ev, EVRUN_ONCE);
	assert_in_range(calls, 1000, 1900); /* 1,001 calls, and the calls that became due meanwhile */
	assert_int_equal(due[0], from);
	assert_int_equal(due[1000], from + 1000 * MS);
	assert_true(called[0] - due[0] >= 1000 * MS);
}

/* Other watchers of the loop get their turn between bursts. */
static void
test_a_long_delay_is_made_up_for_in_pieces(void **state)
{
	unsigned turns = 0;

	(void)state;
	start(board_now() - 1000 * MS, 50000);
	while (calls < 50000) {
		unsigned before = calls;

		ev_run(ev, EVRUN_NOWAIT);
		assert_in_range(calls - before, 0, 10000);
		turns++;
	}
	assert_true(turns >= 5);
}

/* A process that was delayed past the end makes as many calls as one that was not, and makes no call early. */
static void
test_finish_makes_up_for_the_end(void **state)
{
	uint64_t from = board_now() - 1000 * MS;

	(void)state;
	start(from, 1000);
	pace_finish(&pace, from + 500 * MS); /* call number 500 is not before the end */
	assert_int_equal(calls, 500);
	assert_int_equal(due[499], from + 499 * MS);
	assert_null(pace.ev);
	pace_finish(&pace, from + 900 * MS);
	assert_false(ev_run(ev, EVRUN_NOWAIT));
	assert_int_equal(calls, 500);

	calls = 0;
	start(board_now() + 60000 * MS, 1000);
	pace_finish(&pace, board_now() + 90000 * MS);
	start(board_now(), 1000);
	pace_finish(&pace, 0); /* a run that never started */
	assert_int_equal(calls, 0);

	start(from, 50000);
	pace_finish(&pace, from + 500 * MS);
	assert_int_equal(calls, 10000); /* one burst */
	calls = 0;
	stop_at = 3;
	start(from, 1000);
	pace_finish(&pace, from + 500 * MS);
	assert_int_equal(calls, 3);
}

static void
test_stop_within_a_call(void **state)
{
	(void)state;
	stop_at = 3;
	start(board_now() - 1000 * MS, 1000);
	ev_run(ev, EVRUN_ONCE);
	assert_int_equal(calls, 3);
	assert_null(pace.ev);
	assert_false(ev_run(ev, EVRUN_NOWAIT)); /* nothing is left to wait for */
	assert_int_equal(calls, 3);
	start(board_now(), 1000);
	ev_run(ev, EVRUN_ONCE);
	assert_true(calls > 3);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_calls_are_due_at_their_times),
		T(test_delayed_calls_are_made_up_for),
		T(test_a_long_delay_is_made_up_for_in_pieces),
		T(test_finish_makes_up_for_the_end),
		T(test_stop_within_a_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
