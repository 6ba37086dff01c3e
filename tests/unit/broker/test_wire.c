/*
 * Compares the messages of nodes with those of the real adapter and emitter (tests/data/wire/vectors.txt, made by
 * generate.mjs): they are written byte for byte the same, and read whole, cut, and changed at each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/wire.h"
#include "common/base/error.h"
#include "tests/unit/broker/vectors.h"

#define VECTORS "tests/data/wire/vectors.txt"
static struct wire_message m;
static struct buffer out;

static int
start(void **state)
{
	(void)state;
	wire_message_init(&m);
	buffer_init(&out, 1 << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	wire_message_fini(&m);
	buffer_fini(&out);
	return 0;
}

static struct text
vector(const char *name)
{
	return vector_of(VECTORS, name);
}

#define assert_text(t, expected)                                                                                     \
	do {                                                                                                         \
		struct text t_ = (t), e_ = text_from(expected);                                                      \
		if (!text_is(t_, e_))                                                                                \
			fail_msg("%s:%d: \"%.*s\", not \"%s\"", __FILE__, __LINE__, (int)t_.n, t_.at, e_.at);        \
	} while (0)

/* The written message equals the vector. */
static void
assert_same(struct text wanted)
{
	assert_int_equal(buffer_error(&out), 0);
	assert_int_equal(out.len, wanted.n);
	assert_memory_equal(out.data, wanted.at, wanted.n);
	buffer_reset(&out);
}

static const struct wire_target nobody_special;

/* Reads a broadcast, checks its data, writes it again and compares. */
static void
round_trip(const char *name, const char *nsp, const char *data)
{
	struct text payload = vector(name);

	assert_int_equal(wire_read_broadcast(&m, payload), 0);
	assert_int_equal(m.uid.n, WIRE_UID_LENGTH);
	assert_true(wire_is_from(payload, m.uid));
	assert_false(wire_is_from(payload, TEXT("abcdef")));
	assert_text(m.nsp, nsp);
	assert_text(m.data, data);
	assert_int_equal(wire_write_broadcast(&out, m.uid, m.nsp, &m.target, m.data, &m.attachments), 0);
	assert_same(payload);
}

static void
broadcasts_are_read_and_written_as_the_adapter_does(void **state)
{
	(void)state;
	round_trip("broadcast", "/", "[\"news\",1,\"two\",{\"three\":[3]}]");
	assert_int_equal(m.target.room_count + m.target.except_count + m.target.flags, 0);
	assert_int_equal(m.data_count, 4);
	round_trip("broadcast-room", "/", "[\"news\"]");
	assert_int_equal(m.target.room_count, 1);
	assert_text(m.target.rooms[0], "red");
	round_trip("broadcast-rooms", "/", "[\"news\",\"x\"]");
	assert_int_equal(m.target.room_count, 3);
	assert_text(m.target.rooms[1], "blue#1");
	assert_text(m.target.rooms[2], "ü");
	assert_int_equal(m.target.except_count, 1);
	assert_text(m.target.except[0], "green");
	round_trip("broadcast-flags", "/", "[\"news\"]");
	assert_int_equal(m.target.flags, WIRE_VOLATILE | WIRE_NO_COMPRESS);
	round_trip("broadcast-nsp", "/n s", "[\"news\"]");
	round_trip("broadcast-number", "/", "[7,\"numeric event\"]");
	round_trip("broadcast-binary", "/",
		"[\"bin\",{\"_placeholder\":true,\"num\":0},{\"deep\":[{\"_placeholder\":true,\"num\":1},\"s\"]}]");
	assert_int_equal(m.attachments.count, 2);
	assert_int_equal(m.attachments.blocks[0]->len, 3);
	assert_int_equal(m.attachments.blocks[1]->len, 0);
}

/* Each number and text keeps its bytes on the way through JSON. */
static void
values_survive(void **state)
{
	struct text payload = vector("broadcast-values");

	(void)state;
	assert_int_equal(wire_read_broadcast(&m, payload), 0);
	assert_int_equal(wire_write_broadcast(&out, m.uid, m.nsp, &m.target, m.data, NULL), 0);
	assert_same(payload);
}

