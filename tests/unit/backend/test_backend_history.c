/* The history of rooms for backends: CATCHUP, HISTORY and FORGET. The test plays the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/history.h"
#include "common/base/error.h"
#include "node/backend/backend_history.h"
#include "node/socketio/sio_history_entry.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

#define STORED_MAX 100

/* --------------------------------------------------------------- the store */

static struct history store;
static struct block *stored[STORED_MAX];
static unsigned stored_count;
static char last_key[64];
static struct history_ask *asked; /* the last one that waits */
static struct history_query query;
static struct history_id removed;

static void
store_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	(void)history, (void)limits;
	must(stored_count < STORED_MAX && key.n < sizeof last_key);
	memcpy(last_key, key.at, key.n);
	last_key[key.n] = '\0';
	stored[stored_count++] = block_copy(payload.at, payload.n);
}

static void
store_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *wanted, struct history_ask *ask)
{
	(void)history, (void)limits, (void)key;
	query = *wanted;
	asked = ask;
	ask->pending = ask;
}

static void
store_remove(struct history *history, struct text key, struct history_id id, struct history_ask *ask)
{
	(void)history, (void)key;
	removed = id;
	asked = ask;
	ask->pending = ask;
}

static void
store_cancel(struct history *history, struct history_ask *ask)
{
	(void)history;
	ask->pending = NULL;
	if (asked == ask)
		asked = NULL;
}

static void
store_stats(const struct history *history, struct history_stats *out)
{
	(void)history;
	*out = (struct history_stats){.appended = stored_count};
}

static void
store_free(struct history *history)
{
	(void)history;
}

static const struct history_form store_form = {
	store_append, store_read, store_remove, store_cancel, store_stats, store_free};

/* Answers the last ask: with all that is stored, with a number of removed entries, or with an error. */
static void
answer(int error, bool removes, unsigned count)
{
	static struct history_item items[STORED_MAX];
	struct history_ask *ask = asked;

	for (unsigned i = 0; !removes && i < count; i++)
		items[i] = (struct history_item){
			{UINT64_C(0x100000000) + i, 0}, text_of((const char *)stored[i]->data, stored[i]->len)};
	asked = NULL;
	ask->pending = NULL;
	ask->on_answer(ask, error, removes ? NULL : items, count);
	fake_turn();
}

/* ------------------------------------------------------------------- bench */

static void
with_rules(struct sio_options *o)
{
	o->history = (char *)"room*=100,/chat:*=100";
	o->max_room_length = 200;
}

static int
setup(void **state)
{
	struct backend_limits limits = fake_limits();

	(void)state;
	limits.history = true;
	stored_count = 0;
	asked = NULL;
	backends_start_with(&limits, with_rules);
	store = (struct history){&store_form, &fake_loop};
	sio_core_set_history(fake_io, &store);
	backend_comes(0);
	attached(0); /* the handle 2 */
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	backends_stop();
	while (stored_count > 0)
		block_unref(stored[--stored_count]);
	return 0;
}

static void
part_text(const char *text)
{
	part_number(strlen(text), 4);
	buffer_add_text(&link_parts, text_from(text));
}

static bool
catches_up(uint32_t handle, uint32_t id, unsigned count, const char *room)
{
	part_number(count, 4);
	part_text(room);
	return link_sends_parts(0, (struct backend_frame){.type = BACKEND_CATCHUP, .handle = handle, .id = id});
}

static bool
reads(uint16_t nsp, uint32_t id, unsigned count, const char *room, const char *before, const char *after)
{
	part_number(count, 4);
	part_text(room);
	part_text(before);
	part_text(after);
	return link_sends_parts(0, (struct backend_frame){.type = BACKEND_HISTORY, .nsp = nsp, .id = id});
}

static bool
forgets(uint32_t id, const char *room, const char *event)
{
	part_text(room);
	part_text(event);
	return link_sends_parts(0, (struct backend_frame){.type = BACKEND_FORGET, .id = id});
}

/* ------------------------------------------------------------------- tests */

