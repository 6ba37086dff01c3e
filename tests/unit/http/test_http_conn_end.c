/* How exchanges and connections end early: time-outs, the peer, shutdown. */
#include "tests/unit/http/http_handler.h"

static void
slow_head(void **state)
{
	struct rig *g = *state;

	rig_disconnect(g);
	g->limits.head_ms = 30;
	rig_connect(g);
	rig_say(g, "GET / HT");
	rig_expect(g, "HTTP/1.1 408 Request Timeout\r\n", 1);
	rig_end(g);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_HTTP_TIMEOUT], 1);

	/* the second head of a connection has its own time limit, however slowly its bytes arrive */
	rig_connect(g);
	rig_say(g, GET("/now?a") "GET /");
	rig_expect(g, "\r\n\r\na", 1);
	for (uint64_t dripped = 0; !g->client_eof && rig_count(g, "408") == 0; ev_run(g->ev, EVRUN_ONCE))
		if (g->loop.now != dripped) {
			dripped = g->loop.now;
			rig_say(g, "a");
		}
	rig_expect(g, "HTTP/1.1 408", 1);
	rig_end(g);
	rig_disconnect(g);

	/* a client that sends nothing is closed without an answer */
	rig_connect(g);
	rig_end(g);
	assert_int_equal(g->got.len, 0);
}

static void
slow_body(void **state)
{
	struct rig *g = *state;

	rig_disconnect(g);
	g->limits.head_ms = 60000; /* longer than the rig waits, so that only body_ms can end this */
	g->limits.body_ms = 30;
	rig_connect(g);
	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	rig_expect(g, "HTTP/1.1 408", 1);
	assert_int_equal(g->aborts, 1);
	rig_end(g);
}

static void
idle(void **state)
{
	struct rig *g = *state;

	g->limits.idle_ms = 30;
	rig_say(g, GET("/now?a"));
	rig_expect(g, "\r\n\r\na", 1);
	rig_end(g);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_HTTP_IDLE], 1);
	assert_int_equal(rig_count(g, "HTTP/1.1"), 1);

	/* neither a pending poll, a slow head nor a slow body counts as idle */
	g->limits.head_ms = g->limits.body_ms = 30;
	rig_connect(g);
	rig_say(g, GET("/poll"));
	rig_until(g, g->pending);
	uint64_t until = g->loop.now + 100;
	rig_until(g, g->loop.now > until || g->client_eof);
	assert_non_null(g->pending);
	http_reply(g->pending, 200, PLAIN, TEXT("late"), false);
	g->pending = NULL;
	rig_expect(g, "late", 1);
	rig_end(g);
}

static void
abort_pending(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/poll"));
	rig_until(g, g->pending);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 1);
	rig_connect(g);
	rig_say(g, GET("/poll"));
	rig_until(g, g->pending);
	shutdown(g->client, SHUT_WR);
	rig_until(g, g->aborts == 2);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	rig_until(g, g->body.len == 3);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 3);
	assert_int_equal(g->completes, 2);
}

/* A FIN follows the request, which is answered at once, so the answer arrives. */
static void
half_close(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/large"));
	shutdown(g->client, SHUT_WR);
	rig_end(g);
	assert_true(g->got.len > STREAM_LENGTH);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, GET("/stream"));
	shutdown(g->client, SHUT_WR);
	rig_end(g);
	assert_true(g->got.len > STREAM_LENGTH);
	assert_int_equal(g->dones, 1);
	assert_int_equal(g->aborts, 0);
}

static void
reply_after_death(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/poll"));
	rig_until(g, g->pending);
	conn_close(g->conn, REASON_FORCED);
	http_reply(g->pending, 200, PLAIN, TEXT("x"), false);
	g->pending = NULL;
	rig_end(g);
	assert_int_equal(g->aborts, 0);
	assert_int_equal(g->got.len, 0);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, GET("/destroy") GET("/now"));
	rig_end(g);
	assert_int_equal(g->got.len, 0);
	assert_int_equal(g->requests, 2);
}

static void
shut_down(void **state)
{
	struct rig *g = *state;

	http_server_cut(&g->server);
	rig_end(g);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_SHUTDOWN], 1);
	rig_connect(g);
	g->server.closing = false;
	rig_say(g, GET("/poll"));
	rig_until(g, g->pending);
	http_server_cut(&g->server);
	rig_end(g);
	rig_disconnect(g);
	assert_null(g->pending);
	assert_int_equal(g->aborts, 1);
	assert_int_equal(g->loop.closed[REASON_SHUTDOWN], 2);
	rig_connect(g);
	rig_say(g, GET("/now?x"));
	rig_expect(g, "Connection: close\r\n\r\nx", 1);
	rig_end(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(slow_head),
		T(slow_body),
		T(idle),
		T(abort_pending),
		T(half_close),
		T(reply_after_death),
		T(shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
