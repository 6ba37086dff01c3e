/*
 * Joins with history in streams mode, with connection state recovery. The test plays the store of the history, the
 * stream and Redis.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "node/socketio/sio_history_join.h"
#include "node/socketio/sio_stream_session.h"

#include "tests/unit/socketio/joining_streams.h"

static unsigned joined_calls, joined_sent;
static int joined_error;
static bool joined_gone;

static void
on_joined(sio_socket *s, int error, unsigned sent, void *arg)
{
	(void)arg;
	joined_calls++;
	joined_error = error;
	joined_sent = sent;
	joined_gone = s == NULL;
}

static int
set_up(void **state)
{
	joined_calls = joined_sent = 0;
	return start(state);
}

static void
say(int n)
{
	assert_int_equal(sio_emit(sio_to(sio_all(nsp()), "room"), "e", "i", n), 0);
}

static void
join(void)
{
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 0, on_joined, NULL), 0);
	fake_turn();
}

/* Returns how often the server has sent these bytes to the client. */
static unsigned
count_sent(const char *bytes)
{
	const char *at = (const char *)client.session->sent.data, *end = at + client.session->sent.len;
	unsigned count = 0;

	while ((at = memmem(at, (size_t)(end - at), bytes, strlen(bytes))) != NULL) {
		at += strlen(bytes);
		count++;
	}
	return count;
}

/* Returns the lower bound of valid offsets in the session that Redis has. */
static uint64_t
valid_from(void)
{
	struct text value = buffer_text(&fake_stream.session);
	struct sio_stream_session record;
	struct buffer map, rooms;
	uint8_t *room;

	buffer_init(&map, 1 << 20);
	buffer_init(&rooms, 1 << 20);
	room = buffer_room(&map, BASE64_DECODED_MAX(value.n));
	map.len = (size_t)base64_decode(value, room);
	assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &record), 0);
	buffer_fini(&map);
	buffer_fini(&rooms);
	return record.moved;
}

/* The client comes back with this offset. Returns true if its session is good for it. */
static bool
returns_with(const char *offset)
{
	struct resp_item session = {.type = RESP_BULK, .text = buffer_text(&fake_stream.session)};

	buffer_reset(&fake_stream.log);
	recovering_claim(&client, client.pid, offset);
	fake_stream_answer(0, &session);
	return text_is(buffer_text(&fake_stream.log), TEXT("GETRANGE XRANGE "));
}

/* ------------------------------------------------------------------- tests */

static void
the_history_has_one_place_among_the_live_events(void **state)
{
	(void)state;
	say(1);
	read_own(1, 10);
	join();
	hear(1, 100, 11);
	say(2); /* in the answer, and read from the stream later */
	store_answers(0, stored_count);
	assert_int_equal(fake_stream.number, 3);
	hear(2, 101, 12);
	read_own(2, 13);
	assert_string_equal(got(), "");
	assert_true(valid_from() == UINT64_MAX);
	read_own(3, 14);
	hear(3, 102, 15);
	fake_sleep(1);
	assert_string_equal(got(), "1 2 100 101 102");
	assert_string_equal(client.offset, "15-0");
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, 0);
	assert_int_equal(joined_sent, 2);
	assert_true(valid_from() == at(14));
	assert_int_equal(stored_count, 2);
}

static void
only_the_last_event_has_an_offset(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	peer_stores("/#room", 2, 2);
	join();
	store_answers(0, stored_count);
	hear(2, 2, 12); /* held, and in the answer */
	read_own(1, 14);
	assert_string_equal(got(), "1 2");
	assert_string_equal(client.offset, "14-0");
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_true(returns_with("14-0"));
}

static void
who_has_not_got_all_of_the_history_is_new(void **state)
{
	(void)state;
	hear(1, 1, 9); /* not for the client */
	peer_stores("/#room", 2, 2);
	join();
	store_answers(0, stored_count);
	read_own(1, 14);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_false(returns_with("9-0"));
}

