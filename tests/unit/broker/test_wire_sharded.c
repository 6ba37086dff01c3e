/*
 * Compares the messages of sharded mode with those of createShardedAdapter (tests/data/wire/sharded.txt, made by
 * sharded.mjs): they are written byte for byte the same, and read whole, cut, and changed at each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/wire_sharded.h"
#include "broker/wire_sockets.h"
#include "common/base/error.h"
#include "tests/unit/broker/vectors.h"

#define VECTORS "tests/data/wire/sharded.txt"
#define SOCKET_ID "aaaaaaaaaaaaaaaaaaaa"

static const struct wire_codec *const codec = &wire_sharded;
static struct wire_message m;
static struct buffer out;
static struct attachments three_bytes; /* 00 01 ff */

static const struct wire_target everyone;
static const struct text red = TEXT("red"), green = TEXT("green"), blue = TEXT("blue");
static const struct wire_target in_red = {.rooms = &red, .room_count = 1};

static int
start(void **state)
{
	struct block *block = block_copy("\0\1\xff", 3);

	(void)state;
	wire_message_init(&m);
	buffer_init(&out, 16 << 20);
	attachments_init(&three_bytes);
	attachments_add(&three_bytes, block);
	block_unref(block);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	wire_message_fini(&m);
	buffer_fini(&out);
	attachments_fini(&three_bytes);
	return 0;
}

#define PLACEHOLDER "{\"_placeholder\":true,\"num\":0}"

#define assert_text(t, expected)                                                                                     \
	do {                                                                                                         \
		struct text t_ = (t), e_ = text_from(expected);                                                      \
		if (!text_is(t_, e_))                                                                                \
			fail_msg("%s:%d: \"%.*s\", not \"%s\"", __FILE__, __LINE__, (int)t_.n, t_.at, e_.at);        \
	} while (0)

static struct wire_from
from_node(const char *request_id)
{
	return (struct wire_from){TEXT("0123456789abcdef"), TEXT("/"),
		request_id != NULL ? text_from(request_id) : TEXT_NONE, TEXT_NONE};
}

/* Checks that `out` is the vector, and empties it. */
static void
assert_same(const char *name, int rc)
{
	struct text wanted = vector_of(VECTORS, name);

	assert_int_equal(rc, 0);
	if (!text_is(buffer_text(&out), wanted))
		fail_msg("%s: \"%.*s\", not \"%.*s\"", name, (int)out.len, out.data, (int)wanted.n, wanted.at);
	buffer_reset(&out);
}

static void
statements_are_written_alike(void **state)
{
	static const struct text rooms[] = {TEXT("red"), TEXT("blue#1"), TEXT("ü")}, ab[] = {TEXT("a"), TEXT("b")};
	const struct wire_target several = {.rooms = rooms, .room_count = 3, .except = &green, .except_count = 1};
	const struct wire_target red_not_blue = {.rooms = &red, .room_count = 1, .except = &blue, .except_count = 1};
	const struct wire_target flagged = {.flags = WIRE_VOLATILE | WIRE_NO_COMPRESS};
	struct wire_from from = from_node(NULL), custom = from;

	(void)state;
	custom.nsp = TEXT("/n s");
	assert_same("broadcast",
		codec->write_broadcast(&out, &from, &everyone, TEXT("[\"news\",1,\"two\",{\"three\":[3]}]"), NULL));
	assert_same("broadcast-room", codec->write_broadcast(&out, &from, &in_red, TEXT("[\"news\"]"), NULL));
	assert_same("broadcast-room-binary",
		codec->write_broadcast(&out, &from, &in_red, TEXT("[\"bin\"," PLACEHOLDER "]"), &three_bytes));
	assert_same("broadcast-rooms", codec->write_broadcast(&out, &from, &several, TEXT("[\"news\",\"x\"]"), NULL));
	assert_same("broadcast-flags", codec->write_broadcast(&out, &from, &flagged, TEXT("[\"news\"]"), NULL));
	assert_same("broadcast-nsp", codec->write_broadcast(&out, &custom, &in_red, TEXT("[\"news\"]"), NULL));
	assert_same("join", codec->write_rooms(&out, &from, WIRE_REMOTE_JOIN, &red_not_blue, ab, 2));
	assert_same("leave", codec->write_rooms(&out, &from, WIRE_REMOTE_LEAVE, &everyone, ab, 1));
	assert_same("disconnect", codec->write_disconnect(&out, &from, &in_red, true));
	assert_same(
		"server-emit", codec->write_server_emit(&out, &from, TEXT("[\"hello\",1,{\"two\":\"ü\"}]"), NULL));
	assert_same("server-emit-binary",
		codec->write_server_emit(&out, &from, TEXT("[\"hello\"," PLACEHOLDER "]"), &three_bytes));
}

