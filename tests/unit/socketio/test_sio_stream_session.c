/* Sessions in Redis: those of @socket.io/redis-streams-adapter, recorded, and Sockeye's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_stream_session.h"

static struct buffer map, rooms, again;

static int
set_up(void **state)
{
	(void)state;
	buffer_init(&map, SIO_STREAM_SESSION_MAX);
	buffer_init(&rooms, SIO_STREAM_SESSION_MAX);
	buffer_init(&again, SIO_STREAM_SESSION_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_fini(&map);
	buffer_fini(&rooms);
	buffer_fini(&again);
	return 0;
}

/*
 * encode() of @msgpack/msgpack 2.8 for {sid, pid, rooms: [sid, "room", 123, "ü"], data: {name: "Ann", raw: Uint8Array
 * [1, 255], at: Date(1700000000123), day: Date(1700000000000), old: Date(-1)}}, in Base64.
 */
static const char stored_by_node[] =
	"hKNzaWS0QmRXX3g3allpekNPUjRlbkFBQUGjcGlktDZ4dGM4eURBMEo2SDZIbFJBQUFCpXJvb21zlLRCZFdfeDdqWWl6Q09SNGVuQUFBQaRy"
	"b2"
	"9te6LDvKRkYXRhhaRuYW1lo0FubqNyYXfEAgH/omF01/8dU1MAZVPxAKNkYXnW/2VT8QCjb2xkxwz/O4uHwP//////////";

/* The same for {sid, pid, rooms: [sid], data: {}}. */
static const char stored_empty[] = "hKNzaWS0QmRXX3g3allpekNPUjRlbkFBQUGjcGlktDZ4dGM4eURBMEo2SDZIbFJBQUFCpXJvb21zkbRC"
				   "ZFdfeDdqWWl6Q09SNGVuQUFBQaRkYXRhgA==";

static void
decode(const char *base64)
{
	uint8_t *room = buffer_room(&map, BASE64_DECODED_MAX(strlen(base64)));
	int64_t n;

	assert_non_null(room);
	n = base64_decode(text_from(base64), room);
	assert_true(n > 0);
	map.len = (size_t)n;
}

static bool
is(struct text text, const char *expected)
{
	return text_is(text, text_from(expected));
}

static void
a_session_of_node_is_read(void **state)
{
	struct sio_stream_session session;
	struct attachments attachments;
	const char *at;

	(void)state;
	decode(stored_by_node);
	assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &session), 0);
	assert_true(is(session.sid, "BdW_x7jYizCOR4enAAAA") && is(session.pid, "6xtc8yDA0J6H6HlRAAAB"));
	assert_false(session.ours);
	assert_true(session.own);
	assert_int_equal(session.room_count, 3);
	at = session.rooms.at;
	assert_true(is(sio_recovery_room_read(&at), "room"));
	assert_true(is(sio_recovery_room_read(&at), "123"));
	assert_true(is(sio_recovery_room_read(&at), "ü"));
	assert_ptr_equal(at, session.rooms.at + session.rooms.n);
	attachments_init(&attachments);
	assert_true(msgpack_to_json((const uint8_t *)session.data.at, session.data.n, 8, &attachments, &again) > 0);
	assert_true(
		is(buffer_text(&again), "{\"name\":\"Ann\",\"raw\":{\"_placeholder\":true,\"num\":0},"
					"\"at\":\"2023-11-14T22:13:20.123Z\",\"day\":\"2023-11-14T22:13:20.000Z\","
					"\"old\":\"1969-12-31T23:59:59.999Z\"}"));
	attachments_fini(&attachments);
}

static void
a_session_without_data_is_read(void **state)
{
	struct sio_stream_session session;

	(void)state;
	decode(stored_empty);
	assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &session), 0);
	assert_null(session.data.at);
	assert_int_equal(session.room_count, 0);
	assert_true(session.own);
}

static struct sio_stream_session
own_session(void)
{
	char *at = (char *)buffer_room(&again, 64), *end = sio_recovery_room_write(at, TEXT("room"));

	end = sio_recovery_room_write(end, TEXT(""));
	again.len = (size_t)(end - at);
	return (struct sio_stream_session){.sid = TEXT("BdW_x7jYizCOR4enAAAA"),
		.pid = TEXT("6xtc8yDA0J6H6HlRAAAB"),
		.rooms = buffer_text(&again),
		.room_count = 2,
		.own = true,
		.data = TEXT("\x81\xa1x\xc3"),
		.nsp = TEXT("/n"),
		.owner = TEXT("0123456789abcdef"),
		.start = 1,
		.last = 200,
		.heard = 70000,
		.moved = UINT64_C(1) << 40,
		.since = UINT64_MAX,
		.lost = 1700000000123};
}

