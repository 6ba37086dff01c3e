/* Histograms of handlers by event: which names are listed, and what is sampled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/socketio/sio_handler_times.h"

static struct sio_handler_times times;

static int
setup(void **state)
{
	(void)state;
	memset(&times, 0, sizeof times);
	return 0;
}

static uint64_t
count(const struct durations *durations)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= DURATIONS_BOUNDS; i++)
		n += durations->bucket[i];
	return n;
}

static void
durations_fall_into_buckets(void **state)
{
	struct durations sum = {{0}, 0};

	(void)state;
	sio_handler_times_add(&times, TEXT("a"), 100);
	sio_handler_times_add(&times, TEXT("a"), 101);
	sio_handler_times_add(&times, TEXT("a"), 5000001);
	assert_int_equal(times.count, 1);
	assert_string_equal(times.of[0].name, "a");
	assert_int_equal(times.of[0].times.bucket[0], 1);
	assert_int_equal(times.of[0].times.bucket[1], 1);
	assert_int_equal(times.of[0].times.bucket[DURATIONS_BOUNDS], 1);
	assert_int_equal(times.of[0].times.sum_us, 5000202);
	durations_merge(&sum, &times.of[0].times);
	durations_merge(&sum, &times.of[0].times);
	assert_int_equal(count(&sum), 6);
	assert_int_equal(sum.sum_us, 2 * 5000202);
}

static void
names_beyond_the_limit_are_others(void **state)
{
	char name[HANDLER_NAME_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < HANDLER_EVENTS + 3; i++) {
		snprintf(name, sizeof name, "event-%u", i);
		sio_handler_times_add(&times, text_from(name), 1);
	}
	assert_int_equal(times.count, HANDLER_EVENTS);
	assert_int_equal(count(&times.of[HANDLER_EVENTS].times), 3);
	sio_handler_times_add(&times, TEXT("event-0"), 1);
	assert_int_equal(count(&times.of[0].times), 2);
}

static void
names_that_fit_no_label_count_as_other(void **state)
{
	char name[HANDLER_NAME_MAX];

	(void)state;
	memset(name, 'x', sizeof name);
	sio_handler_times_add(&times, text_of(name, sizeof name), 1);
	sio_handler_times_add(&times, text_of("a\0b", 3), 1);
	sio_handler_times_add(&times, TEXT(HANDLER_OTHER), 1);
	assert_int_equal(times.count, 0);
	assert_int_equal(count(&times.of[HANDLER_EVENTS].times), 3);
	sio_handler_times_add(&times, text_of(name, sizeof name - 1), 1);
	assert_int_equal(times.count, 1);
}

static void
the_first_of_many_is_measured(void **state)
{
	unsigned due = 0;

	(void)state;
	assert_true(sio_handler_times_due(&times));
	for (unsigned i = 1; i < 4 * HANDLER_SAMPLE; i++)
		due += sio_handler_times_due(&times);
	assert_int_equal(due, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(durations_fall_into_buckets, setup),
		cmocka_unit_test_setup(names_beyond_the_limit_are_others, setup),
		cmocka_unit_test_setup(names_that_fit_no_label_count_as_other, setup),
		cmocka_unit_test_setup(the_first_of_many_is_measured, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
