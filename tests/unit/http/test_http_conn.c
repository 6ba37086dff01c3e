/* Exchanges on a connection: order, bodies, limits, refusals. */
#include "tests/unit/http/http_handler.h"

static void
keep_alive(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/now?one"));
	rig_expect(g, "\r\n\r\none", 1);
	assert_int_equal(
		rig_count(g, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nDate: "), 1);
	assert_int_equal(rig_count(g, " GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"), 1);
	rig_say(g, GET("/now?two"));
	rig_expect(g, "\r\n\r\ntwo", 1);
	rig_say(g, "GET /now?end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	rig_expect(g, "Connection: close\r\n\r\nend", 1);
	rig_end(g);
	assert_int_equal(g->requests, 3);
	assert_int_equal(g->loop.counters.value[COUNT_HTTP_REQUESTS], 3);
	assert_int_equal(g->loop.counters.value[COUNT_HTTP_REFUSED], 0);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_FINISHED], 1);
}

static void
old_version(void **state)
{
	struct rig *g = *state;

	rig_say(g, "GET /now?one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	rig_expect(g, "Connection: keep-alive", 1);
	rig_say(g, "GET /now?two HTTP/1.0\r\n\r\n");
	rig_expect(g, "Connection: close\r\n\r\ntwo", 1);
	rig_end(g);
}

static void
no_content(void **state)
{
	struct rig *g = *state;

	rig_say(g, "HEAD /now?12345 HTTP/1.1\r\nHost: h\r\n\r\n" GET("/none") GET("/now?x"));
	rig_expect(g, "\r\n\r\nx", 1);
	assert_int_equal(rig_count(g, "Content-Length: 5\r\n"), 1);
	assert_int_equal(rig_count(g, "12345"), 0);
	assert_int_equal(rig_count(g, "Content-Length"), 2); /* not with 204 */
	assert_int_equal(rig_count(g, "\r\n\r\nHTTP/1.1 204 No Content\r\nDate: "), 1);
}

static const char three[] = GET("/now?first") "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
					      "3\r\nabc\r\n5;x\r\ndefgh\r\n0\r\nT: y\r\n\r\n" GET("/now?third");

static void
check_three(struct rig *g)
{
	const char *first, *second, *third;

	rig_expect(g, "third", 1);
	first = strstr(rig_got(g), "first");
	second = strstr(rig_got(g), "abcdefgh");
	third = strstr(rig_got(g), "third");
	assert_true(first && second && first < second && second < third);
	assert_int_equal(rig_count(g, "HTTP/1.1 200 OK"), 3);
}

static void
pipelined(void **state)
{
	struct rig *g = *state;
	size_t n = sizeof(three) - 1;

	rig_send(g, three, n);
	check_three(g);
	for (size_t cut = 1; cut < n; cut++) {
		buffer_reset(&g->got);
		rig_send(g, three, cut);
		rig_settle(g);
		rig_send(g, three + cut, n - cut);
		check_three(g);
	}
	buffer_reset(&g->got);
	for (size_t i = 0; i < n; i++) {
		rig_send(g, three + i, 1);
		ev_run(g->ev, EVRUN_NOWAIT);
	}
	check_three(g);
	assert_int_equal(g->aborts, 0);
}

static void
pipelined_behind_pending(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/poll") GET("/now?after") GET("/poll") GET("/now?end"));
	rig_until(g, g->pending);
	rig_settle(g);
	assert_int_equal(g->requests, 1);
	assert_int_equal(g->completes, 1);
	http_reply(g->pending, 200, PLAIN, TEXT("polled"), false);
	g->pending = NULL;
	rig_expect(g, "after", 1);
	rig_until(g, g->pending);
	assert_int_equal(g->requests, 3);
	http_reply(g->pending, 200, PLAIN, TEXT("polled"), false);
	g->pending = NULL;
	rig_expect(g, "end", 1);
	assert_int_equal(rig_count(g, "polled"), 2);
}

/* The client sends on and reads nothing; the replies that wait stay below a limit. */
static void
pipelined_flood(void **state)
{
	struct rig *g = *state;

	ev_io_stop(g->ev, &g->readable);
	for (int i = 0; i < 20; i++)
		rig_say(g, GET("/large"));
	rig_settle(g);
	assert_true(g->requests < 20);
	assert_true(conn_queued(g->conn) < 3 * STREAM_LENGTH);
	ev_io_start(g->ev, &g->readable);
	rig_until(g, g->requests == 20);
	rig_until(g, g->got.len > 20 * STREAM_LENGTH);
}

static void
body_by_length(void **state)
{
	struct rig *g = *state;
	static const char post[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nConnection: Upgrade\r\n"
				   "Upgrade: websocket\r\n\r\nhello world";

	for (size_t cut = 1; cut < sizeof(post) - 1; cut++) {
		buffer_reset(&g->got);
		rig_send(g, post, cut);
		rig_settle(g);
		rig_send(g, post + cut, sizeof(post) - 1 - cut);
		rig_expect(g, "\r\n\r\nhello world", 1);
	}
	assert_int_equal(g->completes, sizeof(post) - 2);
}

/* A body that the handler does not want is read if that is cheap. */
static void
body_dropped(void **state)
{
	struct rig *g = *state;

	rig_say(g, "POST /now?a HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nGET");
	rig_expect(g, "\r\n\r\na", 1);
	rig_say(g, " / x" GET("/now?b"));
	rig_expect(g, "\r\n\r\nb", 1);
	rig_say(g, "POST /now?c HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\nGET");
	rig_expect(g, "Connection: close\r\n\r\nc", 1);
	rig_end(g);
	assert_int_equal(g->requests, 3);
}

static void
body_too_long(void **state)
{
	struct rig *g = *state;

	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
	rig_expect(g, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n", 1);
	rig_expect(g, "Connection: close\r\n\r\n", 1);
	assert_int_equal(g->aborts, 1);
	rig_end(g);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_HTTP_LIMIT], 1);
	assert_int_equal(g->loop.counters.value[COUNT_HTTP_REFUSED], 1);

	/* this handler has a larger limit of its own; the bytes of chunks count */
	rig_connect(g);
	rig_say(g, "POST /wide HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100; i++) {
		char chunk[1024 + 1];

		memset(chunk, 'c', 1000);
		chunk[1000] = '\0';
		rig_say(g, "3e8\r\n");
		rig_say(g, chunk);
		rig_say(g, "\r\n");
	}
	rig_until(g, g->body.len == 100000);
	assert_int_equal(g->aborts, 1);
	rig_say(g, "1\r\nx");
	rig_expect(g, "HTTP/1.1 413", 1);
	assert_int_equal(g->body.len, 100000);
	assert_int_equal(g->aborts, 2);
	rig_end(g);
}

static void
body_broken(void **state)
{
	struct rig *g = *state;

	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
	rig_expect(g, "HTTP/1.1 400 Bad Request\r\n", 1);
	assert_int_equal(g->aborts, 1);
	assert_int_equal(g->body.len, 3);
	rig_end(g);
	rig_disconnect(g);
	assert_int_equal(g->loop.closed[REASON_HTTP_SYNTAX], 1);
}

static void
expectation(void **state)
{
	struct rig *g = *state;

	rig_say(g, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	rig_expect(g, "HTTP/1.1 100 Continue\r\n\r\n", 1);
	rig_say(g, "ok");
	rig_expect(g, "\r\n\r\nok", 1);
	/*
	 * too large: the final answer at once; unwanted body: the connection closes, since the client may or may not
	 * send it
	 */
	rig_say(g, "POST /now?n HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	rig_expect(g, "Connection: close\r\n\r\nn", 1);
	rig_end(g);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n");
	rig_expect(g, "HTTP/1.1 413", 1);
	assert_int_equal(rig_count(g, "100 Continue"), 0);
	rig_end(g);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, "POST /post HTTP/1.1\r\nHost: h\r\nExpect: a-miracle\r\n\r\n");
	rig_expect(g, "HTTP/1.1 417 Expectation Failed", 1);
	rig_end(g);
}

static void
refusals(void **state)
{
	static const struct {
		const char *bytes, *status;
		unsigned reason;
	} rows[] = {
		{"GET /\n", "400 Bad Request", REASON_HTTP_SYNTAX},
		{"FOO / HTTP/1.1\r\nHost: h\r\n\r\n", "501 Not Implemented", REASON_HTTP_SYNTAX},
		{"GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported", REASON_HTTP_SYNTAX},
		{"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", REASON_HTTP_SYNTAX},
	};
	struct rig *g = *state;
	char long_line[4200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_say(g, rows[i].bytes);
		rig_expect(g, rows[i].status, 1);
		rig_expect(g, "Connection: close\r\n\r\n", 1);
		rig_end(g);
		rig_disconnect(g);
		assert_true(g->loop.closed[rows[i].reason] > 0);
		assert_int_equal(g->loop.counters.value[COUNT_HTTP_REFUSED], i + 1);
		rig_connect(g);
	}
	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 1] = '\0';
	rig_say(g, "GET /");
	rig_say(g, long_line);
	rig_expect(g, "HTTP/1.1 414 URI Too Long", 1);
	rig_end(g);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, "GET / HTTP/1.1\r\nX: ");
	rig_say(g, long_line);
	rig_expect(g, "HTTP/1.1 431 Request Header Fields Too Large", 1);
	rig_end(g);
	assert_int_equal(g->requests, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(keep_alive),
		T(old_version),
		T(no_content),
		T(pipelined),
		T(pipelined_behind_pending),
		T(pipelined_flood),
		T(body_by_length),
		T(body_dropped),
		T(body_too_long),
		T(body_broken),
		T(expectation),
		T(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