/* The members that Node.js writes and reads come first; one more follows. */
static void
a_session_begins_as_one_of_node(void **state)
{
	struct sio_stream_session session = {.sid = TEXT("BdW_x7jYizCOR4enAAAA"),
		.pid = TEXT("6xtc8yDA0J6H6HlRAAAB"),
		.own = true,
		.nsp = TEXT("/"),
		.owner = TEXT("")};
	struct text by_node, ours;

	(void)state;
	sio_stream_session_write(&again, &session, 0);
	decode(stored_empty);
	by_node = buffer_text(&map);
	ours = buffer_text(&again);
	assert_int_equal((uint8_t)by_node.at[0], 0x84);
	assert_int_equal((uint8_t)ours.at[0], 0x85);
	assert_memory_equal(ours.at + 1, by_node.at + 1, by_node.n - 1);
}

static void
a_session_is_read_as_it_was_written(void **state)
{
	struct sio_stream_session session = own_session(), read;

	(void)state;
	for (size_t seal = 0; seal <= 16; seal += 16) {
		buffer_reset(&map);
		buffer_reset(&rooms);
		sio_stream_session_write(&map, &session, seal);
		assert_int_equal(sio_stream_session_read(buffer_text(&map), seal, &rooms, &read), 0);
		assert_true(text_is(read.sid, session.sid) && text_is(read.pid, session.pid));
		assert_true(text_is(read.rooms, session.rooms) && text_is(read.data, session.data));
		assert_true(read.own && read.ours);
		assert_int_equal(read.room_count, 2);
		assert_true(text_is(read.nsp, session.nsp) && text_is(read.owner, session.owner));
		assert_true(read.start == 1 && read.last == 200 && read.heard == 70000 &&
			    read.moved == UINT64_C(1) << 40 && read.since == UINT64_MAX &&
			    read.lost == 1700000000123);
		/* a session that ends early, or goes on, is refused */
		for (size_t n = 0; n < map.len; n++) {
			buffer_reset(&rooms);
			assert_true(sio_stream_session_read(text_of((char *)map.data, n), seal, &rooms, &read) < 0);
		}
		buffer_add_byte(&map, 0xc0);
		buffer_reset(&rooms);
		assert_true(sio_stream_session_read(buffer_text(&map), seal, &rooms, &read) < 0);
	}
}

/* The session still ends with the numbers of the loss, from which its worker recognises it (sio_stream_expiry.h). */
static void
a_session_has_what_its_client_has_got_with_histories(void **state)
{
	static const size_t sizes[] = {1, 255, 256, 65536};
	struct sio_stream_session session = own_session(), read;
	static const char zeros[65536];
	char end[30];

	(void)state;
	sio_stream_session_write(&map, &session, 0);
	memcpy(end, map.data + map.len - sizeof end, sizeof end);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		session.given = text_of(zeros, sizes[i]);
		buffer_reset(&map);
		buffer_reset(&rooms);
		sio_stream_session_write(&map, &session, 0);
		assert_memory_equal(map.data + map.len - sizeof end, end, sizeof end);
		assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &read), 0);
		assert_true(text_is(read.given, session.given) && read.lost == session.lost);
	}
}

static void
a_malformed_session_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
#define BAD(text) {text, sizeof text - 1}
		BAD("\x90"),
		BAD("\xc0"),
		BAD("\x80"),
		BAD("\xdf\xff\xff\xff\xff"),
		BAD("\x83\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\xdd\x00\x01\x00\x01"), /* too many rooms */
		BAD("\x83\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x91\xc3"),		  /* a room of another type */
		BAD("\x83\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x91\xa2\0x"),
		BAD("\x83\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x91\xa1\xff"),
		BAD("\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x90\xa5rooms\x90"),
		BAD("\x83\xa3sid\x01\xa3pid\xa1p\xa5rooms\x90"),
		BAD("\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x90\xa7sockeye\x80"), /* without positions */
		BAD("\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x90\xa7sockeye\x81\xa5start\xff"),
		BAD("\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x90\xa7sockeye\x81\xa5given\xa1x"), /* not bytes */
		BAD("\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x90\xa7sockeye\x81\xa5given\xc6\xff\xff\xff\xff"),
		BAD("\x82\xa3sid\xa1s\xa5rooms\x90"),
		BAD("\x82\xa3pid\xa1p\xa5rooms\x90"),
		BAD("\x82\xa3sid\xa1s\xa3pid\xa1p"),
#undef BAD
	};
	struct sio_stream_session session;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		buffer_reset(&rooms);
		assert_true(sio_stream_session_read(text_of(bad[i].bytes, bad[i].n), 0, &rooms, &session) < 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_of_node_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_without_data_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_begins_as_one_of_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_is_read_as_it_was_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_session_has_what_its_client_has_got_with_histories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_malformed_session_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