static void
who_is_lost_before_the_history_has_come_is_new(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	assert_true(valid_from() == UINT64_MAX);
	store_answers(0, stored_count);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_int_equal(joined_calls, 1);
	assert_true(joined_gone);
	assert_true(valid_from() == UINT64_MAX);
	read_own(1, 14);
	assert_false(returns_with("14-0"));
}

static void
a_room_without_events_needs_no_entry(void **state)
{
	(void)state;
	join();
	store_answers(0, 0);
	assert_int_equal(fake_stream.number, 0);
	assert_int_equal(joined_calls, 1);
	assert_true(valid_from() < UINT64_MAX);
	hear(1, 1, 9);
	assert_string_equal(got(), "1");
	assert_string_equal(client.offset, "9-0");
}

/* Nobody can tell from an offset what the client has got, until it gets a later one. */
static void
assert_new_until_the_next_event(void)
{
	assert_string_equal(got(), "1 100");
	assert_string_equal(client.offset, "");
	assert_true(valid_from() > fake_stream.position);
	hear(9, 101, 20);
	assert_string_equal(got(), "101");
	assert_string_equal(client.offset, "20-0");
	assert_true(valid_from() <= at(20));
}

static void
without_the_stream_the_history_comes_at_once(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	hear(2, 100, 9);
	fake_stream.up = false;
	store_answers(0, stored_count);
	assert_int_equal(joined_calls, 1);
	assert_new_until_the_next_event();
}

static void
if_the_stream_hangs_the_history_comes_without_an_offset(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	hear(2, 100, 9);
	store_answers(0, stored_count);
	assert_string_equal(got(), "");
	for (unsigned i = 0; i < 9; i++)
		fake_sleep(250);
	fake_sleep(1);
	assert_int_equal(joined_calls, 1);
	assert_new_until_the_next_event();
	read_own(1, 21);
	assert_string_equal(got(), "");
	assert_true(valid_from() <= at(20)); /* the late entry is not an event that the client may have missed */
}

/* Redis has refused the entry of the place, and accepted that of a later event before it. */
static void
an_overtaken_place_leaves_offsets_valid(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	store_answers(0, stored_count);
	say(2);
	assert_int_equal(fake_stream.number, 2);
	read_own(2, 14);
	assert_string_equal(got(), "1 2");
	assert_string_equal(client.offset, "14-0");
	read_own(1, 15);
	assert_true(valid_from() <= at(14));
	say(3);
	read_own(3, 16);
	assert_string_equal(got(), "3");
	assert_string_equal(client.offset, "16-0");
}

/* Redis has lost the entry of an event that clients have got without an offset, so no replay would contain it. */
static void
a_late_place_shows_that_an_event_is_lost(void **state)
{
	(void)state;
	say(1);
	peer_stores("/#room", 1, 100);
	join();
	store_answers(0, stored_count);
	assert_int_equal(fake_stream.number, 2);
	for (unsigned i = 0; i < 10; i++)
		fake_sleep(250);
	assert_string_equal(got(), "1 100");
	hear(9, 101, 20);
	read_own(2, 21);
	assert_true(valid_from() == at(21));
}

static void
without_an_answer_the_newer_events_come(void **state)
{
	(void)state;
	join();
	hear(1, 1, 8);
	hear(2, 100, 9);
	store_fails(ERROR_TIMEOUT);
	assert_int_equal(joined_error, SIO_ERR_TIMEOUT);
	assert_new_until_the_next_event();
}

/*
 * Another server has stored event 7, and its entry comes behind that of event 8. The client can be recovered with the
 * offset of event 8, and with no older one.
 */