/* The id of a request is random in the vectors, so it is taken from them. */
static void
questions_are_written_alike(void **state)
{
	struct wire_from from;
	char id[17] = "";

	(void)state;
#define ID_OF(name)                                                                                                  \
	(assert_int_equal(codec->read_broadcast(&m, vector_of(VECTORS, name)), 0), memcpy(id, m.request_id.at, 16),  \
		from = from_node(id))
	ID_OF("broadcast-ack");
	assert_same("broadcast-ack", codec->write_broadcast_ack(&out, &from, &in_red, TEXT("[\"ask\",1]"), NULL, 10));
	ID_OF("broadcast-ack-binary");
	assert_same("broadcast-ack-binary", codec->write_broadcast_ack(&out, &from, &everyone,
						    TEXT("[\"ask\"," PLACEHOLDER "]"), &three_bytes, 10));
	ID_OF("server-emit-ack");
	assert_same("server-emit-ack", codec->write_server_emit(&out, &from, TEXT("[\"hello\",1]"), NULL));
	ID_OF("fetch");
	assert_same("fetch", codec->write_fetch(&out, &from, &in_red));
}

static void
answers_are_written_alike(void **state)
{
	static const char sockets[] =
		"[{\"id\":\"" SOCKET_ID "\",\"handshake\":{\"query\":{}},\"rooms\":[\"" SOCKET_ID
		"\",\"red\"],\"data\":{\"n\":1}}]";
	static const char binary[] =
		"[{\"id\":\"" SOCKET_ID "\",\"handshake\":{},\"rooms\":[],\"data\":{\"b\":" PLACEHOLDER "}}]";
	struct wire_from from = from_node("1111222233334444");

	(void)state;
	assert_same("server-emit-answer", codec->write_server_emit_reply(&out, &from, TEXT("{\"ok\":[1]}"), NULL));
	assert_same("server-emit-answer-binary",
		codec->write_server_emit_reply(&out, &from, TEXT(PLACEHOLDER), &three_bytes));
	assert_same("server-emit-answer-undefined", codec->write_server_emit_reply(&out, &from, TEXT_NONE, NULL));
	assert_same("count-answer", codec->write_count_reply(&out, &from, 0));
	assert_same("fetch-answer", codec->write_sockets_reply(&out, &from, TEXT("[]"), NULL));
	assert_same("fetch-answer-sockets", codec->write_sockets_reply(&out, &from, text_from(sockets), NULL));
	assert_same("fetch-answer-binary", codec->write_sockets_reply(&out, &from, text_from(binary), &three_bytes));
	assert_same("ack-answer", codec->write_ack_reply(&out, &from, TEXT("{\"ok\":true}"), NULL));
	assert_same("ack-answer-binary", codec->write_ack_reply(&out, &from, TEXT(PLACEHOLDER), &three_bytes));
	assert_same("ack-answer-undefined", codec->write_ack_reply(&out, &from, TEXT_NONE, NULL));
}

static void
statements_and_questions_are_read(void **state)
{
	(void)state;
#define READ(name) assert_int_equal(codec->read_broadcast(&m, vector_of(VECTORS, name)), 0)
	READ("broadcast");
	assert_int_equal(m.type, WIRE_BROADCAST);
	assert_false(m.has_request_id);
	assert_true(m.has_target);
	assert_text(m.uid, "0123456789abcdef");
	assert_text(m.nsp, "/");
	assert_text(m.data, "[\"news\",1,\"two\",{\"three\":[3]}]");
	/* the text of an event stays as it came */
	assert_int_equal(codec->read_broadcast(&m,
				 TEXT("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[ \"\\u0061\" ,5.0e0]"
				      "},\"opts\":{}},\"uid\":\"u\",\"nsp\":\"/\"}")),
		0);
	assert_text(m.data, "[ \"\\u0061\" ,5.0e0]");
	READ("broadcast-binary");
	assert_int_equal(m.event.values.bins, 2); /* see test_wire_late.c */
	READ("broadcast-flags");
	assert_int_equal(m.target.flags, WIRE_VOLATILE | WIRE_NO_COMPRESS);
	READ("broadcast-rooms");
	assert_int_equal(m.target.room_count, 3);
	assert_text(m.target.rooms[2], "ü");
	assert_text(m.target.except[0], "green");
	READ("broadcast-nsp");
	assert_text(m.nsp, "/n s");
	READ("broadcast-ack");
	assert_int_equal(m.type, WIRE_BROADCAST);
	assert_int_equal(m.request_id.n, 16);
	READ("join");
	assert_int_equal(m.type, WIRE_REMOTE_JOIN);
	assert_int_equal(m.listed_room_count, 2);
	assert_text(m.listed_rooms[1], "b");
	assert_text(m.target.except[0], "blue");
	READ("leave");
	assert_int_equal(m.type, WIRE_REMOTE_LEAVE);
	assert_int_equal(m.target.room_count, 0);
	READ("disconnect");
	assert_int_equal(m.type, WIRE_REMOTE_DISCONNECT);
	assert_true(m.close);
	READ("fetch");
	assert_int_equal(m.type, WIRE_REMOTE_FETCH);
	assert_text(m.target.rooms[0], "red");
	READ("server-emit");
	assert_int_equal(m.type, WIRE_SERVER_SIDE_EMIT);
	assert_false(m.has_request_id);
	assert_text(m.data, "[\"hello\",1,{\"two\":\"ü\"}]");
	READ("server-emit-ack");
	assert_true(m.has_request_id);
}

