/*
 * The upgrade from long-polling to WebSocket: nothing is lost or reordered, and every way in which an upgrade can
 * end.
 */
#include "harness.h"

#include "node/engineio/eio_session.h"

struct trio {
	struct client *get, *post, *ws;
	char sid[EIO_SID_LENGTH + 1];
};

static struct trio
trio_open(void)
{
	struct trio t = {client_new(), client_new(), client_new(), ""};

	client_handshake(t.get, t.sid);
	return t;
}

static void
trio_close(struct trio *t)
{
	client_free(t->get);
	client_free(t->post);
	client_free(t->ws);
}

static void
trio_probe(struct trio *t)
{
	client_ws_upgrade(t->ws, t->sid);
	ws_out(t->ws, "2probe");
	assert_text(t->ws, "3probe");
}

static void
test_upgrade(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	trio_probe(&t);
	client_poll(t.get, t.sid);
	assert_reply(t.get, 200, "6");
	client_poll(t.get, t.sid); /* later polls are ended too */
	assert_reply(t.get, 200, "6");
	assert_string_equal(eio_transport(sv.app.last), "polling");
	ws_out(t.ws, "5");
	ws_out(t.ws, "4hello");
	assert_text(t.ws, "4hello");
	assert_int_equal(sv.app.upgraded, 1);
	assert_string_equal(eio_transport(sv.app.last), "websocket");
	client_poll(t.get, t.sid);
	assert_reply(t.get, 400, "{\"code\":3,\"message\":\"Bad request\"}");
	assert_string_equal(sv.app.context, "TRANSPORT_MISMATCH");
	client_post(t.post, t.sid, "4x");
	assert_reply(t.post, 400, "{\"code\":3,\"message\":\"Bad request\"}");
	ws_out(t.ws, "4fine");
	assert_text(t.ws, "4fine");
	assert_int_equal(sv.app.closed, 0);
	trio_close(&t);
	assert_closed(1, "transport close");
	server_stop();
}

/* The cycle begins 100 ms after the probe, so that the client gets "3probe" before its poll ends. */
static void
test_cycle(void **state)
{
	struct trio t;
	uint64_t begun;

	(void)state;
	server_start(NULL);
	t = trio_open();
	client_poll(t.get, t.sid);
	pump_settle();
	begun = clock_ms();
	trio_probe(&t);
	assert_reply(t.get, 200, "6");
	assert_in_range(clock_ms() - begun, 99, PATIENCE_MS);
	send_text(sv.app.last, "data"); /* packets leave by polling until the upgrade is complete */
	client_poll(t.get, t.sid);
	assert_reply(t.get, 200, "4data");
	trio_close(&t);
	server_stop();
}

static void
test_without_probe(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	client_ws_upgrade(t.ws, t.sid);
	ws_out(t.ws, "5");
	ws_out(t.ws, "4x");
	assert_text(t.ws, "4x");
	trio_close(&t);
	server_stop();
}

/* Packets that wait for a poll leave by the WebSocket, in order, before newer ones. */
static void
test_buffered(void **state)
{
	struct trio t;
	char text[16];
	struct eio_message *m = eio_message_binary("\1\2", 2);

	(void)state;
	server_start(NULL);
	t = trio_open();
	trio_probe(&t);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_text(sv.app.last, text);
	}
	eio_send(sv.app.last, &m, 1);
	eio_message_unref(m);
	ws_out(t.ws, "5");
	ws_out(t.ws, "4newer");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "4%d", i);
		assert_text(t.ws, text);
	}
	assert_int_equal(ws_in(t.ws), 2);
	assert_memory_equal(t.ws->body, "\1\2", 2);
	assert_text(t.ws, "4newer");
	trio_close(&t);
	server_stop();
}

static void
send_more(struct eio_session *s, struct text data)
{
	char text[32];

	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%.*s%d", (int)data.n, data.at, i);
		send_text(s, text);
	}
}