static void
values_without_a_json_form_become_what_javascript_makes_of_them(void **state)
{
	(void)state;
	assert_int_equal(wire_read_broadcast(&m, vector("broadcast-undefined")), 0);
	assert_text(m.data, "[\"news\",null,{\"n\":null},\"2001-09-09T01:46:40.000Z\"]");
	assert_int_equal(wire_read_broadcast(&m, vector("broadcast-numeric")), 0);
	assert_int_equal(m.target.room_count, 1);
	assert_text(m.target.rooms[0], "5");
}

/* Node.js servers distinguish the rooms 7 and "7". */
static void
rooms_that_look_like_numbers_go_out_as_both(void **state)
{
	static const struct text rooms[] = {{"7", 1}, {"07", 2}, {"-300", 4}, {"999999999999999", 15},
		{"1000000000000000", 16}, {"-0", 2}, {"1.5", 3}};
	const struct wire_target to = {.rooms = rooms, .room_count = 7, .except = rooms, .except_count = 1};
	static const char bytes[] = "\x83\xa5rooms\x9a\xa1"
				    "7\x07\xa2"
				    "07\xa4-300\xd1\xfe\xd4\xaf"
				    "999999999999999\xcf\x00\x03\x8d\x7e\xa4\xc6\x7f\xff\xb0"
				    "1000000000000000\xa2-0\xa3"
				    "1.5\xa6"
				    "except\x92\xa1"
				    "7\x07\xa5"
				    "flags\x80";

	(void)state;
	assert_int_equal(wire_write_broadcast(&out, TEXT("abcdef"), TEXT("/"), &to, TEXT("[\"e\"]"), NULL), 0);
	assert_memory_equal(out.data + out.len - (sizeof bytes - 1), bytes, sizeof bytes - 1);
	assert_int_equal(wire_read_broadcast(&m, buffer_text(&out)), 0);
	assert_int_equal(m.target.room_count, 7);
	assert_int_equal(m.target.except_count, 1);
	assert_text(m.target.rooms[2], "-300");
	buffer_reset(&out);

	assert_int_equal(wire_write_rooms(&out, WIRE_REMOTE_JOIN, TEXT("abcdef"), &to, rooms, 1), 0);
	assert_text(buffer_text(&out),
		"{\"uid\":\"abcdef\",\"type\":2,\"opts\":{\"rooms\":[\"7\",7,\"07\",\"-300\",-300,"
		"\"999999999999999\","
		"999999999999999,\"1000000000000000\",\"-0\",\"1.5\"],\"except\":[\"7\",7]},\"rooms\":[\"7\"]}");
	buffer_reset(&out);
	assert_int_equal(wire_write_rooms(&out, WIRE_REMOTE_LEAVE, TEXT("abcdef"), &nobody_special, rooms, 1), 0);
	assert_text(buffer_text(&out),
		"{\"uid\":\"abcdef\",\"type\":3,\"opts\":{\"rooms\":[],\"except\":[]},\"rooms\":[\"7\",7]}");
	buffer_reset(&out);
}

