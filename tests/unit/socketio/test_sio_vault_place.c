/* Places in the log of Redis, the marks of a session, and the choice among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "node/socketio/sio_vault_place.h"

static const char epoch[] = "epochepo";

static uint64_t
origin(const char name[SIO_ORIGIN_LENGTH + 1])
{
	uint64_t value;

	memcpy(&value, name, sizeof value);
	return value;
}

static void
places_are_written_and_read(void **state)
{
	static const char *const texts[] = {"1-0", "1795965605059-3.Q8Y0uvXk3J1b.17", "5-1~9~2~4-0",
		"18446744073709551615-18446744073709551615.Q8Y0uvXk3J1b.4611686018427387903~4611686018427387903~1~0-"
		"0"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char again[SIO_PLACE_MAX + 1];
		struct sio_vault_place place;

		assert_true(sio_vault_place_read(text_from(texts[i]), &place));
		assert_int_equal(sio_vault_place_write(&place, again), strlen(texts[i]));
		assert_string_equal(again, texts[i]);
	}
}

static void
other_texts_are_not_places(void **state)
{
	static const char *const texts[] = {"", "1", "1-", "-1", "01-0", "1-0.", "1-0.Q8Y0uvXk3J1b",
		"1-0.Q8Y0uvXk3J1b.", "1-0.Q8Y0uvXk3J1b.0", "1-0.Q8Y0uvXk3J1.1", "1-0.Q8Y0uvXk3J1b.01", "1-0~",
		"1-0~1~0~1-0", "1-0~1~1", "1-0~1~1~", "1-0~01~1~1-0", "1-0~9~1~1-0~",
		"1-0.Q8Y0uvXk3J1b.99999999999999999999", "1-0.Q8Y0uvXk3J1b.1.", " 1-0", "1-0 ", "+1-0"};
	char longer[SIO_PLACE_MAX + 2];
	struct sio_vault_place place;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_false(sio_vault_place_read(text_from(texts[i]), &place));
	memset(longer, '1', sizeof longer);
	assert_false(sio_vault_place_read(text_of(longer, sizeof longer), &place));
	assert_false(sio_vault_place_read(text_of("1-0\0", 4), &place));
}

static void
offsets_have_an_epoch_a_position_and_a_place(void **state)
{
	struct sio_vault_offset offset;

	(void)state;
	assert_true(sio_vault_offset_read(epoch, TEXT("epochepo12.workerAA7:5-1"), &offset));
	assert_true(offset.at.heard == 12 && offset.at.local == 7 && offset.at.origin == origin("workerAA"));
	assert_true(offset.place.entry.ms == 5 && offset.place.entry.seq == 1);
	assert_false(sio_vault_offset_read(epoch, TEXT("epochepo12.workerAA7"), &offset));
	assert_false(sio_vault_offset_read(epoch, TEXT("epochepo12.workerAA7:"), &offset));
	assert_false(sio_vault_offset_read(epoch, TEXT("epochepX12.workerAA7:5-1"), &offset));
	assert_false(sio_vault_offset_read(epoch, TEXT(":5-1"), &offset));
	assert_false(sio_vault_offset_read(epoch, TEXT(""), &offset));
}

static struct sio_vault_mark
mark_of(const char *text)
{
	char again[SIO_MARK_MAX];
	struct sio_vault_mark mark;

	assert_true(sio_vault_mark_read(text_from(text), &mark));
	assert_int_equal(sio_vault_mark_write(&mark, again), strlen(text));
	assert_string_equal(again, text);
	return mark;
}

static void
marks_are_written_and_read(void **state)
{
	static const char *const bad[] = {"", "- 0 0 - 0 0", "- 0 0 short 0 0 1-0", "- x 0 workerAA 0 0 1-0",
		"- 0 0 workerAA 0 0 1-0 ", "workerA 0 0 workerAA 0 0 1-0", "- 0 0 workerAA 0 0 1-0 - 0 workerAA 0",
		"- 0 0 workerAA 0 0 1-0 - 0 workerAA 0 1-0 "};
	struct sio_vault_mark mark;

	(void)state;
	(void)mark_of("- 0 10 workerAA 12 3 5-1");
	(void)mark_of("workerBB 9 10 workerAA 12 3 5-1.Q8Y0uvXk3J1b.17~3~1~4-0");
	(void)mark_of("workerAA 9 9 workerAA 12 3 5-1 workerBB 7 workerCC 2 3-1.Q8Y0uvXk3J1b.17~3~1~4-0");
	(void)mark_of("workerAA 9 9 workerAA 12 3 5-1 - 0 workerAA 2 3-1");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(sio_vault_mark_read(text_from(bad[i]), &mark));
}

/* Returns the ms of the entry that is chosen, or -1. */
static int64_t
chosen(const char *changed, const char *quiet, const char *offset)
{
	struct sio_vault_mark at_change = mark_of(changed), later;
	struct sio_vault_offset sent;
	struct sio_vault_from from;

	if (quiet != NULL)
		later = mark_of(quiet);
	if (offset != NULL)
		assert_true(sio_vault_offset_read(epoch, text_from(offset), &sent));
	if (!sio_vault_choose(&at_change, quiet != NULL ? &later : NULL, offset != NULL ? &sent : NULL, &from))
		return -1;
	return (int64_t)from.place.entry.ms;
}

