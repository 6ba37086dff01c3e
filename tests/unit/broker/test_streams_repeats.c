/* Which entries of a stream have been read before, and what this says about the events that a returning client has
 * missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "broker/stream_number.h"
#include "broker/streams_repeats.h"
#include "common/base/error.h"

static struct streams_repeats repeats;

static int
start(void **state)
{
	(void)state;
	streams_repeats_init(&repeats);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	streams_repeats_fini(&repeats);
	return 0;
}

/* Adds an entry with the id <ms>-0. `number` 0: it has none. */
static bool
add_entry(const char *uid, uint64_t number, uint64_t ms)
{
	char digits[24];
	struct wire_stream_entry entry = {.id = {ms, 0}, .uid = text_from(uid)};

	snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	if (number != 0)
		entry.order = text_from(digits);
	return streams_repeats_add(&repeats, 0, &entry);
}

static int
had(uint64_t ms, uint64_t from)
{
	return streams_repeats_had(&repeats, 0, stream_number_of((struct wire_stream_id){ms, 0}),
		stream_number_of((struct wire_stream_id){from, 0}));
}

static void
a_number_that_has_been_read_is_a_repeat(void **state)
{
	(void)state;
	assert_true(add_entry("a", 1, 10));
	assert_true(add_entry("a", 2, 11));
	assert_true(add_entry("b", 1, 12)); /* each sender has numbers of its own */
	assert_true(add_entry("a", 9, 13)); /* numbers may be left out: their messages were dropped */
	assert_false(add_entry("a", 2, 14));
	assert_false(add_entry("a", 9, 15));
	assert_true(add_entry("a", 10, 16));
	assert_true(repeats.count == 2);
}

/* The server refused a message and took later ones, so its writer has added it behind them. */
static void
a_message_that_comes_late_is_new(void **state)
{
	(void)state;
	assert_true(add_entry("a", 7, 10));
	assert_true(add_entry("a", 9, 11));
	assert_true(add_entry("a", 11, 12));
	assert_true(add_entry("a", 8, 13));
	assert_true(add_entry("a", 10, 14));
	for (uint64_t number = 1; number <= 11; number++)
		assert_false(add_entry("a", number, 20 + number));
	assert_true(repeats.count == 11);
	assert_int_equal(had(31, 14), 1);
	assert_int_equal(had(31, 13), ERROR_UNSUPPORTED);
	/* the newest number is far ahead: of those in between, the last 64 may come late */
	assert_true(add_entry("a", 75, 40));
	assert_false(add_entry("a", 11, 41));
	assert_true(add_entry("a", 12, 42));
	assert_true(add_entry("a", 74, 43));
	assert_true(add_entry("a", 76, 44));
	assert_false(add_entry("a", 12, 45));
	assert_false(add_entry("a", 75, 46));
	assert_true(add_entry("a", 1000, 47));
	assert_false(add_entry("a", 935, 48));
	assert_true(add_entry("a", 936, 49));
	assert_true(add_entry("a", UINT64_MAX, 50));
	assert_false(add_entry("a", UINT64_MAX, 51));
	assert_true(add_entry("a", UINT64_MAX - 64, 52));
	assert_false(add_entry("a", UINT64_MAX - 65, 53));
}

static void
entries_without_a_usable_number_are_new(void **state)
{
	struct wire_stream_entry entry = {.uid = TEXT("a"), .order = TEXT("x")};
	char name[65];

	(void)state;
	assert_true(add_entry("a", 5, 1));
	assert_true(add_entry("a", 0, 2)); /* like the entries of Node.js servers */
	assert_true(add_entry("a", 0, 2));
	assert_true(streams_repeats_add(&repeats, 0, &entry));
	entry = (struct wire_stream_entry){.order = TEXT("1")};
	assert_true(streams_repeats_add(&repeats, 0, &entry));
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_true(add_entry(name, 1, 3));
	assert_true(add_entry(name, 1, 4)); /* no node has such a uid, so it takes no memory here */
	assert_true(repeats.count == 0);
}

/* A repeat belongs to a client whose position is before the message, and not to one that has got it. */
static void
a_client_behind_the_message_has_got_it(void **state)
{
	(void)state;
	assert_true(add_entry("a", 1, 10));
	assert_true(add_entry("b", 1, 12));
	assert_false(add_entry("a", 1, 20));
	assert_int_equal(had(20, 10), 1);
	assert_int_equal(had(20, 12), 1);
	assert_int_equal(had(20, 9), ERROR_UNSUPPORTED);
	assert_int_equal(had(19, 12), 0); /* not a repeat */
	assert_int_equal(streams_repeats_had(&repeats, 1, stream_number_of((struct wire_stream_id){20, 0}), 0), 0);
}

/* Beyond the limit, nothing can be told about older entries. */
static void
old_repeats_are_forgotten(void **state)
{
	(void)state;
	assert_true(add_entry("a", 1, 10));
	for (unsigned i = 0; i < STREAMS_REPEATS_MAX + 2; i++)
		assert_false(add_entry("a", 1, 100 + i));
	assert_int_equal(had(101, 50), ERROR_UNSUPPORTED); /* forgotten */
	assert_int_equal(had(50, 20), ERROR_UNSUPPORTED);
	assert_int_equal(had(102, 50), 1);
	assert_int_equal(had(100 + STREAMS_REPEATS_MAX + 1, 50), 1);
	assert_int_equal(had(100 + STREAMS_REPEATS_MAX + 2, 50), 0);
}

/* Names from the network fill a bounded memory, and the last senders stay known. */
static void
the_last_senders_are_remembered(void **state)
{
	struct bus_senders senders;
	char name[16];

	(void)state;
	bus_senders_init(&senders, 100);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "%u", i);
		bus_senders_get(&senders, text_from(name))->number = i + 1;
		assert_true(senders.recent.count + senders.older.count <= 200);
		bus_senders_get(&senders, TEXT("steady"))->number++;
	}
	for (unsigned i = 910; i < 1000; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_true(bus_senders_get(&senders, text_from(name))->number == i + 1);
	}
	assert_true(bus_senders_get(&senders, TEXT("steady"))->number == 1000);
	assert_true(bus_senders_get(&senders, TEXT("0"))->number == 0);
	bus_senders_clear(&senders);
	assert_true(bus_senders_get(&senders, TEXT("steady"))->number == 0);
	bus_senders_clear(&senders);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_number_that_has_been_read_is_a_repeat),
		CASE(a_message_that_comes_late_is_new),
		CASE(entries_without_a_usable_number_are_new),
		CASE(a_client_behind_the_message_has_got_it),
		CASE(old_repeats_are_forgotten),
		CASE(the_last_senders_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