static void
the_history_comes_before_newer_events(void **state)
{
	(void)state;
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",1]"));
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",2]"));
	assert_int_equal(stored_count, 2);
	assert_true(catches_up(2, 7, 10, "room"));
	assert_int_equal(query.count, 10);
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",3]"));
	EXPECT_SENT(0, "");
	EXPECT_FRAMES(0, ""); /* the backend knows that it has joined the socket */
	answer(0, false, 3);
	EXPECT_SENT(0, "2[\"e\",1]\n2[\"e\",2]\n2[\"e\",3]\n");
	EXPECT_FRAMES(0, "PAST flags=64 id=7 3 ''\n");
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",4]"));
	EXPECT_SENT(0, "2[\"e\",4]\n");
}

static void
a_room_without_history_is_joined(void **state)
{
	(void)state;
	assert_true(catches_up(2, 7, 0, "other"));
	assert_null(asked);
	fake_sleep(1);
	fake_turn();
	EXPECT_FRAMES(0, "PAST flags=64 id=7 0 ''\n");
	assert_true(link_casts(0, 0, 0, "other", "", "[\"e\",1]"));
	EXPECT_SENT(0, "2[\"e\",1]\n");
	assert_int_equal(stored_count, 0);
}

static void
a_join_ends_with_the_socket_or_an_error(void **state)
{
	(void)state;
	assert_true(catches_up(2, 7, 0, "room"));
	answer(ERROR_TIMEOUT, false, 0);
	EXPECT_FRAMES(0, "PAST flags=64 id=7 0 'timeout'\n");
	assert_true(catches_up(2, 8, 0, "room"));
	assert_true(link_rooms(0, BACKEND_LEAVE, 2, "room"));
	fake_turn();
	EXPECT_FRAMES(0, "PAST flags=64 id=8 0 'state'\n");
	assert_true(catches_up(99, 9, 0, "room"));
	EXPECT_FRAMES(0, "PAST flags=64 id=9 0 'state'\n");
}

/* The backend should wait for ACCEPT. If it does not, it gets an error, and the socket is in the room. */
static void
a_socket_that_opens_joins_without_history(void **state)
{
	uint32_t handle;

	(void)state;
	(void)fake_open(1);
	receive(1, "0");
	handle = fake_links[0].handles;
	(void)link_sent(0);
	assert_true(catches_up(handle, 7, 0, "room"));
	EXPECT_FRAMES(0, "PAST flags=64 id=7 0 'state'\n");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, handle, 0, ""));
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",1]"));
	EXPECT_SENT(1, "0{\"sid\":\"*\"}\n2[\"e\",1]\n");
}

static void
events_are_read_and_removed(void **state)
{
	(void)state;
	assert_true(link_casts(0, 0, 0, "room", "", "[\"e\",\"gr\xc3\xbc\xc3\x9f\"]"));
	part_rooms("room");
	part_rooms("");
	part_text("[\"bin\"," P(0) "]");
	part_text("\xff\x01");
	assert_true(link_sends_parts(0, (struct backend_frame){.type = BACKEND_CAST, .flags = BACKEND_F_BIN}));
	assert_true(reads(0, 5, 20, "room", "4-2", ""));
	assert_int_equal(query.count, 20);
	assert_true(query.before.ms == 4 && query.before.seq == 2 && !query.from_oldest);
	answer(0, false, 2);
	EXPECT_FRAMES(0, "PAST id=5 '4294967296-0' 0 1 [\"e\",\"gr\xc3\xbc\xc3\x9f\"]\n"
			 "PAST flags=8 id=5 '4294967297-0' 1 1 [\"bin\"," P(0) "]+ff01\n"
									       "PAST flags=64 id=5 2 ''\n");
	assert_true(reads(0, 6, 0, "room", "", "3-1"));
	assert_int_equal(query.count, HISTORY_COUNT_MAX);
	assert_true(query.after.ms == 3 && query.after.seq == 1 && query.from_oldest);
	answer(ERROR_TIMEOUT, false, 0);
	EXPECT_FRAMES(0, "PAST flags=64 id=6 0 'timeout'\n");
	assert_true(forgets(7, "room", "3-1"));
	assert_true(removed.ms == 3 && removed.seq == 1);
	answer(0, true, 1);
	EXPECT_FRAMES(0, "PAST flags=64 id=7 1 ''\n");
	assert_true(forgets(8, "room", ""));
	assert_true(removed.ms == 0 && removed.seq == 0);
	answer(0, true, 5);
	EXPECT_FRAMES(0, "PAST flags=64 id=8 5 ''\n");
}

