/* WebSocket as the first transport. */
#include "harness.h"

static struct client *
ws_open(const char *query)
{
	struct client *c = client_new();

	client_ws(c, query);
	assert_int_equal(ws_in(c), 1);
	assert_memory_equal(c->body, "0{\"sid\":\"", 9);
	return c;
}

static void
test_echo(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	c = ws_open("EIO=4&transport=websocket");
	assert_string_equal(eio_transport(sv.app.last), "websocket");
	ws_out(c, "4hello \xe2\x82\xac");
	assert_text(c, "4hello \xe2\x82\xac");
	ws_frame_out(c, 0x82, "\0\1\2\3", 4);
	assert_int_equal(ws_in(c), 2);
	assert_int_equal(c->body_len, 4);
	assert_memory_equal(c->body, "\0\1\2\3", 4);
	ws_out(c, "bAQIDBA=="); /* base64 is accepted here too */
	assert_int_equal(ws_in(c), 2);
	assert_memory_equal(c->body, "\1\2\3\4", 4);
	ws_out(c, "4");
	assert_text(c, "4");
	ws_frame_out(c, 0x82, "", 0);
	assert_int_equal(ws_in(c), 2);
	assert_int_equal(c->body_len, 0);
	ws_out(c, "0{}"); /* ignored on an open transport */
	ws_out(c, "5");
	ws_out(c, "6");
	ws_out(c, "4still");
	assert_text(c, "4still");
	ws_frame_out(c, 0x88, "\x03\xe8", 2);
	assert_int_equal(ws_in(c), 8);
	client_eof(c);
	assert_closed(1, "transport close");
	client_free(c);
	server_stop();
}

static void
test_b64(void **state)
{
	static const char *const queries[] = {"EIO=4&transport=websocket&b64=1", "EIO=4&transport=websocket&b64=0",
		"EIO=4&transport=websocket&b64=true"};
	struct client *c;

	(void)state;
	server_start(NULL);
	for (size_t i = 0; i < 3; i++) {
		c = ws_open(queries[i]);
		ws_frame_out(c, 0x82, "\1\2\3\4", 4);
		assert_text(c, "bAQIDBA==");
		client_free(c);
	}
	c = ws_open("EIO=4&transport=websocket&b64=");
	ws_frame_out(c, 0x82, "\1", 1);
	assert_int_equal(ws_in(c), 2);
	client_free(c);
	server_stop();
}

static void
test_faults(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"abc", "parse error"},
		{"", "parse error"},
		{"7", "parse error"},
		{"b*", "parse error"},
		{"1", "transport close"},
		{"2", "transport error"},
		{"2probe", "transport error"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c;

		server_start(NULL);
		c = ws_open("EIO=4&transport=websocket");
		ws_out(c, rows[i].text);
		ws_out(c, "4never");
		assert_ws_closed(c);
		assert_closed(1, rows[i].reason);
		assert_string_equal(sv.app.log, "");
		client_free(c);
		server_stop();
	}
}

/*
 * Frames that break RFC 6455 in the same segment as the handshake (CVE-2022-21676), and a peer that resets at once
 * (CVE-2022-41940).
 */
static void
test_hostile_start(void **state)
{
	static const struct {
		const char *frame;
		size_t n;
		unsigned code;
	} rows[] = {
		{"\xb1\x81\1\2\3\4x", 7, 1002},
		{"\xa1\x81\1\2\3\4x", 7, 1002},
		{"\xc1\x81\1\2\3\4x", 7, 1002},
		{"\x81\x01x", 3, 1002},
		{"\x83\x80\1\2\3\4", 6, 1002},
		{"\x81\x81\1\2\3\4\xfe", 7, 1007},
		{"\x81\xff\0\0\0\0\0\x10\0\0\1\2\3\4", 14, 1009},
		{"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14, 1002},
		{"GET / HTTP/1.1\r\n\r\n", 18, 1002},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char request[] = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\n"
					      "Connection: Upgrade\r\nUpgrade: websocket\r\n"
					      "Sec-WebSocket-Version: 13\r\n"
					      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
		char bytes[512];
		struct client *c;

		server_start(NULL);
		c = client_new();
		memcpy(bytes, request, sizeof(request) - 1);
		memcpy(bytes + sizeof(request) - 1, rows[i].frame, rows[i].n);
		client_write(c, bytes, sizeof(request) - 1 + rows[i].n);
		client_reply(c);
		assert_int_equal(c->status, 101);
		assert_int_equal(ws_in(c), 1);
		assert_int_equal(ws_in(c), 8);
		assert_int_equal(((uint8_t)c->body[0] << 8) | (uint8_t)c->body[1], rows[i].code);
		client_free(c);
		assert_closed(1, "transport error");
		server_stop();
	}
	server_start(NULL);
	for (int i = 0; i < 5; i++) {
		struct client *c = client_new();

		client_ws_request(c, "EIO=4&transport=websocket");
		client_leave(c, true);
		client_free(c);
	}
	pump_until(sv.loop.connections == 0);
	server_stop();
}

static void
test_lost(void **state)
{
	struct client *c;

	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		server_start(NULL);
		c = ws_open("EIO=4&transport=websocket");
		client_leave(c, reset);
		assert_closed(1, "transport close");
		assert_int_equal(eio_count(sv.engine), 0);
		client_free(c);
		server_stop();
	}
}

static void
close_after(struct eio_session *s, struct text data)
{
	(void)data;
	send_text(s, "one");
	send_text(s, "two");
	assert_false(eio_writable(s));
	eio_close(s, false);
	send_text(s, "ignored");
}

static void
test_server_closes(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	sv.app.on_message = close_after;
	c = ws_open("EIO=4&transport=websocket");
	pump_settle();
	assert_true(eio_writable(sv.app.last));
	ws_out(c, "4x");
	assert_text(c, "4one");
	assert_text(c, "4two");
	assert_ws_closed(c);
	assert_closed(1, "forced close");
	client_free(c);

	c = ws_open("EIO=4&transport=websocket"); /* io.close(): no status either */
	eio_server_close(sv.engine);
	assert_ws_closed(c);
	assert_closed(2, "forced close");
	client_free(c);
	server_stop();
}

static void
test_slow_reader(void **state)
{
	struct client *c;
	struct eio_session *s;
	static char text[5000];

	(void)state;
	server_start("maxBuffered", "8192", NULL);
	c = ws_open("EIO=4&transport=websocket");
	s = sv.app.last;
	memset(text, 'x', sizeof(text) - 1);
	send_text(s, text);
	assert_true(eio_is_open(s));
	send_text(s, text);
	assert_false(eio_is_open(s));
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.description, names_word(&eio_reasons, REASON_SLOW_READER));
	client_eof(c);
	client_free(c);
	server_stop();
}

static void
test_order(void **state)
{
	struct client *c;
	char text[32];

	(void)state;
	server_start(NULL);
	c = ws_open("EIO=4&transport=websocket");
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "4%d", i);
		ws_out(c, text);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "4%d", i);
		assert_text(c, text);
	}
	assert_true(sv.app.drained > 0);
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_b64),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_hostile_start),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_server_closes),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
