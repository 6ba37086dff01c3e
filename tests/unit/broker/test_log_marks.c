/* The log's length in messages: which entries may be trimmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/log_marks.h"

#define LENGTH 1000

static struct bus_position
at(uint64_t ms)
{
	return (struct bus_position){ms, 0};
}

/*
 * Entries of `size` messages come one after the other; the position of each is the count. Checks after each that
 * enough messages are kept, and not many more once there are enough.
 */
static void
add_entries(struct log_marks *marks, uint64_t from, uint64_t to, uint64_t size)
{
	for (uint64_t count = from + size; count <= to; count += size) {
		struct bus_position kept;

		log_marks_add(marks, at(count), count, LENGTH);
		kept = log_marks_kept(marks, LENGTH);
		assert_in_range(marks->used, 1, LOG_MARKS_MAX);
		if (count - from < LENGTH + 2 * LENGTH / LOG_MARKS_PER_LENGTH + size) {
			assert_true(kept.ms == 0 || count - kept.ms >= LENGTH);
			continue;
		}
		assert_in_range(count - kept.ms, LENGTH, LENGTH + 2 * LENGTH / LOG_MARKS_PER_LENGTH + size);
	}
}

static void
as_many_messages_are_kept_as_asked_for(void **state)
{
	static const unsigned sizes[] = {1, 2, 7, 16, 31, 32, 33, 100, 999, 1000, 5000};

	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct log_marks marks = {.used = 0};

		add_entries(&marks, 0, 20 * LENGTH + 10 * sizes[i], sizes[i]);
	}
}

static void
a_new_log_is_not_trimmed(void **state)
{
	struct log_marks marks = {.used = 0};

	(void)state;
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 0);
	log_marks_add(&marks, at(7), 123456, LENGTH); /* what is older is not known */
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 0);
}

/* Check messages of an idle log name the same position again and again. */
static void
the_same_position_takes_no_room(void **state)
{
	struct log_marks marks = {.used = 0};

	(void)state;
	log_marks_add(&marks, at(1), 1, LENGTH);
	for (unsigned i = 0; i < 1000; i++)
		log_marks_add(&marks, at(2), 2, LENGTH);
	assert_int_equal(marks.used, 2);
}

/* The counter or the log was lost: marks of the old one say nothing about the new one. */
static void
a_counter_or_position_that_goes_back_begins_anew(void **state)
{
	struct log_marks marks = {.used = 0};

	(void)state;
	add_entries(&marks, 0, 5 * LENGTH, 10);
	log_marks_add(&marks, at(6 * LENGTH), 3, LENGTH);
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 0);
	assert_int_equal(marks.used, 1);
	log_marks_add(&marks, at(7 * LENGTH), 9 * LENGTH, LENGTH);
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 6 * LENGTH);
	log_marks_add(&marks, at(5), 20 * LENGTH, LENGTH);
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 0);
	assert_int_equal(marks.used, 1);
}

/* Nobody can tell how many messages are behind the marks. */
static void
an_unknown_count_begins_anew(void **state)
{
	struct log_marks marks = {.used = 0};

	(void)state;
	add_entries(&marks, 0, 5 * LENGTH, 10);
	log_marks_add(&marks, at(6 * LENGTH), -1, LENGTH);
	assert_int_equal(log_marks_kept(&marks, LENGTH).ms, 0);
	assert_int_equal(marks.used, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_messages_are_kept_as_asked_for),
		cmocka_unit_test(a_new_log_is_not_trimmed),
		cmocka_unit_test(the_same_position_takes_no_room),
		cmocka_unit_test(a_counter_or_position_that_goes_back_begins_anew),
		cmocka_unit_test(an_unknown_count_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