static void
wrong_questions_get_an_error(void **state)
{
	(void)state;
	assert_true(reads(0, 1, 0, "other", "", ""));
	assert_true(reads(0, 2, 0, "room", "never", ""));
	assert_true(reads(0, 3, 0, "room", "", "0-0"));
	assert_true(forgets(4, "other", ""));
	assert_true(forgets(5, "room", "x"));
	assert_true(catches_up(2, 6, 0,
		"a room with a name of more than 200 bytes, "
		"........................................................................"
		"........................................................................"
		"........................................................................"));
	EXPECT_FRAMES(0, "PAST flags=64 id=1 0 'not-found'\n"
			 "PAST flags=64 id=2 0 'argument'\n"
			 "PAST flags=64 id=3 0 'argument'\n"
			 "PAST flags=64 id=4 0 'not-found'\n"
			 "PAST flags=64 id=5 0 'argument'\n"
			 "PAST flags=64 id=6 0 'too-big'\n");
	sio_core_set_history(fake_io, NULL);
	fake_turn();
	assert_true(reads(0, 9, 0, "room", "", ""));
	EXPECT_FRAMES(0, "PAST flags=64 id=9 0 'state'\n");
}

static void
names_of_rooms_are_limited(void **state)
{
	static char room[BACKEND_PAST_ROOM_MAX + 2];

	(void)state;
	memset(room, '1', BACKEND_PAST_ROOM_MAX);
	memcpy(room, "room", 4);
	assert_true(reads(0, 1, 0, room, "", ""));
	assert_non_null(asked);
	answer(0, false, 0);
	assert_true(forgets(2, room, ""));
	answer(0, true, 0);
	EXPECT_FRAMES(0, "PAST flags=64 id=1 0 ''\nPAST flags=64 id=2 0 ''\n");
	room[BACKEND_PAST_ROOM_MAX] = '1';
	assert_true(reads(0, 3, 0, room, "", ""));
	assert_true(forgets(4, room, ""));
	assert_true(catches_up(99, 5, 0, room));
	assert_null(asked);
	EXPECT_FRAMES(0, "PAST flags=64 id=3 0 'too-big'\n"
			 "PAST flags=64 id=4 0 'too-big'\n"
			 "PAST flags=64 id=5 0 'too-big'\n");
}

/* Each read may hold a megabyte. */
static void
few_histories_are_read_at_the_same_time(void **state)
{
	struct history_ask *first = NULL;

	(void)state;
	for (unsigned i = 0; i < BACKEND_READS_MAX; i++) {
		assert_true(reads(0, i + 1, 0, "room", "", ""));
		assert_int_equal(query.max_bytes, BACKEND_PAST_MAX);
		first = first != NULL ? first : asked;
	}
	EXPECT_FRAMES(0, "");
	asked = NULL;
	assert_true(reads(0, 20, 0, "room", "", ""));
	EXPECT_FRAMES(0, "PAST flags=64 id=20 0 'too-many'\n");
	assert_null(asked);
	assert_true(forgets(21, "room", "")); /* holds no events */
	answer(0, true, 1);
	EXPECT_FRAMES(0, "PAST flags=64 id=21 1 ''\n");
	asked = first;
	answer(ERROR_UNSUPPORTED, false, 0);
	EXPECT_FRAMES(0, "PAST flags=64 id=1 0 'refused'\n");
	assert_true(reads(0, 22, 0, "room", "", ""));
	answer(0, false, 0);
	EXPECT_FRAMES(0, "PAST flags=64 id=22 0 ''\n");
}

static void
malformed_frames_end_the_link(void **state)
{
	static const uint8_t types[] = {BACKEND_CATCHUP, BACKEND_HISTORY, BACKEND_FORGET};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_false(link_gets(0, types[i], 0, 2, 1, ""));
		assert_false(link_gets(0, types[i], 0, 2, 1, "abc"));
		part_number(1, 4);
		part_text("room");
		part_text("");
		part_text("");
		buffer_add_byte(&link_parts, 'x'); /* bytes behind the last part */
		assert_false(link_sends_parts(0, (struct backend_frame){.type = types[i], .handle = 2, .id = 1}));
	}
	assert_false(reads(3, 1, 0, "room", "", "")); /* a namespace that was not announced */
	EXPECT_FRAMES(0, "");
}

