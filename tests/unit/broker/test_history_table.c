/* The histories of rooms in memory: their limits, order, pages and removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/history_table.h"

#define MB (1 << 20)

static struct history_table table;
static uint64_t now;

static int
setup(void **state)
{
	(void)state;
	now = 1000000;
	history_table_init(&table, MB);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	history_table_fini(&table);
	assert_int_equal(table.bytes, 0);
	assert_int_equal(table.entries, 0);
	return 0;
}

static struct history_id
append_entry(const char *room, const char *payload, unsigned count, uint64_t age)
{
	struct history_limits limits = {count, age};
	struct history_id id;

	assert_int_equal(history_table_append(&table, now, text_from(room), &limits, text_from(payload), &id), 0);
	return id;
}

static const char *
get(const char *room, struct history_query query)
{
	static char text[4096];
	struct history_found found;
	size_t n = 0;

	text[0] = '\0';
	assert_int_equal(history_table_read(&table, now, text_from(room), &query, &found), 0);
	for (unsigned i = 0; i < found.count; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", i > 0 ? " " : "",
			(int)found.at[i].payload->len, (const char *)found.at[i].payload->data);
	history_found_fini(&found);
	return text;
}

static const struct history_query all = {.count = 1000};

static void
the_oldest_of_a_room_go_first(void **state)
{
	char payload[16];

	(void)state;
	for (int i = 1; i <= 7; i++) {
		snprintf(payload, sizeof payload, "%d", i);
		append_entry("a", payload, 3, 0);
	}
	append_entry("b", "x", 3, 0);
	assert_string_equal(get("a", all), "5 6 7");
	assert_string_equal(get("b", all), "x");
	assert_string_equal(get("c", all), "");
	append_entry("a", "8", 1, 0); /* the rule has become smaller */
	assert_string_equal(get("a", all), "8");
	assert_int_equal(table.entries, 2);
	assert_int_equal(table.displaced, 0);
}

static void
old_entries_go_with_their_room(void **state)
{
	(void)state;
	append_entry("a", "1", 10, 100);
	now += 60;
	append_entry("a", "2", 10, 100);
	now += 41;
	assert_string_equal(get("a", all), "2");
	now += 60;
	history_table_sweep(&table, now);
	assert_int_equal(table.entries, 0);
	assert_int_equal(table.rooms.count, 0);
	assert_int_equal(table.bytes, 0);
	append_entry("a", "3", 10, 0);
	history_table_set_age(&table, TEXT("a"), 10);
	history_table_set_age(&table, TEXT("b"), 10);
	now += 11;
	assert_string_equal(get("a", all), "");
}

static void
a_sweep_visits_all_rooms_in_turn(void **state)
{
	char room[16];

	(void)state;
	for (int i = 0; i < 2 * HISTORY_SWEEP; i++) {
		snprintf(room, sizeof room, "%d", i);
		append_entry(room, "x", 1, 10);
	}
	now += 100;
	history_table_sweep(&table, now);
	assert_int_equal(table.entries, HISTORY_SWEEP);
	history_table_sweep(&table, now);
	assert_int_equal(table.entries, 0);
}

static void
the_oldest_of_all_rooms_go_when_memory_is_full(void **state)
{
	static char payload[10001];
	char room[16];

	(void)state;
	memset(payload, 'x', sizeof payload - 1);
	for (int i = 0; i < 200; i++) {
		snprintf(room, sizeof room, "%d", i);
		append_entry(room, payload, 10, 0);
		assert_true(table.bytes <= MB);
	}
	assert_int_equal(table.entries + table.displaced, 200);
	assert_true(table.entries > 90 && table.entries < 105);
	assert_string_equal(get("0", all), "");
	assert_int_equal(strlen(get("199", (struct history_query){.count = 1})), 4095); /* cut by this test */
}