static void
requests_are_read_and_written(void **state)
{
	static const struct text red = {"red", 3}, blue = {"blue", 4}, ab[] = {{"a", 1}, {"b", 1}};
	struct wire_target who = {.rooms = &red, .room_count = 1};
	struct text p;

	(void)state;
	p = vector("broadcast-ack");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(m.type, WIRE_BROADCAST);
	assert_true(m.has_request_id && m.has_target);
	assert_text(m.data, "[\"ask\",1]");
	assert_text(m.target.rooms[0], "red");
	assert_int_equal(
		wire_write_broadcast_ack(&out, m.uid, m.request_id, m.nsp, &m.target, m.data, &m.attachments), 0);
	/* the original's flags also contain the timeout, which receivers ignore */
	assert_memory_equal(out.data, p.at, out.len - 1);
	buffer_reset(&out);

	p = vector("join");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(m.type, WIRE_REMOTE_JOIN);
	assert_int_equal(m.listed_room_count, 2);
	assert_text(m.listed_rooms[1], "b");
	who.except = &blue;
	who.except_count = 1;
	assert_int_equal(wire_write_rooms(&out, WIRE_REMOTE_JOIN, m.uid, &who, ab, 2), 0);
	assert_same(p);

	p = vector("leave");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(wire_write_rooms(&out, WIRE_REMOTE_LEAVE, m.uid, &nobody_special, ab, 1), 0);
	assert_same(p);

	who.except_count = 0;
	p = vector("disconnect");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_true(m.close && m.type == WIRE_REMOTE_DISCONNECT);
	assert_int_equal(wire_write_disconnect(&out, m.uid, &who, true), 0);
	assert_same(p);

	p = vector("fetch");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(wire_write_fetch(&out, m.uid, m.request_id, &who), 0);
	assert_same(p);

	p = vector("all-rooms");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(wire_write_all_rooms(&out, m.uid, m.request_id), 0);
	assert_same(p);

	p = vector("server-emit");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_false(m.has_request_id);
	assert_text(m.data, "[\"hello\",1,{\"two\":\"ü\"}]");
	assert_int_equal(wire_write_server_emit(&out, m.uid, TEXT_NONE, m.data, NULL), 0);
	assert_same(p);

	p = vector("server-emit-ack");
	assert_int_equal(wire_read_request(&m, p), 0);
	assert_int_equal(wire_write_server_emit(&out, m.uid, m.request_id, m.data, NULL), 0);
	assert_same(p);
}

static void
responses_are_read_and_written(void **state)
{
	struct text p;

	(void)state;
	p = vector("reply-sockets");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_text(m.sockets, "[]");
	assert_int_equal(wire_write_sockets_reply(&out, m.request_id, TEXT_NONE, m.sockets, NULL), 0);
	assert_same(p);
	p = vector("reply-all-rooms");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_int_equal(wire_write_rooms_reply(&out, m.request_id, TEXT_NONE, m.all_rooms), 0);
	assert_same(p);
	p = vector("reply-server-emit");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_text(m.answer, "{\"got\":5}");
	assert_int_equal(wire_write_server_emit_reply(&out, m.request_id, TEXT_NONE, m.answer, NULL), 0);
	assert_same(p);
	p = vector("reply-server-emit-undefined");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_null(m.answer.at);
	assert_int_equal(wire_write_server_emit_reply(&out, m.request_id, TEXT_NONE, TEXT_NONE, NULL), 0);
	assert_same(p);
	p = vector("reply-count");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_int_equal(m.type, WIRE_BROADCAST_CLIENT_COUNT);
	assert_int_equal(wire_write_count_reply(&out, m.request_id, TEXT_NONE, m.clients), 0);
	assert_same(p);
	p = vector("reply-ack");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_text(m.answer, "{\"ok\":[1,{\"_placeholder\":true,\"num\":0}]}");
	assert_int_equal(wire_write_ack_reply(&out, m.request_id, TEXT_NONE, m.answer, &m.attachments), 0);
	assert_same(p);
	p = vector("reply-ack-undefined");
	assert_int_equal(wire_read_response(&m, p), 0);
	assert_null(m.answer.at);
	assert_int_equal(wire_write_done_reply(&out, TEXT("q1"), TEXT_NONE), 0);
	assert_same(TEXT("{\"requestId\":\"q1\"}"));
}

static void
emitters_are_understood(void **state)
{
	(void)state;
	assert_int_equal(wire_read_broadcast(&m, vector("emitter")), 0);
	assert_text(m.uid, "emitter");
	assert_int_equal(m.attachments.count, 1);
	assert_int_equal(wire_read_broadcast(&m, vector("emitter-rooms")), 0);
	assert_int_equal(m.target.flags, WIRE_VOLATILE);
	assert_int_equal(m.target.except_count, 2);
	assert_int_equal(wire_read_broadcast(&m, vector("emitter-nsp")), 0);
	assert_text(m.nsp, "/team");
	assert_text(m.data, "[\"news\",\"1970-01-01T00:00:00.000Z\"]");
	assert_int_equal(wire_read_request(&m, vector("emitter-join")), 0);
	assert_int_equal(m.uid.n, 0);
	assert_int_equal(wire_read_request(&m, vector("emitter-disconnect")), 0);
	assert_false(m.close);
	assert_int_equal(wire_read_request(&m, vector("emitter-server-emit")), 0);
	assert_text(m.uid, "emitter");
}

