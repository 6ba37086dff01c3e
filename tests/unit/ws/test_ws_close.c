/* How a WebSocket closes: by the peer, by the server, by a fault, by a time-out, inside a callback (RFC 6455 7). */
#include "tests/unit/ws/ws_rig.h"

static void
test_peer_closes(void **state)
{
	struct rig *g = start();

	(void)state;
	open_ws(g, OPEN);
	SAY(g, 0x88, "\x03\xe9going away");
	rig_end(g);
	EXPECT(g, "\x88\x02\x03\xe9");
	finish(g, REASON_WS_CLOSE, 1001);

	g = start();
	open_ws(g, OPEN);
	SAY(g, 0x88, "");
	rig_end(g);
	EXPECT(g, "\x88\x00");
	finish(g, REASON_WS_CLOSE, 1005);
}

static void
test_server_closes(void **state)
{
	struct rig *g = start();

	(void)state;
	open_ws(g, OPEN);
	ws_send_bytes(server.ws, WS_TEXT, "last", 4);
	ws_close(server.ws, 0, NULL, REASON_FORCED);
	ws_close(server.ws, 1000, "again", REASON_SHUTDOWN);
	assert_false(ws_is_open(server.ws));
	assert_false(ws_writable(server.ws));
	ws_send_bytes(server.ws, WS_TEXT, "late", 4);
	EXPECT(g, "\x81\x04last\x88\x00");
	/* messages, even invalid text, are skipped, and a ping is not answered */
	SAY(g, 0x81, "ignored");
	SAY(g, 0x81, "\xff");
	SAY(g, 0x89, "ping");
	SAY(g, 0x88, "\x03\xe8");
	rig_end(g);
	assert_int_equal(g->got.len, 0);
	assert_int_equal(server.messages, 0);
	finish(g, REASON_FORCED, 1000);
}

/* RFC 6455 5.5.1, 7.1.7: an endpoint sends only one Close. */
static void
test_fault_after_server_closes(void **state)
{
	struct rig *g = start();

	(void)state;
	open_ws(g, OPEN);
	ws_close(server.ws, 1001, NULL, REASON_FORCED);
	EXPECT(g, "\x88\x02\x03\xe9");
	SAY(g, 0xa1, "reserved bit");
	rig_end(g);
	assert_int_equal(g->got.len, 0);
	finish(g, REASON_WS_PROTOCOL, 1006);
}

static void
test_close_with_reason(void **state)
{
	/* 41 times three bytes is 123: the next character does not fit */
	static const char text[] =
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
	char longer[sizeof text + 8];
	struct rig *g = start();

	(void)state;
	open_ws(g, OPEN);
	snprintf(longer, sizeof longer, "ab%s\xe2\x82\xac", text); /* 2 + 120, then a character cut by the limit */
	ws_close(server.ws, 1001, longer, REASON_SHUTDOWN);
	while (g->got.len < 4)
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(g->got.len, 2 + 2 + 122);
	assert_memory_equal(g->got.data,
		"\x88\x7c\x03\xe9"
		"ab\xe2",
		7);
	finish(g, REASON_SHUTDOWN, 1006);
}

static void
test_close_timeout(void **state)
{
	struct rig *g = start();

	(void)state;
	server.options.close_ms = 30;
	open_ws(g, OPEN);
	ws_close(server.ws, 1000, NULL, REASON_FORCED);
	rig_end(g);
	EXPECT(g, "\x88\x02\x03\xe8");
	finish(g, REASON_WS_CLOSE_TIMEOUT, 1006);
}

static void
act_close(struct ws *ws)
{
	ws_close(ws, 1000, NULL, REASON_FORCED);
}

static void
act_terminate(struct ws *ws)
{
	ws_terminate(ws, REASON_FORCED);
	ws_send_bytes(ws, WS_TEXT, "late", 4);
	ws_close(ws, 1000, NULL, REASON_SHUTDOWN);
}

/* Closing inside on_message: no further message of the same read is delivered. */
static void
test_close_inside_message(void **state)
{
	struct rig *g = start();

	(void)state;
	server.act = act_close;
	open_ws(g, OPEN);
	rig_say(g, "\x01\x81\x01\x01\x01\x01"
		   "a\x80\x81\x01\x01\x01\x01"
		   "b\x81\x81\x01\x01\x01\x01"
		   "c");
	EXPECT(g, "\x88\x02\x03\xe8");
	SAY(g, 0x88, "\x03\xe8");
	rig_end(g);
	assert_int_equal(server.messages, 1);
	finish(g, REASON_FORCED, 1000);

	g = start();
	server.act = act_terminate;
	open_ws(g, OPEN);
	rig_say(g, "\x81\x81\x01\x01\x01\x01"
		   "a\x81\x81\x01\x01\x01\x01"
		   "c");
	rig_end(g);
	assert_int_equal(g->got.len, 0);
	assert_int_equal(server.messages, 1);
	finish(g, REASON_FORCED, 1006);
}

static void
test_peer_vanishes_inside_message(void **state)
{
	struct rig *g = start();

	(void)state;
	open_ws(g, OPEN DEFLATE);
	rig_say(g, "\x41\x87\x01\x01\x01\x01\xf3\x49");
	rig_settle(g);
	finish(g, REASON_PEER_CLOSED, 1006);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_closes),
		cmocka_unit_test(test_server_closes),
		cmocka_unit_test(test_fault_after_server_closes),
		cmocka_unit_test(test_close_with_reason),
		cmocka_unit_test(test_close_timeout),
		cmocka_unit_test(test_close_inside_message),
		cmocka_unit_test(test_peer_vanishes_inside_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
