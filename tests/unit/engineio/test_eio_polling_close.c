/* How long-polling sessions end: by the client, by the server, by both at once, in a callback. */
#include "tests/unit/engineio/polling_pair.h"

#include "tests/unit/engineio/fake_clock.h"

#define GRACE_MS 20 /* how long a POST with only the close packet waits for a poll */

static void
test_client_closes(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_poll(p.get, p.sid);
	pump_settle();
	client_post(p.post, p.sid, "1");
	assert_reply(p.get, 200, "6");
	assert_reply(p.post, 200, "ok");
	assert_closed(1, "transport close");
	assert_unknown(p.sid);
	/* what was answered before the close packet still arrives; packets after it are ignored */
	client_handshake(p.get, p.sid);
	client_poll(p.get, p.sid);
	pump_settle();
	client_post(p.post, p.sid,
		"4a\x1e"
		"1\x1e"
		"4never");
	assert_reply(p.get, 200, "4a");
	assert_reply(p.post, 200, "ok");
	assert_closed(2, "transport close");
	assert_string_equal(sv.app.log, "t:a");
	pair_close(&p);
	server_stop();
}

/* A poll and the close packet arrive on two connections in one turn, in either order: the poll gets its answer. */
static void
test_close_race(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_post(p.post, p.sid, "4x");
	assert_reply(p.post, 200, "ok");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200, "4x");
	for (unsigned i = 0; i < 2; i++) { /* the server does not run between the two */
		if (i == 0)
			client_poll(p.get, p.sid);
		client_post(p.post, p.sid, "1");
		if (i == 1)
			client_poll(p.get, p.sid);
		assert_reply(p.get, 200, "6");
		assert_reply(p.post, 200, "ok");
		assert_closed(i + 1, "transport close");
		client_handshake(p.get, p.sid);
	}
	/* the poll arrives a turn later */
	client_post(p.post, p.sid, "1");
	pump_once(-1);
	pump_once(-1);
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200, "6");
	assert_reply(p.post, 200, "ok");
	assert_closed(3, "transport close");
	assert_unknown(p.sid);
	/* without a poll: closed when the push is answered */
	client_handshake(p.get, p.sid);
	client_post(p.post, p.sid, "1");
	pump_settle();
	clock_advance(GRACE_MS - 1);
	assert_int_equal(eio_count(sv.engine), 1);
	clock_advance(1);
	assert_reply(p.post, 200, "ok");
	assert_int_equal(eio_count(sv.engine), 0);
	assert_unknown(p.sid);
	assert_closed(4, "transport close");
	/* the client disconnects before the answer */
	client_handshake(p.get, p.sid);
	client_post(p.post, p.sid, "1");
	client_leave(p.post, true);
	assert_closed(5, "transport close");
	client_free(p.post);
	p.post = client_new();
	client_handshake(p.get, p.sid);
	client_post(p.post, p.sid, "1"); /* the server has closed it meanwhile */
	pump_once(-1);
	pump_once(-1);
	eio_close(sv.app.last, false);
	clock_advance(GRACE_MS);
	assert_reply(p.post, 200, "ok");
	assert_closed(6, "transport close");
	pair_close(&p);
	server_stop();
	server_start(NULL);
	p = pair_open();
	/* the client sends its last packet and disconnects */
	client_post(p.post, p.sid,
		"4last\x1e"
		"1");
	client_leave(p.post, false);
	assert_closed(1, "transport close");
	assert_string_equal(sv.app.log, "t:last");
	pair_close(&p);
	server_stop();
}

static void
close_it(struct eio_session *s, struct text data)
{
	bool discard = text_is(data, TEXT("discard"));

	if (!text_is(data, TEXT("silent")))
		send_text(s, "bye");
	eio_close(s, discard);
	eio_close(s, discard);
	send_text(s, "ignored");
	assert_false(eio_is_open(s));
	assert_false(eio_writable(s));
}