/* On the channels of the classic adapter, messages of the streams adapter are unsupported, not malformed. */
static void
messages_of_the_streams_adapter_are_unsupported(void **state)
{
	(void)state;
	assert_int_equal(wire_read_broadcast(&m, TEXT("\x84\xa4type\x07\xa4"
						      "data\x80\xa3uid\xa1x\xa3nsp\xa1/")),
		ERROR_UNSUPPORTED);
	assert_int_equal(
		wire_read_broadcast(&m, TEXT("{\"type\":7,\"uid\":\"x\",\"nsp\":\"/\"}")), ERROR_UNSUPPORTED);
	assert_int_equal(wire_read_broadcast(&m, TEXT("{\"type\":7,\"uid\":\"x\"}")), ERROR_SYNTAX);
	/* an array is a message of the classic adapter, even if the type of its packet is wrong */
	assert_int_equal(wire_read_broadcast(&m, TEXT("\x93\xa1x\x83\xa4type\x03\xa4"
						      "data\x91\xa1"
						      "a\xa3nsp\xa1/\x80")),
		ERROR_SYNTAX);
}

static void
legacy_forms_and_odd_ones(void **state)
{
	static const struct {
		const char *json;
		int rc;
	} cases[] = {
		{"{\"type\":2,\"sid\":\"abc\",\"room\":\"r\",\"requestId\":\"q\"}", 0},
		{"{\"type\":3,\"sid\":\"abc\",\"room\":5,\"requestId\":\"q\"}", 0},
		{"{\"type\":4,\"sid\":\"abc\",\"close\":true,\"requestId\":\"q\"}", 0},
		{" {}", ERROR_SYNTAX},
		{"{}", ERROR_SYNTAX},
		{"{\"type\":2,\"sid\":\"abc\"}", ERROR_SYNTAX},
		{"{\"type\":2}", ERROR_SYNTAX},
		{"{\"type\":5,\"opts\":{}}", ERROR_SYNTAX},
		{"{\"type\":5,\"requestId\":\"\",\"opts\":{}}", ERROR_TOO_BIG},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":{}}", 0},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":{\"rooms\":null,\"except\":null}}", 0},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":{\"rooms\":[1,\"a\\u0062\",\"\\\\\"]}}", 0},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":{\"rooms\":[[]]}}", ERROR_SYNTAX},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":{\"rooms\":[1],\"rooms\":[2]}}", ERROR_SYNTAX},
		{"{\"type\":5,\"requestId\":\"q\",\"opts\":[]}", 0},
		{"{\"type\":6,\"data\":[]}", ERROR_SYNTAX},
		{"{\"type\":6,\"data\":{}}", ERROR_SYNTAX},
		{"{\"type\":6}", ERROR_SYNTAX},
		{"{\"type\":6,\"data\":[\"x\"],\"requestId\":null}", 0},
		{"{\"type\":7,\"requestId\":\"q\",\"packet\":{\"type\":2,\"data\":[\"x\"]},\"opts\":{}}", 0},
		{"{\"type\":7,\"requestId\":\"q\",\"packet\":{\"type\":3,\"data\":[\"x\"]},\"opts\":{}}",
			ERROR_UNSUPPORTED},
		{"{\"type\":7,\"requestId\":\"q\",\"packet\":{\"type\":2},\"opts\":{}}", ERROR_SYNTAX},
		{"{\"type\":7,\"requestId\":\"q\",\"packet\":null,\"opts\":{}}", ERROR_SYNTAX},
		{"{\"type\":8,\"requestId\":\"q\"}", ERROR_UNSUPPORTED},
		{"{\"type\":10,\"requestId\":\"q\"}", ERROR_UNSUPPORTED},
		{"{\"type\":1.5,\"requestId\":\"q\"}", ERROR_SYNTAX},
		{"{\"type\":-1,\"requestId\":\"q\"}", ERROR_SYNTAX},
		{"{\"type\":\"1\",\"requestId\":\"q\"}", ERROR_SYNTAX},
		{"{\"type\":1,\"requestId\":\"q\"} x", ERROR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int rc = wire_read_request(&m, text_from(cases[i].json));

		if (rc != cases[i].rc)
			fail_msg("%s: %d (%s)", cases[i].json, rc, error_text(rc));
	}
	assert_int_equal(wire_read_request(&m, text_from(cases[11].json)), 0);
	assert_text(m.target.rooms[0], "1");
	assert_text(m.target.rooms[1], "ab");
	assert_text(m.target.rooms[2], "\\");
	assert_int_equal(wire_read_request(&m, text_from(cases[1].json)), 0);
	assert_text(m.listed_rooms[0], "5");
	assert_text(m.sid, "abc");
}