/* Messages sent on every path around the switch arrive once and in order. */
static void
test_nothing_lost(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	sv.app.on_message = send_more;
	client_post(t.post, t.sid, "4a");
	assert_reply(t.post, 200, "ok");
	client_poll(t.get, t.sid);
	assert_reply(t.get, 200,
		"4a0\x1e"
		"4a1\x1e"
		"4a2");
	trio_probe(&t);
	client_post(t.post, t.sid, "4b");
	assert_reply(t.post, 200, "ok");
	ws_out(t.ws, "5");
	ws_out(t.ws, "4c");
	for (const char *p = "b0b1b2c0c1c2"; *p != '\0'; p += 2) {
		char text[4] = {'4', p[0], p[1], '\0'};

		assert_text(t.ws, text);
	}
	assert_string_equal(sv.app.log, "t:a|t:b|t:c");
	trio_close(&t);
	server_stop();
}

static void
test_poll_pending(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	client_poll(t.get, t.sid);
	pump_settle();
	client_ws_upgrade(t.ws, t.sid);
	ws_out(t.ws, "5");
	assert_reply(t.get, 200, "1");
	ws_out(t.ws, "4x");
	assert_text(t.ws, "4x");
	assert_int_equal(sv.app.closed, 0);
	trio_close(&t);
	server_stop();
}

static void
assert_still_polling(struct trio *t)
{
	pump_settle();
	assert_int_equal(sv.app.closed, 0);
	client_post(t->post, t->sid, "4still");
	assert_reply(t->post, 200, "ok");
	client_poll(t->get, t->sid);
	assert_reply(t->get, 200, "4still");
	assert_int_equal(sv.app.upgraded, 0);
}

static void
test_timeout(void **state)
{
	struct trio t;

	(void)state;
	server_start("upgradeTimeout", "500", NULL);
	t = trio_open();
	trio_probe(&t);
	assert_ws_closed(t.ws);
	assert_still_polling(&t);
	client_free(t.ws);
	t.ws = client_new(); /* the client may try again */
	trio_probe(&t);
	ws_out(t.ws, "5");
	ws_out(t.ws, "4x");
	assert_text(t.ws, "4x");
	trio_close(&t);
	server_stop();
}

/* Any packet other than the probe and "5" closes only the WebSocket. */
static void
test_wrong_packet(void **state)
{
	static const char *const wrong[] = {"4x", "2", "2prob", "3probe", "", "x", "1", "6"};

	(void)state;
	for (size_t i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct trio t;

		server_start(NULL);
		t = trio_open();
		client_ws_upgrade(t.ws, t.sid);
		if (i < sizeof(wrong) / sizeof(wrong[0]))
			ws_out(t.ws, wrong[i]);
		else
			ws_frame_out(t.ws, 0x82, "5", 1);
		ws_out(t.ws, "5");
		assert_ws_closed(t.ws);
		assert_still_polling(&t);
		trio_close(&t);
		server_stop();
	}
}

static void
test_lost(void **state)
{
	struct trio t;

	(void)state;
	for (int i = 0; i < 3; i++) {
		server_start(NULL);
		t = trio_open();
		trio_probe(&t);
		if (i < 2) {
			client_leave(t.ws, i);
		} else {
			ws_frame_out(t.ws, 0xf1, "x", 1);
			assert_int_equal(ws_in(t.ws), 8);
			client_eof(t.ws);
		}
		assert_still_polling(&t);
		trio_close(&t);
		server_stop();
	}
}

/*
 * A second WebSocket for the same session is closed without a status, during and after an upgrade; the first is
 * unaffected.
 */
static void
test_second(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	trio_probe(&t);
	for (int i = 0; i < 2; i++) {
		struct client *c = client_new();

		client_ws_upgrade(c, t.sid);
		assert_ws_closed(c);
		client_free(c);
		ws_out(t.ws, i == 0 ? "5" : "4y");
		ws_out(t.ws, "4x");
		if (i == 1)
			assert_text(t.ws, "4y");
		assert_text(t.ws, "4x");
	}
	assert_int_equal(sv.app.upgraded, 1);
	trio_close(&t);
	server_stop();

	server_start("allowUpgrades", "false", NULL);
	t = trio_open();
	client_ws_upgrade(t.ws, t.sid);
	assert_ws_closed(t.ws);
	assert_still_polling(&t);
	trio_close(&t);
	server_stop();
}