static void
answers_are_read(void **state)
{
	(void)state;
#define READ_ANSWER(name) assert_int_equal(codec->read_response(&m, vector_of(VECTORS, name)), 0)
	READ_ANSWER("count-answer");
	assert_int_equal(m.type, WIRE_BROADCAST_CLIENT_COUNT);
	assert_text(m.request_id, "1111222233334444");
	READ_ANSWER("ack-answer");
	assert_int_equal(m.type, WIRE_BROADCAST_ACK);
	assert_text(m.answer, "{\"ok\":true}");
	READ_ANSWER("ack-answer-binary");
	assert_text(m.answer, PLACEHOLDER);
	READ_ANSWER("ack-answer-undefined");
	assert_null(m.answer.at);
	READ_ANSWER("server-emit-answer");
	assert_int_equal(m.type, WIRE_SERVER_SIDE_EMIT);
	READ_ANSWER("fetch-answer-sockets");
	assert_int_equal(m.type, WIRE_REMOTE_FETCH);
	buffer_reset(&out);
	wire_sockets_ids(m.sockets, &out);
	assert_text(buffer_text(&out), "[\"" SOCKET_ID "\"]");
	buffer_reset(&out);
	wire_sockets_rooms(m.sockets, &out);
	assert_text(buffer_text(&out), "[\"" SOCKET_ID "\",\"red\"]");
	buffer_reset(&out);
	wire_sockets_ids(TEXT("[1,{\"id\":2},{},{\"id\":\"x\",\"rooms\":5},[\"id\"]]"), &out);
	wire_sockets_rooms(TEXT("[1,{\"rooms\":{}},{\"rooms\":[1,\"a\",[\"b\"]]}]"), &out);
	assert_text(buffer_text(&out), "[\"x\"][\"a\"]");
}

/* A message that is cut anywhere is an error; one that is changed anywhere is read or refused. */
static void
broken_messages_are_refused(void **state)
{
	FILE *f = fopen(VECTORS, "r");

	(void)state;
	assert_non_null(f);
	while (next_vector(f)) {
		static char copy[VECTOR_MAX];

		memcpy(copy, v.bytes, v.n);
		for (size_t cut = 0; cut < v.n; cut++) {
			assert_true(codec->read_broadcast(&m, text_of(copy, cut)) < 0);
			assert_true(codec->read_response(&m, text_of(copy, cut)) < 0);
		}
		for (size_t at = 0; at < v.n; at++) {
			for (unsigned bit = 1; bit < 256; bit <<= 1) {
				copy[at] = (char)(v.bytes[at] ^ bit);
				codec->read_broadcast(&m, text_of(copy, v.n));
				codec->read_response(&m, text_of(copy, v.n));
			}
			copy[at] = (char)v.bytes[at];
		}
	}
	fclose(f);
}