/* No input of a peer may crash the node; the sanitizers watch. */
static void
cut_and_changed_everywhere(void **state)
{
	FILE *f = fopen(VECTORS, "r");
	unsigned n = 0;

	(void)state;
	assert_non_null(f);
	while (next_vector(f)) {
		uint8_t *copy = malloc(v.n);

		for (size_t cut = 0; cut < v.n; cut++) {
			struct text part;

			memcpy(copy, v.bytes, v.n);
			part = text_of((const char *)copy, cut);
			assert_true(wire_read_broadcast(&m, part) < 0);
			assert_true(wire_read_request(&m, part) < 0);
			assert_true(wire_read_response(&m, part) < 0);
			part.n = v.n;
			for (unsigned byte = 0; byte < 256; byte += 17) {
				copy[cut] = (uint8_t)byte;
				wire_read_broadcast(&m, part);
				wire_read_request(&m, part);
				wire_read_response(&m, part);
			}
		}
		free(copy);
		n++;
	}
	fclose(f);
	assert_true(n > 30);
}

static void
channels(void **state)
{
	struct text room;

	(void)state;
	wire_channel_broadcast(&out, TEXT("k"), TEXT("/a"), TEXT_NONE);
	assert_same(TEXT("k#/a#"));
	wire_channel_broadcast(&out, TEXT("k"), TEXT("/a"), TEXT("r#1"));
	assert_same(TEXT("k#/a#r#1#"));
	wire_channel_request(&out, TEXT("k"), TEXT("/a"));
	assert_same(TEXT("k-request#/a#"));
	wire_channel_response(&out, TEXT("k"), TEXT("/a"), TEXT_NONE);
	assert_same(TEXT("k-response#/a#"));
	wire_channel_response(&out, TEXT("k"), TEXT("/a"), TEXT("abcdef"));
	assert_same(TEXT("k-response#/a#abcdef#"));
	assert_true(wire_channel_room(TEXT("k#/a#"), TEXT("k#/a#"), &room));
	assert_int_equal(room.n, 0);
	assert_true(wire_channel_room(TEXT("k#/a#"), TEXT("k#/a#r#1#"), &room));
	assert_text(room, "r#1");
	assert_true(wire_channel_room(TEXT("k#/a#"), TEXT("k#/a##"), &room));
	assert_int_equal(room.n, 0);
	assert_true(wire_channel_room(TEXT("k#/a#"), TEXT("k#/a#r"), &room)); /* from an emitter in Rust */
	assert_text(room, "r");
	assert_false(wire_channel_room(TEXT("k#/a#"), TEXT("k#/b#"), &room));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broadcasts_are_read_and_written_as_the_adapter_does),
		cmocka_unit_test(values_survive),
		cmocka_unit_test(values_without_a_json_form_become_what_javascript_makes_of_them),
		cmocka_unit_test(rooms_that_look_like_numbers_go_out_as_both),
		cmocka_unit_test(requests_are_read_and_written),
		cmocka_unit_test(responses_are_read_and_written),
		cmocka_unit_test(emitters_are_understood),
		cmocka_unit_test(legacy_forms_and_odd_ones),
		cmocka_unit_test(messages_of_the_streams_adapter_are_unsupported),
		cmocka_unit_test(cut_and_changed_everywhere),
		cmocka_unit_test(channels),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
