/* Sessions that are not read for a while, on both transports, and sessions that the application gives up. */
#include "harness.h"

static struct eio_session *wanted;

static void
pause_at_stop(struct eio_session *s, struct text data)
{
	if (text_is(data, TEXT("stop")))
		eio_pause(s);
}

static void
begin(const char *timeout)
{
	server_start("pingInterval", "60", "pingTimeout", timeout, NULL);
	sv.app.on_message = pause_at_stop;
}

static struct client *
ws_open(void)
{
	struct client *c = client_new();

	client_ws(c, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	wanted = sv.app.last;
	return c;
}

/* Many messages arrive in one piece; none is delivered after the one that paused the session. */
static void
test_websocket(void **state)
{
	struct client *c;

	(void)state;
	begin("100000");
	c = ws_open();
	for (int i = 0; i < 3; i++) {
		ws_out(c, "4a");
		ws_out(c, "4stop");
		ws_out(c, "4b");
		ws_out(c, "4stop");
		ws_out(c, "4c");
		pump_until(strstr(sv.app.log, "stop") != NULL);
		pump_settle();
		assert_string_equal(sv.app.log, "t:a|t:stop");
		eio_resume(wanted);
		/* paused again before the kept messages were delivered */
		eio_pause(wanted);
		pump_settle();
		assert_string_equal(sv.app.log, "t:a|t:stop");
		eio_resume(wanted);
		pump_until(strstr(sv.app.log, "b") != NULL);
		pump_settle();
		assert_string_equal(sv.app.log, "t:a|t:stop|t:b|t:stop");
		eio_resume(wanted);
		pump_until(sv.app.messages % 5 == 0);
		assert_string_equal(sv.app.log, "t:a|t:stop|t:b|t:stop|t:c");
		sv.app.log[0] = '\0';
	}
	client_free(c);
	server_stop();
}

/* Pings go on while pongs are not read, and the session does not time out. */
static void
test_heartbeat(void **state)
{
	struct client *c;

	(void)state;
	begin("80");
	c = ws_open();
	ws_out(c, "4stop");
	for (int i = 0; i < 6; i++) {
		assert_text(c, "2");
		ws_out(c, "3");
	}
	assert_int_equal(sv.app.closed, 0);
	eio_resume(wanted);
	ws_out(c, "4on");
	pump_until(strstr(sv.app.log, "on") != NULL);
	/* a client that no longer answers is noticed, but only after it could have answered */
	eio_pause(wanted);
	assert_text(c, "2");
	pump_for(300);
	assert_int_equal(sv.app.closed, 0);
	eio_resume(wanted);
	assert_closed(1, "ping timeout");
	client_free(c);
	server_stop();
}

static void
test_polling(void **state)
{
	struct client *c, *d;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	begin("80");
	c = client_new();
	d = client_new();
	client_handshake(c, sid);
	wanted = sv.app.last;
	client_post(d, sid,
		"4a\x1e"
		"4stop\x1e"
		"4b");
	/* the push waits for its answer, polls do not */
	for (int i = 0; i < 6; i++) {
		client_poll(c, sid);
		assert_reply(c, 200, "2");
	}
	assert_string_equal(sv.app.log, "t:a|t:stop");
	client_silent(d);
	assert_int_equal(sv.app.closed, 0);
	eio_resume(wanted);
	assert_reply(d, 200, "ok");
	assert_string_equal(sv.app.log, "t:a|t:stop|t:b");
	/* a push that arrives meanwhile waits as a whole */
	eio_pause(wanted);
	client_post(d, sid, "4c");
	client_silent(d);
	assert_string_equal(sv.app.log, "t:a|t:stop|t:b");
	eio_resume(wanted);
	assert_reply(d, 200, "ok");
	assert_string_equal(sv.app.log, "t:a|t:stop|t:b|t:c");
	client_free(c);
	client_free(d);
	server_stop();
}

/* The pause belongs to the session: it continues across an upgrade, and ends with it. */
static void
test_upgraded_while_paused(void **state)
{
	struct client *c, *d;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	begin("100000");
	c = client_new();
	d = client_new();
	client_handshake(c, sid);
	wanted = sv.app.last;
	client_ws_upgrade(d, sid);
	ws_out(d, "2probe");
	assert_text(d, "3probe");
	eio_pause(wanted);
	ws_out(d, "5");
	pump_until(sv.app.upgraded == 1);
	ws_out(d, "4a");
	pump_settle();
	assert_string_equal(sv.app.log, "");
	eio_resume(wanted);
	pump_until(sv.app.messages == 1);
	client_free(c);
	client_free(d);
	server_stop();
}

static void
test_closed_while_paused(void **state)
{
	struct client *c;

	(void)state;
	begin("100000");
	c = ws_open();
	ws_out(c, "4stop");
	pump_until(sv.app.messages == 1);
	eio_close(wanted, false);
	assert_ws_closed(c); /* the client's Close frame is read */
	assert_closed(1, "forced close");
	client_free(c);
	server_stop();
}

static void
drop(struct eio_session *s, struct text data)
{
	(void)data;
	eio_drop(s, "had-enough");
}

static void
test_dropped(void **state)
{
	struct client *c;

	(void)state;
	begin("100000");
	sv.app.on_message = drop;
	c = ws_open();
	ws_out(c, "4a");
	ws_out(c, "4b");
	assert_ws_closed(c);
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.description, "had-enough");
	assert_int_equal(sv.app.messages, 1);
	client_free(c);
	server_stop();
}

/* --------------------------------------------------- answers to handshakes */

static uint32_t ticket;

static void
note_ticket(struct eio_session *s)
{
	(void)s;
	ticket = eio_ticket(sv.engine);
}

static void
test_answered_by_the_application(void **state)
{
	struct client *c;

	(void)state;
	begin("100000");
	sv.app.allow = 0;
	sv.app.on_open = note_ticket;
	c = client_new();
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	assert_int_equal(http_add_header(eio_pending_request(sv.app.pending), "X-Mine", TEXT("1")), 0);
	eio_answer(sv.app.pending, 401, "text/x", TEXT("who?"));
	assert_reply(c, 401, "who?");
	assert_true(client_has(c, "X-Mine: 1"));
	assert_true(client_has(c, "Content-Type: text/x"));
	assert_int_equal(sv.app.refused, 0); /* not an error of the engine */
	sv.app.pending = NULL;
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	eio_allow_as(sv.app.pending, 7);
	client_reply(c);
	assert_int_equal(c->status, 200);
	assert_int_equal(ticket, 7);
	assert_int_equal(eio_ticket(sv.engine), 0);
	/* the peer disconnects before the answer */
	sv.app.pending = NULL;
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	client_leave(c, true);
	pump_until(eio_pending_request(sv.app.pending) == NULL);
	eio_answer(sv.app.pending, 500, NULL, TEXT_NONE);
	client_free(c);
	/* over WebSocket the connection ends */
	c = client_new();
	sv.app.pending = NULL;
	client_ws_request(c, "EIO=4&transport=websocket");
	pump_until(sv.app.pending != NULL);
	eio_answer(sv.app.pending, 418, NULL, TEXT("tea"));
	assert_reply(c, 418, "tea");
	client_eof(c);
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_polling),
		cmocka_unit_test(test_upgraded_while_paused),
		cmocka_unit_test(test_closed_while_paused),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_answered_by_the_application),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