static void
the_last_place_that_the_client_has_reached_is_chosen(void **state)
{
	static const char first[] = "- 0 10 workerAA 10 0 100-0";
	static const char moved[] = "workerAA 15 10 workerAA 16 0 160-0";
	static const char quiet[] = "workerAA 20 10 workerAA 30 0 300-0";

	(void)state;
	/* without an offset, the first mark counts, unless it names an event that the client must have received */
	assert_int_equal(chosen(first, NULL, NULL), 100);
	assert_int_equal(chosen(first, quiet, NULL), 100);
	assert_int_equal(chosen(moved, NULL, NULL), -1);
	/* an older offset counts from its own place, and the offset of the last event from the newest mark */
	assert_int_equal(chosen(first, quiet, "epochepo12.workerAA0:120-0"), 120);
	assert_int_equal(chosen(first, quiet, "epochepo20.workerAA0:200-0"), 300);
	assert_int_equal(chosen(first, quiet, "epochepo31.workerAA0:310-0"), 310);
	/* an event from before the rooms changed is missing */
	assert_int_equal(chosen(moved, quiet, "epochepo14.workerAA0:140-0"), -1);
	assert_int_equal(chosen(moved, quiet, "epochepo15.workerAA0:150-0"), 160);
	/* a place from before the session is not taken */
	assert_int_equal(chosen(first, NULL, "epochepo5.workerAA0:1-0"), 100);
}

static void
an_offset_of_another_worker_counts_only_as_the_bound(void **state)
{
	static const char came[] = "workerBB 40 10 workerAA 10 0 100-0";

	(void)state;
	assert_int_equal(chosen(came, NULL, "epochepo40.workerBB0:50-0"), 100);
	assert_int_equal(chosen(came, NULL, "epochepo39.workerBB0:50-0"), -1);
	assert_int_equal(chosen(came, NULL, "epochepo90.workerCC0:50-0"), -1);
	assert_int_equal(chosen(came, NULL, "epochepo9.workerAA0:90-0"), -1);
	assert_int_equal(chosen(came, NULL, "epochepo11.workerAA0:110-0"), 110);
	assert_int_equal(chosen(came, NULL, NULL), -1);
}

/* Redis has not taken the session of worker C, which has replayed events to the client. They must not come again. */
static void
an_offset_of_a_worker_that_no_mark_names_is_refused(void **state)
{
	static const char first[] = "- 0 10 workerAA 10 0 100-0";
	static const char quiet[] = "workerAA 20 10 workerAA 30 0 300-0";

	(void)state;
	assert_int_equal(chosen(first, NULL, "epochepo90.workerCC0:310-0"), -1);
	assert_int_equal(chosen(first, quiet, "epochepo90.workerCC0:310-0"), -1);
	/* the client still has the offset of an earlier session */
	assert_int_equal(chosen(first, quiet, "epochepo90.workerCC0:90-0"), 100);
	assert_int_equal(chosen(first, quiet, "epochepo90.workerCC0:100-0"), 100);
}

static void
the_offset_from_before_a_replay_counts_until_something_of_it_is_received(void **state)
{
	static const char by_offset[] = "workerAA 40 40 workerAA 40 0 100-0 workerBB 7 workerBB 2 30-0";
	static const char by_mark[] = "workerAA 40 40 workerAA 40 0 100-0 - 0 workerBB 2 20-0";
	static const char quiet[] = "workerAA 45 40 workerAA 50 0 110-0";
	static const char unheard[] = "workerAA 40 40 workerAA 40 0 100-0 workerAA 38 workerAA 2 30-0";

	(void)state;
	assert_int_equal(chosen(by_offset, NULL, "epochepo5.workerBB2:30-0"), 30);
	assert_int_equal(chosen(by_offset, quiet, "epochepo5.workerBB2:25-0"), 30); /* the log was read from a mark */
	assert_int_equal(chosen(by_offset, NULL, "epochepo5.workerBB1:29-0"), -1);
	assert_int_equal(chosen(by_offset, NULL, "epochepo5.workerCC2:30-0"), -1);
	assert_int_equal(chosen(by_offset, NULL, NULL), -1);
	assert_int_equal(chosen(by_mark, quiet, NULL), 20);
	assert_int_equal(chosen(by_mark, NULL, "epochepo5.workerBB2:30-0"), -1);
	/* the whole replay, or more, has been received; or a part of it */
	assert_int_equal(chosen(by_offset, NULL, "epochepo40.workerAA0:100-0"), 100);
	assert_int_equal(chosen(by_offset, quiet, "epochepo45.workerAA0:105-0"), 110);
	assert_int_equal(chosen(by_offset, NULL, "epochepo39.workerAA0:100-0"), -1);
	/* events that this worker had not heard: one of the replay has the number of the client's own offset */
	assert_int_equal(chosen(unheard, NULL, "epochepo38.workerAA0:30-0"), 30);
	assert_int_equal(chosen(unheard, NULL, "epochepo38.workerAA0:100-0"), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_written_and_read),
		cmocka_unit_test(other_texts_are_not_places),
		cmocka_unit_test(offsets_have_an_epoch_a_position_and_a_place),
		cmocka_unit_test(marks_are_written_and_read),
		cmocka_unit_test(the_last_place_that_the_client_has_reached_is_chosen),
		cmocka_unit_test(an_offset_of_another_worker_counts_only_as_the_bound),
		cmocka_unit_test(an_offset_of_a_worker_that_no_mark_names_is_refused),
		cmocka_unit_test(the_offset_from_before_a_replay_counts_until_something_of_it_is_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