static void
own_messages_are_recognised(void **state)
{
	static const char *const ours[] = {"broadcast", "broadcast-binary", "broadcast-room", "join", "fetch",
		"server-emit-binary", "fetch-answer-binary"};
	const struct wire_from from = from_node(NULL);
	struct wire_from other = from, custom = from;
	struct text message;

	(void)state;
	other.uid = TEXT("0123456789abcdee");
	custom.nsp = TEXT("/n s");
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		message = vector_of(VECTORS, ours[i]);
		assert_true(codec->is_from(message, &from));
		assert_false(codec->is_from(message, &other));
		assert_false(codec->is_from(message, &custom));
		for (size_t skip = 1; skip <= message.n; skip++)
			assert_false(codec->is_from(text_of(message.at, message.n - skip), &from));
	}
	assert_true(codec->is_from(vector_of(VECTORS, "broadcast-nsp"), &custom));
	assert_false(codec->is_from(TEXT("{\"x\\\"uid\":\"0123456789abcdef\",\"nsp\":\"/\"}"), &from));
	/* every length of a name's head in MessagePack */
	for (unsigned n = 30; n <= 300; n += 15) {
		char name[300];

		memset(name, '/', sizeof name);
		custom.nsp = text_of(name, n);
		buffer_reset(&out);
		assert_int_equal(codec->write_broadcast(
					 &out, &custom, &everyone, TEXT("[\"a\"," PLACEHOLDER "]"), &three_bytes),
			0);
		assert_int_equal(codec->is_from(buffer_text(&out), &custom), n <= 255);
	}
}

static void
refused(const char *message, int error)
{
	int rc = codec->read_broadcast(&m, text_from(message));

	if (rc != error)
		fail_msg("%s: %d, not %d", message, rc, error);
}

#define TAIL ",\"uid\":\"u\",\"nsp\":\"/\"}"
#define OPTS "\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}"

static void
incomplete_messages_are_refused(void **state)
{
	(void)state;
	refused("{\"type\":4,\"data\":{" OPTS ",\"rooms\":[\"a\"]}" TAIL, 0);
	refused("{\"data\":{" OPTS "}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":\"4\",\"data\":{" OPTS "}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":4" TAIL, ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":[]" TAIL, ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{\"rooms\":[\"a\"]}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{" OPTS ",\"rooms\":\"a\"}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{" OPTS "},\"nsp\":\"/\"}", ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{" OPTS "},\"uid\":\"\",\"nsp\":\"/\"}", ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{" OPTS "},\"uid\":\"u\"}", ERROR_SYNTAX);
	refused("{\"type\":4,\"data\":{" OPTS "},\"uid\":\"u\",\"nsp\":7}", ERROR_SYNTAX);
	refused("{\"type\":6,\"data\":{\"close\":true}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":7,\"data\":{" OPTS "}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":7,\"data\":{" OPTS ",\"requestId\":\"\"}" TAIL, ERROR_TOO_BIG);
	refused("{\"type\":3,\"data\":{" OPTS "}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"a\"]}}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[]}," OPTS "}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":3,\"data\":{\"packet\":{\"type\":3,\"data\":[\"a\"]}," OPTS "}" TAIL, ERROR_UNSUPPORTED);
	refused("{\"type\":9,\"data\":{}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":9,\"data\":{\"packet\":{}}" TAIL, ERROR_SYNTAX);
	refused("{\"type\":1,\"data\":{}" TAIL, ERROR_UNSUPPORTED);
	refused("{\"type\":2,\"data\":{}" TAIL, ERROR_UNSUPPORTED);
	refused("{\"type\":8,\"data\":{\"requestId\":\"r\",\"sockets\":[]}" TAIL, ERROR_UNSUPPORTED);
	refused("{\"type\":13,\"data\":{}" TAIL, ERROR_UNSUPPORTED);
	refused("[]", ERROR_SYNTAX);
	assert_int_equal(
		codec->read_response(&m, TEXT("{\"type\":8,\"data\":{\"requestId\":\"r\"}" TAIL)), ERROR_SYNTAX);
	assert_int_equal(codec->read_response(&m, TEXT("{\"type\":12,\"data\":{\"packet\":1}" TAIL)), ERROR_SYNTAX);
	assert_int_equal(
		codec->read_response(&m, TEXT("{\"type\":3,\"data\":{\"requestId\":\"r\"}" TAIL)), ERROR_UNSUPPORTED);
	assert_int_equal(
		codec->read_response(&m, TEXT("{\"type\":11,\"data\":{\"requestId\":\"r\",\"clientCount\":-1}" TAIL)),
		ERROR_SYNTAX);
	/* an answer needs no sender */
	assert_int_equal(codec->read_response(&m, TEXT("{\"type\":12,\"data\":{\"requestId\":\"r\"}}")), 0);
}