static void
test_server_closes(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_poll(p.get, p.sid); /* a poll waits, the queue is empty */
	pump_settle();
	eio_close(sv.app.last, false);
	assert_int_equal(sv.app.closed, 0); /* on_close is called at the end of the turn */
	assert_reply(p.get, 200, "1");
	assert_closed(1, "forced close");
	assert_unknown(p.sid);

	client_handshake(p.get, p.sid); /* no poll, the queue is empty */
	eio_close(sv.app.last, false);
	pump_settle();
	assert_int_equal(sv.app.closed, 1);
	client_post(p.post, p.sid, "4late");
	assert_reply(p.post, 200, "ok");
	assert_string_equal(sv.app.log, "");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200,
		"6\x1e"
		"1");
	assert_closed(2, "forced close");
	assert_unknown(p.sid);

	client_handshake(p.get,
		p.sid); /* packets are queued, closed from inside a push: first the data, then the close packet */
	sv.app.on_message = close_it;
	client_post(p.post, p.sid,
		"4x\x1e"
		"4never");
	assert_reply(p.post, 200, "ok");
	assert_string_equal(sv.app.log, "t:x");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200, "4bye");
	assert_int_equal(sv.app.closed, 2);
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200,
		"6\x1e"
		"1");
	assert_closed(3, "forced close");

	client_handshake(p.get, p.sid); /* the same with a waiting poll */
	client_poll(p.get, p.sid);
	pump_settle();
	client_post(p.post, p.sid, "4y");
	assert_reply(p.get, 200, "4bye");
	assert_reply(p.post, 200, "ok");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200,
		"6\x1e"
		"1");
	assert_closed(4, "forced close");

	client_handshake(p.get, p.sid); /* the queue is discarded */
	client_poll(p.get, p.sid);
	pump_settle();
	client_post(p.post, p.sid, "4discard");
	assert_reply(p.get, 200, "1");
	assert_reply(p.post, 200, "ok");
	assert_closed(5, "forced close");

	client_handshake(p.get, p.sid); /* the client of a closing session sends the close packet itself */
	client_post(p.post, p.sid, "4silent");
	assert_reply(p.post, 200, "ok");
	client_post(p.post, p.sid, "1");
	pump_settle();
	clock_advance(GRACE_MS);
	assert_reply(p.post, 200, "ok");
	assert_closed(6, "transport close");
	pair_close(&p);
	server_stop();
}

static void
test_close_timeout(void **state)
{
	struct pair p;

	(void)state;
	server_start("closeTimeout", "60", NULL);
	p = pair_open();
	eio_close(sv.app.last, false);
	clock_advance(59);
	assert_int_equal(sv.app.closed, 0);
	clock_advance(1);
	assert_closed(1, "forced close");
	assert_unknown(p.sid);
	pair_close(&p);
	server_stop();
}

/*
 * When the server closes, a push that is still being read is answered, and the rest of it is dropped. The client
 * learns of the close from its poll.
 */
static void
test_close_during_post(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_poll(p.get, p.sid);
	client_printf(p.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n4ab",
		p.sid);
	pump_settle();
	eio_close(sv.app.last, false);
	assert_reply(p.get, 200, "1");
	assert_reply(p.post, 200, "ok");
	assert_closed(1, "forced close");
	client_printf(p.post, "never!");
	client_poll(p.post, p.sid); /* the connection goes on */
	assert_reply(p.post, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
	assert_string_equal(sv.app.log, "");
	pair_close(&p);
	server_stop();
}

static void
close_everybody(struct eio_session *s, struct text data)
{
	struct table_cursor cursor = {0};
	struct eio_session *it;
	unsigned n = 0;

	(void)s, (void)data;
	while ((it = eio_next(sv.engine, &cursor)) != NULL) {
		eio_close(it, true);
		n++;
	}
	assert_int_equal(n, 10);
	assert_int_equal(eio_count(sv.engine), 0);
}

/* A callback of one session closes all sessions during a walk. */
static void
test_walk(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start(NULL);
	c = client_new();
	for (int i = 0; i < 10; i++)
		client_handshake(c, sid);
	sv.app.on_message = close_everybody;
	client_post(c, sid, "4x");
	assert_reply(c, 200, "ok");
	assert_closed(10, "forced close");
	client_free(c);
	server_stop();
}

static void
close_in_open(struct eio_session *s)
{
	eio_close(s, true);
}

static void
test_close_in_open(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start(NULL);
	sv.app.on_open = close_in_open;
	c = client_new();
	client_handshake(c, sid);
	assert_closed(1, "forced close");
	assert_unknown(sid);
	client_ws(c, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	assert_ws_closed(c);
	assert_closed(2, "forced close");
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_closes),
		cmocka_unit_test(test_close_race),
		cmocka_unit_test(test_server_closes),
		cmocka_unit_test(test_close_timeout),
		cmocka_unit_test(test_close_during_post),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_close_in_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