static void
test_session_closes(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL); /* closed by the client */
	t = trio_open();
	trio_probe(&t);
	client_post(t.post, t.sid, "1");
	assert_reply(t.post, 200, "ok");
	assert_ws_closed(t.ws);
	assert_closed(1, "transport close");
	trio_close(&t);
	server_stop();

	server_start(NULL); /* closed by the server while a poll waits */
	t = trio_open();
	client_poll(t.get, t.sid);
	client_ws_upgrade(t.ws, t.sid);
	eio_close(sv.app.last, false);
	assert_reply(t.get, 200, "1");
	assert_ws_closed(t.ws);
	assert_closed(1, "forced close");
	trio_close(&t);
	server_stop();

	server_start(NULL); /* closed by the server, which discards the queue */
	t = trio_open();
	trio_probe(&t);
	eio_close(sv.app.last, true);
	assert_ws_closed(t.ws);
	assert_closed(1, "forced close");
	trio_close(&t);
	server_stop();

	server_start(NULL); /* closing when "5" arrives: the queue and the end go by the WebSocket */
	t = trio_open();
	trio_probe(&t);
	send_text(sv.app.last, "bye");
	eio_close(sv.app.last, false);
	pump_settle();
	assert_int_equal(sv.app.closed, 0);
	ws_out(t.ws, "5");
	assert_text(t.ws, "4bye");
	assert_ws_closed(t.ws);
	assert_closed(1, "forced close");
	assert_int_equal(sv.app.upgraded, 0);
	trio_close(&t);
	server_stop();
}

/* A push that is unfinished when the upgrade completes is cut off, because its packets would be out of order. */
static void
test_push_pending(void **state)
{
	struct trio t;

	(void)state;
	server_start(NULL);
	t = trio_open();
	trio_probe(&t);
	client_printf(t.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n4ab",
		t.sid);
	pump_settle();
	ws_out(t.ws, "5");
	ws_out(t.ws, "4x");
	assert_text(t.ws, "4x");
	assert_false(client_try_reply(t.post));
	assert_string_equal(sv.app.log, "t:x");
	assert_int_equal(sv.app.closed, 0);
	trio_close(&t);
	server_stop();
}

/* A pong that is due when the transport changes may be lost with it, so the heartbeat starts anew. */
static void
test_heartbeat(void **state)
{
	struct trio t;

	(void)state;
	server_start("pingInterval", "1800", "pingTimeout", "1200", NULL);
	t = trio_open();
	client_ws_upgrade(t.ws, t.sid);
	client_poll(t.get, t.sid);
	assert_reply(t.get, 200, "2");
	pump_for(100);
	ws_out(t.ws, "5");
	assert_text(t.ws, "2"); /* after 1,800 ms; the old deadline would have expired 700 ms before */
	assert_int_equal(sv.app.closed, 0);
	ws_out(t.ws, "3");
	assert_text(t.ws, "2");
	assert_ws_closed(t.ws);
	assert_closed(1, "ping timeout");
	trio_close(&t);
	server_stop();
}

/* A ping that is due stays due at that time, because the client gives up pingTimeout after it, upgraded or not. */
static void
test_ping_due(void **state)
{
	struct trio t;
	uint64_t due;

	(void)state;
	server_start(NULL);
	t = trio_open();
	client_ws_upgrade(t.ws, t.sid);
	due = sv.app.last->timer.due;
	pump_for(20);
	ws_out(t.ws, "5");
	ws_out(t.ws, "4x");
	assert_text(t.ws, "4x");
	assert_int_equal(sv.app.upgraded, 1);
	assert_true(sv.app.last->timer.due == due);
	assert_false(sv.app.last->awaits_pong);
	trio_close(&t);
	server_stop();
}

static void
test_b64(void **state)
{
	struct trio t;
	char query[128];

	(void)state;
	server_start(NULL);
	t = trio_open();
	snprintf(query, sizeof(query), "EIO=4&transport=websocket&b64=1&sid=%s", t.sid);
	client_ws(t.ws, query);
	ws_out(t.ws, "5");
	ws_frame_out(t.ws, 0x82, "\1\2\3\4", 4);
	assert_text(t.ws, "bAQIDBA==");
	trio_close(&t);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_without_probe),
		cmocka_unit_test(test_buffered),
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_poll_pending),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_wrong_packet),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_second),
		cmocka_unit_test(test_session_closes),
		cmocka_unit_test(test_push_pending),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_ping_due),
		cmocka_unit_test(test_b64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