static void
a_late_copy_is_neither_sent_nor_replayed(void **state)
{
	(void)state;
	peer_stores("/#room", 7, 70);
	join();
	store_answers(0, stored_count);
	read_own(1, 14);
	hear(8, 80, 15);
	assert_string_equal(got(), "70 80");
	assert_true(valid_from() <= at(15));
	hear(7, 70, 16);
	assert_string_equal(got(), "");
	assert_true(valid_from() == at(15));
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_true(returns_with("15-0"));
	assert_true(fake_stream.from >= at(16));
}

static void
who_missed_the_event_before_a_late_copy_is_new(void **state)
{
	(void)state;
	peer_stores("/#room", 7, 70);
	join();
	store_answers(0, stored_count);
	read_own(1, 14);
	hear(8, 80, 15);
	hear(7, 70, 16);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_false(returns_with("14-0"));
}

static void
joins_of_one_turn_share_an_entry(void **state)
{
	struct recovering other = {.session = NULL};
	struct history_ask *first;

	(void)state;
	peer_stores("/#room", 1, 1);
	recovering_return(&other);
	join();
	first = asked;
	assert_int_equal(sio_join_with_history(recovering_socket(&other), "room", 0, on_joined, NULL), 0);
	store_answers_in_turn(0, stored_count);
	asked = first;
	store_answers(0, stored_count);
	assert_int_equal(fake_stream.number, 1);
	read_own(1, 14);
	assert_string_equal(got(), "1");
	recovering_read(&other);
	assert_int_equal(other.count, 1);
	assert_string_equal(other.offset, "14-0");
	join();
	store_answers(0, stored_count);
	assert_int_equal(fake_stream.number, 2);
}

/* With the offset of the first room's last event, the client could be recovered without the second room's history. */
static void
joins_of_one_socket_share_an_offset(void **state)
{
	struct history_ask *first;

	(void)state;
	peer_stores("/#room", 1, 1);
	peer_stores("/#room two", 2, 2);
	join();
	first = asked;
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room two", 0, on_joined, NULL), 0);
	store_answers_in_turn(0, stored_count);
	asked = first;
	snprintf(asked_key, sizeof asked_key, "/#room");
	store_answers(0, stored_count);
	assert_int_equal(fake_stream.number, 1);
	read_own(1, 14);
	assert_string_equal(got(), "2 1");
	assert_string_equal(client.offset, "14-0");
	assert_int_equal(count_sent("14-0"), 1);
	assert_true(valid_from() == at(14));
}

static void
leaving_forgets_the_place(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	store_answers(0, stored_count);
	sio_leave(recovering_socket(&client), "room");
	fake_turn();
	assert_int_equal(joined_calls, 1);
	assert_true(joined_gone);
	assert_true(valid_from() < UINT64_MAX);
	read_own(1, 14);
	assert_string_equal(got(), "");
}

static void
the_server_leaves_the_store_while_the_place_is_awaited(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	join();
	store_answers(0, stored_count);
	sio_core_set_history(fake_io, NULL);
	fake_turn();
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, SIO_ERR_STATE);
	assert_true(valid_from() > fake_stream.position); /* the client does not get the history */
	read_own(1, 14);
	assert_string_equal(got(), "");
}

static void
too_many_events_before_the_place(void **state)
{
	static char wanted[8192];
	size_t n = (size_t)snprintf(wanted, sizeof wanted, "0");

	(void)state;
	peer_stores("/#room", 1, 0);
	join();
	store_answers(0, stored_count);
	for (int i = 1; i <= SIO_HISTORY_HELD_MAX + 1; i++) {
		assert_string_equal(got(), "");
		hear((uint64_t)i + 1, i, (uint64_t)i + 5);
		n += (size_t)snprintf(wanted + n, sizeof wanted - n, " %d", i);
	}
	assert_string_equal(got(), wanted);
	fake_sleep(1);
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, 0);
	assert_int_equal(joined_sent, 1);
	read_own(1, 2000);
	assert_string_equal(got(), "");
}