/* Fills the history with events of 60,000 bytes, which another server has stored. */
static void
store_large(unsigned count)
{
	struct history_limits limits = {100, 0};
	struct buffer event, bytes;

	buffer_init(&event, 100000);
	buffer_init(&bytes, 100000);
	for (unsigned i = 0; i < count; i++) {
		struct sio_history_entry entry = {.mark = {1, i}};

		buffer_reset(&event);
		buffer_reset(&bytes);
		buffer_printf(&event, "[\"e\",%u,\"%060000u\"]", i, i);
		assert_int_equal(sio_history_entry_write(&bytes, &entry, buffer_text(&event), NULL), 0);
		store_append(&store, TEXT("/#room"), &limits, buffer_text(&bytes));
	}
	buffer_fini(&event);
	buffer_fini(&bytes);
}

static unsigned
lines_of(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
an_answer_has_at_most_a_megabyte(void **state)
{
	const char *frames;

	(void)state;
	store_large(20);
	assert_true(reads(0, 1, 0, "room", "", ""));
	answer(0, false, 20);
	frames = link_sent(0);
	assert_int_equal(lines_of(frames), 17 + 1);
	assert_memory_equal(frames, "PAST id=1 '4294967299-0'", 24); /* the oldest are left out */
	assert_non_null(strstr(frames, "PAST flags=64 id=1 17 ''\n"));
	assert_true(reads(0, 2, 0, "room", "", "1-1"));
	answer(0, false, 20);
	frames = link_sent(0);
	assert_int_equal(lines_of(frames), 17 + 1);
	assert_memory_equal(frames, "PAST id=2 '4294967296-0'", 24); /* the newest are left out */
	fake_links[0].space = 1 << 20;
	assert_true(reads(0, 3, 0, "room", "", ""));
	answer(0, false, 20);
	assert_int_equal(lines_of(link_sent(0)), 17 + 1);
	fake_links[0].space = 500000;
	assert_true(reads(0, 4, 0, "room", "", ""));
	answer(0, false, 20);
	EXPECT_FRAMES(0, "PAST flags=64 id=4 0 'too-many'\n");
}

static void
a_lost_link_gets_no_answer(void **state)
{
	struct history_ask *read;

	(void)state;
	assert_true(reads(0, 1, 0, "room", "", ""));
	read = asked;
	assert_true(catches_up(2, 2, 0, "room"));
	link_lost(0);
	answer(0, false, 0);
	asked = read;
	answer(0, false, 0);
	backend_comes(1);
	assert_non_null(strstr(link_sent(1), "{room}"));
	/* a question that is open when the server ends */
	assert_int_equal(link_gets(1, BACKEND_ACCEPT, 0, 2, 0, ""), true);
	part_number(0, 4);
	part_text("room");
	part_text("");
	part_text("");
	assert_true(link_sends_parts(1, (struct backend_frame){.type = BACKEND_HISTORY, .id = 1}));
}

/* No client has asked for the namespace at this worker, but the history of its rooms is the same for all. */
static void
a_namespace_without_clients_has_history(void **state)
{
	(void)state;
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/chat");
	part_rooms("x");
	part_rooms("");
	buffer_add_text(&link_parts, TEXT("[\"e\"]"));
	assert_true(link_sends_parts(0, (struct backend_frame){.type = BACKEND_CAST, .nsp = 1}));
	assert_int_equal(stored_count, 1);
	assert_string_equal(last_key, "/chat#x");
	assert_true(reads(1, 1, 0, "x", "", ""));
	answer(0, false, 1);
	EXPECT_FRAMES(0, "PAST id=1 '4294967296-0' 0 1 [\"e\"]\nPAST flags=64 id=1 1 ''\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_history_comes_before_newer_events),
		TEST(a_room_without_history_is_joined),
		TEST(a_join_ends_with_the_socket_or_an_error),
		TEST(a_socket_that_opens_joins_without_history),
		TEST(events_are_read_and_removed),
		TEST(wrong_questions_get_an_error),
		TEST(names_of_rooms_are_limited),
		TEST(few_histories_are_read_at_the_same_time),
		TEST(malformed_frames_end_the_link),
		TEST(an_answer_has_at_most_a_megabyte),
		TEST(a_lost_link_gets_no_answer),
		TEST(a_namespace_without_clients_has_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
