/*
 * A client that has got events with the history of a room comes back in streams mode. Redis has taken the entry of
 * such an event late, so the stream has it behind the place of the history.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "node/socketio/sio_history_join_state.h"
#include "node/socketio/sio_stream_session.h"
#include "tests/unit/socketio/joining_streams.h"

static const struct text room = {"room", 4};

/* The client has got event 7 of another server with the history, and the offset 14-0. */
static int
set_up(void **state)
{
	(void)start(state);
	peer_stores("/#room", 7, 70);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 0, NULL, NULL), 0);
	fake_turn();
	store_answers(0, 1);
	read_own(1, 14);
	assert_string_equal(got(), "70");
	assert_string_equal(client.offset, "14-0");
	return 0;
}

/* Answers the question for entries with the one that has the client's offset, and one with the id ms-0; 0: none. */
static void
answer_range(uint64_t ms)
{
	struct wire_stream_entry entry = {.id = {14, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	fake_stream.question->on_entry(fake_stream.question, &entry);
	entry.id.ms = ms;
	if (ms > 0)
		fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
}

/* The stream has an event for the room in each entry that the replay reads. */
static void
the_stream_has(uint64_t number, int n)
{
	struct wire_target to = {.rooms = &room, .room_count = 1, .mark = {PEER, number}};
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	buffer_reset(&fake_stream.event);
	assert_int_equal(
		wire_write_broadcast(&fake_stream.event, TEXT("uid"), TEXT("/"), &to, text_from(json), NULL), 0);
}

/* The client is lost and comes back. Redis hands out its session. */
static void
lose_and_claim(void)
{
	struct resp_item session = {.type = RESP_BULK};

	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	session.text = buffer_text(&fake_stream.session);
	recovering_return(&client);
	fake_stream_answer(0, &session);
	answer_range(0);
}

/* The same, and the stream has this entry behind the client's offset; 0: none. */
static void
come_back(uint64_t ms)
{
	lose_and_claim();
	fake_stream_answer_swap(1);
	if (ms > 0)
		fake_stream.position = at(ms);
	answer_range(ms);
	recovering_read(&client);
	assert_true(client.connected);
}

static void
an_event_of_the_history_is_not_replayed(void **state)
{
	(void)state;
	the_stream_has(7, 70);
	come_back(16);
	assert_false(client.recovered);
	assert_string_equal(got(), "");
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
}

static void
an_event_that_is_in_no_history_is_replayed(void **state)
{
	(void)state;
	the_stream_has(8, 80);
	come_back(16);
	assert_true(client.recovered);
	assert_string_equal(got(), "80");
	assert_string_equal(client.offset, "16-0");
}

static void
an_event_that_arrives_after_the_return_is_dropped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* the second session has it from the first one */
		come_back(0);
		assert_true(client.recovered);
	}
	hear(7, 70, 16);
	hear(8, 80, 17);
	assert_string_equal(got(), "80");
	assert_string_equal(client.offset, "17-0");
}

/* The client gets newer events with its history than event 6, which is stored late. */
static void
an_event_that_is_too_old_for_the_history_is_not_replayed(void **state)
{
	(void)state;
	sio_leave(recovering_socket(&client), "room");
	peer_stores("/#room", 9, 90);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 1, NULL, NULL), 0);
	fake_turn();
	store_answers(1, 2);
	read_own(2, 14);
	assert_string_equal(got(), "90");
	the_stream_has(6, 60);
	come_back(16);
	assert_false(client.recovered);
	assert_string_equal(got(), "");
}

/* Reads the session that Redis has. */
static struct sio_stream_session
session_in_redis(struct buffer *map, struct buffer *rooms)
{
	struct text value = buffer_text(&fake_stream.session);
	struct sio_stream_session record;
	uint8_t *bytes;

	buffer_init(map, 1 << 20);
	buffer_init(rooms, 1 << 20);
	bytes = buffer_room(map, BASE64_DECODED_MAX(value.n));
	map->len = (size_t)base64_decode(value, bytes);
	assert_int_equal(sio_stream_session_read(buffer_text(map), 0, rooms, &record), 0);
	return record;
}

static void
a_client_that_leaves_again_has_the_same_session(void **state)
{
	struct buffer map, rooms, map_again, rooms_again;
	struct sio_stream_session record, again;

	(void)state;
	lose_and_claim();
	record = session_in_redis(&map, &rooms);
	assert_true(record.given.n > 0);
	buffer_reset(&fake_stream.session);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	fake_stream_answer_swap(1);
	again = session_in_redis(&map_again, &rooms_again);
	assert_true(text_is(record.given, again.given));
	buffer_fini(&map);
	buffer_fini(&rooms);
	buffer_fini(&map_again);
	buffer_fini(&rooms_again);
}

/* Stores the session with other marks in Redis. */
static void
replace_marks(struct text given)
{
	struct buffer map, rooms, out;
	struct sio_stream_session record = session_in_redis(&map, &rooms);
	uint8_t *base64;

	record.given = given;
	buffer_init(&out, 1 << 20);
	sio_stream_session_write(&out, &record, 0);
	buffer_reset(&fake_stream.session);
	base64 = buffer_room(&fake_stream.session, BASE64_ENCODED(out.len));
	base64_encode(out.data, out.len, (char *)base64);
	fake_stream.session.len = BASE64_ENCODED(out.len);
	buffer_fini(&out);
	buffer_fini(&map);
	buffer_fini(&rooms);
}

/* Whoever can write to Redis may write anything. test_sio_history_keep.c has the cases. */
static void
malformed_marks_are_refused(void **state)
{
	struct resp_item session = {.type = RESP_BULK};

	(void)state;
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	replace_marks(TEXT("\x04\0\0\0room\1"));
	session.text = buffer_text(&fake_stream.session);
	recovering_return(&client);
	fake_stream_answer(0, &session);
	answer_range(0);
	fake_stream_answer_swap(1);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_FAILED], 1);
}

/* Half a minute later, the session is as small as before. */
static void
the_marks_end_with_the_join(void **state)
{
	struct buffer map, rooms;

	(void)state;
	fake_sleep(31000);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_int_equal(session_in_redis(&map, &rooms).given.n, 0);
	buffer_fini(&map);
	buffer_fini(&rooms);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_event_of_the_history_is_not_replayed),
		CASE(an_event_that_is_in_no_history_is_replayed),
		CASE(an_event_that_arrives_after_the_return_is_dropped),
		CASE(an_event_that_is_too_old_for_the_history_is_not_replayed),
		CASE(a_client_that_leaves_again_has_the_same_session),
		CASE(malformed_marks_are_refused),
		CASE(the_marks_end_with_the_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