static void
limits_hold(void **state)
{
	char id[WIRE_ID_MAX + 2];

	(void)state;
	memset(id, 'x', sizeof id);
	for (unsigned more = 0; more <= 1; more++) {
		struct wire_from from = from_node(NULL);

		from.uid = text_of(id, WIRE_ID_MAX + more);
		buffer_reset(&out);
		assert_int_equal(codec->write_disconnect(&out, &from, &everyone, false), 0);
		assert_int_equal(codec->read_broadcast(&m, buffer_text(&out)), more ? ERROR_TOO_BIG : 0);
		from = from_node(NULL);
		from.request_id = text_of(id, WIRE_ID_MAX + more);
		buffer_reset(&out);
		assert_int_equal(codec->write_fetch(&out, &from, &everyone), 0);
		assert_int_equal(codec->read_broadcast(&m, buffer_text(&out)), more ? ERROR_TOO_BIG : 0);
		buffer_reset(&out);
		buffer_add_text(&out, TEXT("{\"type\":4,\"data\":{" OPTS ",\"rooms\":[\"r\""));
		for (unsigned i = 1; i < WIRE_ROOMS_MAX + more; i++)
			buffer_printf(&out, ",\"r%u\"", i);
		buffer_add_text(&out, TEXT("]}" TAIL));
		assert_int_equal(codec->read_broadcast(&m, buffer_text(&out)), more ? ERROR_TOO_MANY : 0);
	}
	buffer_reset(&out);
	for (unsigned i = 0; i < 5000; i++)
		buffer_add_text(&out, TEXT("{\"a\":"));
	assert_int_equal(codec->read_broadcast(&m, buffer_text(&out)), ERROR_TOO_DEEP);
	assert_int_equal(codec->read_broadcast(&m, text_of("{", (size_t)WIRE_PAYLOAD_MAX + 1)), ERROR_TOO_BIG);
	/* a message that does not fit into its buffer */
	struct buffer small;
	const struct wire_from from = from_node(NULL);

	const size_t whole = vector_of(VECTORS, "broadcast-room").n;

	for (unsigned max = 1; max < whole + 10; max++) {
		buffer_init(&small, max);
		assert_int_equal(codec->write_broadcast(&small, &from, &in_red, TEXT("[\"news\"]"), NULL),
			max < whole ? ERROR_TOO_BIG : 0);
		buffer_fini(&small);
		buffer_init(&small, max);
		assert_int_equal(
			codec->write_broadcast(&small, &from, &in_red, TEXT("[\"b\"," PLACEHOLDER "]"), &three_bytes),
			ERROR_TOO_BIG); /* too big as JSON, before it becomes the shorter MessagePack */
		buffer_fini(&small);
	}
}

static void
ids_are_told_from_rooms(void **state)
{
	(void)state;
	assert_true(wire_sharded_looks_like_id(TEXT(SOCKET_ID)));
	assert_false(wire_sharded_looks_like_id(TEXT("")));
	assert_false(wire_sharded_looks_like_id(TEXT("aaaaaaaaaaaaaaaaaaa")));
	assert_false(wire_sharded_looks_like_id(TEXT("aaaaaaaaaaaaaaaaaaaaa")));
	assert_true(wire_sharded_looks_like_id(TEXT("ü🐟ü🐟ü🐟ü🐟ü🐟ü🐟ab"))); /* JavaScript counts 20 */
	assert_false(wire_sharded_looks_like_id(TEXT("ü🐟ü🐟ü🐟ü🐟ü🐟ü🐟a")));
	assert_true(wire_sharded_looks_like_v2_id(TEXT("/chat#" SOCKET_ID), TEXT("/chat")));
	assert_false(wire_sharded_looks_like_v2_id(TEXT("/chat#" SOCKET_ID "a"), TEXT("/chat")));
	assert_false(wire_sharded_looks_like_v2_id(TEXT("/chat#" SOCKET_ID), TEXT("/chit")));
	assert_false(wire_sharded_looks_like_v2_id(TEXT("/chat-" SOCKET_ID), TEXT("/chat")));
	for (unsigned i = 0; i < 100; i++) {
		char one[WIRE_ID_LENGTH_MAX], other[WIRE_ID_LENGTH_MAX];

		codec->make_id(one);
		codec->make_id(other);
		assert_memory_not_equal(one, other, sizeof one);
		for (unsigned k = 0; k < sizeof one; k++)
			assert_non_null(memchr("0123456789abcdef", one[k], 16));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_are_written_alike, start, stop),
		cmocka_unit_test_setup_teardown(questions_are_written_alike, start, stop),
		cmocka_unit_test_setup_teardown(answers_are_written_alike, start, stop),
		cmocka_unit_test_setup_teardown(statements_and_questions_are_read, start, stop),
		cmocka_unit_test_setup_teardown(answers_are_read, start, stop),
		cmocka_unit_test_setup_teardown(broken_messages_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(own_messages_are_recognised, start, stop),
		cmocka_unit_test_setup_teardown(incomplete_messages_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(limits_hold, start, stop),
		cmocka_unit_test_setup_teardown(ids_are_told_from_rooms, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