/* Stores an event of another server that the sockets in the room "out" must not get. */
static void
peer_stores_for_others(uint64_t number, int n)
{
	struct sio_history_entry entry = {.mark = {PEER, number}, .except = {TEXT("out")}, .except_count = 1};
	struct history_limits limits = {100, 0};
	struct buffer bytes;
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	buffer_init(&bytes, 1000);
	assert_int_equal(sio_history_entry_write(&bytes, &entry, text_from(json), NULL), 0);
	store_append(&store, TEXT("/#room"), &limits, buffer_text(&bytes));
	buffer_fini(&bytes);
}

static void
an_excluded_event_is_no_repeat(void **state)
{
	(void)state;
	assert_int_equal(sio_join(recovering_socket(&client), "out"), 0);
	peer_stores_for_others(1, 1);
	join();
	store_answers(0, stored_count);
	assert_int_equal(joined_calls, 1);
	peer_stores("/#room", 2, 2);
	join();
	fake_stream.up = false;
	store_answers(0, stored_count);
	assert_int_equal(joined_calls, 2);
	assert_string_equal(got(), "2");
	assert_int_equal(fake_io->history->stats.sent, 1);
	assert_int_equal(fake_io->history->stats.repeats, 0);
	fake_stream.up = true;
	join();
	store_answers(0, stored_count);
	read_own(1, 14);
	assert_string_equal(got(), "2");
	assert_int_equal(fake_io->history->stats.repeats, 0);
}

static void
an_event_that_the_bus_refuses_is_stored_once(void **state)
{
	(void)state;
	fake_broker.refusal = ERROR_TOO_BIG;
	assert_int_equal(sio_emit(sio_to(sio_all(nsp()), "room"), "e", "i", 1), SIO_ERR_TOO_BIG);
	assert_int_equal(stored_count, 1);
	fake_broker.refusal = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_history_has_one_place_among_the_live_events, set_up, stop),
		cmocka_unit_test_setup_teardown(only_the_last_event_has_an_offset, set_up, stop),
		cmocka_unit_test_setup_teardown(who_has_not_got_all_of_the_history_is_new, set_up, stop),
		cmocka_unit_test_setup_teardown(who_is_lost_before_the_history_has_come_is_new, set_up, stop),
		cmocka_unit_test_setup_teardown(a_room_without_events_needs_no_entry, set_up, stop),
		cmocka_unit_test_setup_teardown(without_the_stream_the_history_comes_at_once, set_up, stop),
		cmocka_unit_test_setup_teardown(
			if_the_stream_hangs_the_history_comes_without_an_offset, set_up, stop),
		cmocka_unit_test_setup_teardown(an_overtaken_place_leaves_offsets_valid, set_up, stop),
		cmocka_unit_test_setup_teardown(a_late_place_shows_that_an_event_is_lost, set_up, stop),
		cmocka_unit_test_setup_teardown(without_an_answer_the_newer_events_come, set_up, stop),
		cmocka_unit_test_setup_teardown(a_late_copy_is_neither_sent_nor_replayed, set_up, stop),
		cmocka_unit_test_setup_teardown(who_missed_the_event_before_a_late_copy_is_new, set_up, stop),
		cmocka_unit_test_setup_teardown(joins_of_one_turn_share_an_entry, set_up, stop),
		cmocka_unit_test_setup_teardown(joins_of_one_socket_share_an_offset, set_up, stop),
		cmocka_unit_test_setup_teardown(leaving_forgets_the_place, set_up, stop),
		cmocka_unit_test_setup_teardown(the_server_leaves_the_store_while_the_place_is_awaited, set_up, stop),
		cmocka_unit_test_setup_teardown(too_many_events_before_the_place, set_up, stop),
		cmocka_unit_test_setup_teardown(an_excluded_event_is_no_repeat, set_up, stop),
		cmocka_unit_test_setup_teardown(an_event_that_the_bus_refuses_is_stored_once, set_up, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