static void
pages_go_both_ways(void **state)
{
	struct history_id ids[10];
	char payload[16];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(payload, sizeof payload, "%d", i);
		now += (uint64_t)i % 3; /* some in the same millisecond */
		ids[i] = append_entry("a", payload, 100, 0);
		assert_true(i == 0 || history_id_compare(ids[i - 1], ids[i]) < 0);
	}
	assert_string_equal(get("a", (struct history_query){.count = 3}), "7 8 9");
	assert_string_equal(get("a", (struct history_query){.count = 3, .from_oldest = true}), "0 1 2");
	assert_string_equal(get("a", (struct history_query){.count = 3, .before = ids[5]}), "2 3 4");
	assert_string_equal(
		get("a", (struct history_query){.count = 3, .after = ids[5], .from_oldest = true}), "6 7 8");
	assert_string_equal(get("a", (struct history_query){.count = 3, .after = ids[5]}), "7 8 9");
	assert_string_equal(get("a", (struct history_query){.count = 9, .after = ids[2], .before = ids[5]}), "3 4");
	assert_string_equal(get("a", (struct history_query){.count = 9, .after = ids[9]}), "");
	assert_int_equal(history_table_remove(&table, TEXT("a"), ids[4]), 1);
	assert_int_equal(history_table_remove(&table, TEXT("a"), ids[4]), 0);
	assert_string_equal(get("a", (struct history_query){.count = 3, .before = ids[6]}), "2 3 5");
	assert_int_equal(history_table_remove(&table, TEXT("a"), (struct history_id){0, 0}), 9);
	assert_int_equal(history_table_remove(&table, TEXT("a"), (struct history_id){0, 0}), 0);
	assert_int_equal(table.rooms.count, 0);
}

/* An answer is cut at the end where the caller's next page begins: at its oldest entry, or at its newest one. */
static void
an_answer_has_a_limit_at_its_far_end(void **state)
{
	enum { TOTAL = HISTORY_ANSWER_MAX / HISTORY_PAYLOAD_MAX + 10, ANSWERED = TOTAL - 10 };
	static char payload[HISTORY_PAYLOAD_MAX];
	struct history_limits limits = {HISTORY_COUNT_MAX, 0};
	struct history_query query = {.count = HISTORY_COUNT_MAX};
	struct history_id ids[TOTAL];
	struct history_found found;

	(void)state;
	table.max_bytes = 64 * MB;
	for (int i = 0; i < TOTAL; i++)
		assert_int_equal(history_table_append(
					 &table, now, TEXT("a"), &limits, text_of(payload, sizeof payload), &ids[i]),
			0);
	assert_int_equal(history_table_read(&table, now, TEXT("a"), &query, &found), 0);
	assert_int_equal(found.count, ANSWERED);
	assert_int_equal(history_id_compare(found.at[0].id, ids[10]), 0);
	assert_int_equal(history_id_compare(found.at[ANSWERED - 1].id, ids[TOTAL - 1]), 0);
	history_found_fini(&found);
	query.from_oldest = true;
	assert_int_equal(history_table_read(&table, now, TEXT("a"), &query, &found), 0);
	assert_int_equal(found.count, ANSWERED);
	assert_int_equal(history_id_compare(found.at[0].id, ids[0]), 0);
	assert_int_equal(history_id_compare(found.at[ANSWERED - 1].id, ids[ANSWERED - 1]), 0);
	history_found_fini(&found);
	query.max_bytes = 3 * HISTORY_PAYLOAD_MAX;
	assert_int_equal(history_table_read(&table, now, TEXT("a"), &query, &found), 0);
	assert_int_equal(found.count, 3);
	history_found_fini(&found);
}

static void
ids_grow_though_the_clock_goes_back(void **state)
{
	struct history_id first = append_entry("a", "1", 10, 0), second;

	(void)state;
	now -= 5000;
	second = append_entry("a", "2", 10, 0);
	assert_int_equal(second.ms, first.ms);
	assert_int_equal(second.seq, first.seq + 1);
	assert_string_equal(get("a", all), "1 2");
}

static void
ids_as_text(void **state)
{
	static const char *const bad[] = {"", "-", "1-", "-1", "1", "1-2-3", "1 -2", "18446744073709551616-0", "a-b"};
	char text[HISTORY_ID_MAX + 1];
	struct history_id id = {UINT64_MAX, UINT64_MAX}, read;

	(void)state;
	assert_int_equal(history_id_write(id, text), HISTORY_ID_MAX);
	assert_true(history_id_read(text_from(text), &read));
	assert_int_equal(history_id_compare(id, read), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(history_id_read(text_from(bad[i]), &read));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_oldest_of_a_room_go_first, setup, teardown),
		cmocka_unit_test_setup_teardown(old_entries_go_with_their_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sweep_visits_all_rooms_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_of_all_rooms_go_when_memory_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(pages_go_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_has_a_limit_at_its_far_end, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_grow_though_the_clock_goes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_as_text, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
