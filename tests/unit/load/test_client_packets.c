/* The frames and packets of a server over WebSocket: what a client does with hostile ones and with unusual ones. */
#include "tests/unit/load/client_bench.h"

/* ------------------------------------------------------------------ frames */

static void
test_hostile_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum load_error error;
		const char *why;
	} all[] = {
		{"\x81\x82\1\2\3\4ab", 8, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455"}, /* masked */
		{"\xc1\x01"
		 "2",
			3, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455"}, /* compressed */
		{"\x83\x01"
		 "2",
			3, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455"},
		{"\x80\x01"
		 "2",
			3, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455"}, /* nothing to continue */
		{"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, LOAD_ERROR_PROTOCOL, "ws-too-big"},
		{"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, LOAD_ERROR_PROTOCOL, "ws-protocol"},
		{"\x81\x02\xc3\x28", 4, LOAD_ERROR_PROTOCOL, "ws-utf8"},
		{"\x81\x00", 2, LOAD_ERROR_PROTOCOL, "an empty Engine.IO packet"},
		{"\x82\x00", 2, LOAD_ERROR_PROTOCOL, "a binary message that no packet announced"},
		{"\x82\x02hi", 4, LOAD_ERROR_PROTOCOL, "a binary message that no packet announced"},
		{"\x88\x00", 2, LOAD_ERROR_CLOSED, "the server closed the WebSocket"},
		{"\x88\x02\x03\xe8", 4, LOAD_ERROR_CLOSED, "the server closed the WebSocket with code 1000"},
		{"\x88\x01x", 3, LOAD_ERROR_PROTOCOL, "a WebSocket frame that breaks RFC 6455"},
		{"\x81\x01"
		 "9",
			3, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"9\""},
		{"\x81\x01\x07", 3, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"?\""},
		{"\x81\x01"
		 "1",
			3, LOAD_ERROR_CLOSED, "the server closed the session"},
		{"\x81\x06"
		 "3probe",
			8, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"3\""},
		{"\x81\x01"
		 "5",
			3, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"5\""},
		{"\x81\x03"
		 "0{}",
			5, LOAD_ERROR_PROTOCOL, "an open packet that is not a JSON object or arrives too late"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct peer *p = join_ws();

		b.joined = 0;
		say(p, all[i].bytes, all[i].n);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		assert_true(b.was_joined);
	}
}

static void
test_control_frames_and_fragments(void **state)
{
	struct peer *p = join_ws();
	uint8_t ping[200];

	(void)state;
	memset(ping, 'p', sizeof ping);
	say_frame(p, WS_PING, "are you there", 13);
	expect_frame(p, "Oare you there");
	say_frame(p, WS_PING, ping, 125);
	assert_int_equal(strlen(heard_frame(p)), 126);
	say_frame(p, WS_PONG, "x", 1);
	say(p,
		"\x01\x04"
		"42[\"\x89\x01!\x00\x01"
		"a\x80\x02\"]",
		16);
	expect_frame(p, "O!");
	RUN_UNTIL(strcmp(b.heard, "e:[\"a\"]|") == 0);
	frame(p, "6"); /* NOOP */
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

static void
test_a_server_that_reads_nothing(void **state)
{
	struct peer *p = join_ws();
	static char text[100000];

	(void)state;
	ev_io_stop(bench.ev, &p->io);
	memset(text, 'x', sizeof text);
	for (unsigned i = 0; i < 300 && b.ended == 0; i++) {
		client_send(&b.client, text_of(text, sizeof text), TEXT_NONE);
		run_turn();
		loop_finish_turn(&bench.loop);
	}
	EXPECT_END(1, LOAD_ERROR_RESET, "the server does not read what is sent to it");
	assert_true(b.was_joined);
}

/* ------------------------------------------------------------------ packets */

static void
test_hostile_open_packets(void **state)
{
#define BAD_OPEN "an open packet without a valid sid, pingInterval or pingTimeout"
#define NO_OPEN "an open packet that is not a JSON object or arrives too late"
	static char huge[2000];
	static const char *all[][2] = {
		{"0", NO_OPEN},
		{"0[]", NO_OPEN},
		{"0\"sid\"", NO_OPEN},
		{"0{\"sid\":\"a\",", NO_OPEN},
		{"0{}", BAD_OPEN},
		{"0{\"sid\":\"\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":7,\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":null,\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\\r\\nX: y\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a b\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a&b\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\\u0000\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"\xc3\xa9\",\"pingInterval\":1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":\"1\",\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":-1,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":1.5,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":1e99,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":2147483648,\"pingTimeout\":1}", BAD_OPEN},
		{"0{\"sid\":\"a\",\"pingInterval\":1,\"pingTimeout\":[1]}", BAD_OPEN},
		{huge, BAD_OPEN},
		{"2", "an unexpected Engine.IO packet of type \"2\""},
		{"6", "an unexpected Engine.IO packet of type \"6\""},
		{"40{\"sid\":\"x\"}", "an unexpected Engine.IO packet of type \"4\""},
		{"42[1]", "an unexpected Engine.IO packet of type \"4\""},
	};

	(void)state;
	snprintf(huge, sizeof huge, "0{\"sid\":\"%01000d\",\"pingInterval\":1,\"pingTimeout\":1}", 1);
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct peer *p;

		client_open(&b.client);
		p = peer_at(i);
		request(p);
		answer_upgrade(p);
		frame(p, all[i][0]);
		EXPECT_END(i + 1, LOAD_ERROR_PROTOCOL, all[i][1]);
	}
}

static void
test_the_greatest_open_packet(void **state)
{
	struct peer *p;
	char open[512];

	(void)state;
	snprintf(
		open, sizeof open, "0{\"sid\":\"%0126d\",\"pingInterval\":2147483647,\"pingTimeout\":2147483647}", 1);
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	answer_upgrade(p);
	frame(p, open);
	expect_frame(p, "T40");
	assert_int_equal(b.client.ping_ms, 4294967294u);
	assert_int_equal(b.client.max_payload, 0);
	frame(p, "40");
	RUN_UNTIL(b.joined == 1);
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

/* Packets between the open packet and the answer to CONNECT. */
static void
test_answers_to_connect(void **state)
{
	static const struct {
		const char *packet;
		enum load_error error;
		const char *why;
	} all[] = {
		{"44{\"message\":\"not allowed\"}", LOAD_ERROR_REJECTED,
			"connect_error {\"message\":\"not allowed\"}"},
		{"44\"\x1b[31m\xc2\xa0\"", LOAD_ERROR_REJECTED, "connect_error \"?[31m\xc2\xa0\""},
		{"41", LOAD_ERROR_CLOSED, "the server disconnected the client"},
		{"42[\"early\"]", LOAD_ERROR_PROTOCOL, "an event before CONNECT was answered"},
		{"430[\"early\"]", LOAD_ERROR_PROTOCOL, "an event before CONNECT was answered"},
		{"40/other,{\"sid\":\"x\"}", LOAD_ERROR_PROTOCOL, "a packet of another namespace"},
		{"4", LOAD_ERROR_PROTOCOL, "an empty packet"},
		{"47", LOAD_ERROR_PROTOCOL, "a Socket.IO packet of unknown type"},
		{"1", LOAD_ERROR_CLOSED, "the server closed the session"},
		{OPEN, LOAD_ERROR_PROTOCOL, "an open packet that is not a JSON object or arrives too late"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct peer *p;

		client_open(&b.client);
		p = peer_at(i);
		request(p);
		answer_upgrade(p);
		frame(p, OPEN);
		expect_frame(p, "T40");
		frame(p, all[i].packet);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		assert_false(b.was_joined);
	}
}

static void
test_hostile_packets(void **state)
{
	static const struct {
		const char *packet;
		enum load_error error;
		const char *why;
	} all[] = {
		{"40{\"sid\":\"y\"}", LOAD_ERROR_PROTOCOL, "CONNECT answered twice"},
		{"41", LOAD_ERROR_CLOSED, "the server disconnected the client"},
		{"43[1]", LOAD_ERROR_PROTOCOL, "an acknowledgement without an id"},
		{"499999999999999999999[1]", LOAD_ERROR_PROTOCOL, "a Socket.IO packet of unknown type"},
		{"4399999999999999999999[1]", LOAD_ERROR_PROTOCOL, "an acknowledgement without an id"},
		{"439007199254740992[1]", LOAD_ERROR_PROTOCOL, "an acknowledgement without an id"},
		{"45", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"45-[1]", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"450-[1]", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"4511-[1]", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"451[1]", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"451", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"45184467440737095516171-[1]", LOAD_ERROR_PROTOCOL, "an invalid number of attachments"},
		{"461-[1]", LOAD_ERROR_PROTOCOL, "an acknowledgement without an id"},
		{"42/other,[1]", LOAD_ERROR_PROTOCOL, "a packet of another namespace"},
		{"42/other", LOAD_ERROR_PROTOCOL, "a packet of another namespace"},
		{"48", LOAD_ERROR_PROTOCOL, "a Socket.IO packet of unknown type"},
		{"44{}", LOAD_ERROR_REJECTED, "connect_error {}"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct peer *p = join_ws();

		b.joined = 0;
		frame(p, all[i].packet);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		assert_true(b.was_joined);
		assert_string_equal(b.heard, "");
	}
}

static void
test_attachments(void **state)
{
	struct peer *p = join_ws();

	(void)state;
	frame(p, "452-[\"a\",{},{}]");
	frame(p, "2"); /* a packet of the engine may come in between */
	expect_frame(p, "T3");
	say_frame(p, WS_BINARY, "one", 3);
	say_frame(p, WS_BINARY, "two", 3);
	frame(p, "461-9[{}]");
	say_frame(p, WS_BINARY, "", 0);
	frame(p, "4510-[\"b\"]");
	for (unsigned i = 0; i < 10; i++)
		say_frame(p, WS_BINARY, &"0123456789"[i], 1);
	frame(p, "42[\"c\"]");
	RUN_UNTIL(strstr(b.heard, "c") != NULL);
	assert_string_equal(b.heard, "e:one|a9:|e:0|e:[\"c\"]|");
	frame(p, "451-[{}]");
	frame(p, "42[\"d\"]");
	EXPECT_END(1, LOAD_ERROR_PROTOCOL, "a packet instead of an attachment");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_CASE(test_hostile_frames),
		CLIENT_CASE(test_control_frames_and_fragments),
		CLIENT_CASE(test_a_server_that_reads_nothing),
		CLIENT_CASE(test_hostile_open_packets),
		CLIENT_CASE(test_the_greatest_open_packet),
		CLIENT_CASE(test_answers_to_connect),
		CLIENT_CASE(test_hostile_packets),
		CLIENT_CASE(test_attachments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
