/* Exchanges on a connection: order, bodies, limits, timeouts, aborts, upgrades, shutdown. */
#include "tests/unit/http/http_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define PLAIN "text/plain"

static void
later_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct rig *g = user;

	assert_ptr_equal(r, g->pending);
	buffer_add(&g->body, data, n);
}

static void
later_complete(struct http_request *r, void *user)
{
	struct rig *g = user;

	g->completes++;
	if (text_is(r->path, TEXT("/echo"))) {
		g->pending = NULL;
		http_reply(r, 200, PLAIN, buffer_text(&g->body), false);
		buffer_reset(&g->body);
	}
}

static void
later_abort(struct http_request *r, void *user)
{
	struct rig *g = user;

	assert_ptr_equal(r, g->pending);
	assert_true(r->path.n > 0);
	g->pending = NULL;
	g->aborts++;
}

static const struct http_exchange_ops later = {later_body, later_complete, later_abort};

/* ------------------------------------------------------ after an upgrade */

static size_t
raw_data(struct conn *c, uint8_t *data, size_t n)
{
	conn_send_copy(c, "<", 1);
	conn_send_copy(c, data, n);
	conn_send_copy(c, ">", 1);
	return n;
}

static const struct conn_ops raw = {.on_data = raw_data, .on_closed = rig_nobody_closed};

static void
upgrade(struct http_request *r)
{
	struct conn *c;

	http_add_header(r, "X-Added", TEXT("yes"));
	c = http_upgrade(r);
	conn_set_owner(c, &raw, NULL);
}

/* --------------------------------------------------------------- streams */

static int64_t
stream_pull(void *user, uint8_t *room, size_t n)
{
	(void)user;
	memset(room, 's', n);
	return (int64_t)n;
}

static int64_t
stream_break(void *user, uint8_t *room, size_t n)
{
	struct rig *g = user;

	(void)n;
	if (g->body.len)
		return -1;
	buffer_add_byte(&g->body, 1);
	room[0] = 's';
	return 1;
}

static void
stream_done(void *user)
{
	((struct rig *)user)->dones++;
}

#define STREAM_LENGTH 1000000

static void
on_request(void *arg, struct http_request *r)
{
	struct rig *g = arg;
	struct text p = r->path;

	g->requests++;
	assert_ptr_equal(http_request_conn(r), g->conn);
	if (text_is(p, TEXT("/now")))
		http_reply(r, 200, PLAIN, r->query, false);
	else if (text_is(p, TEXT("/upgrade")) && r->upgrade)
		upgrade(r);
	else if (text_is(p, TEXT("/destroy")))
		http_destroy(r, REASON_FORCED);
	else if (text_is(p, TEXT("/stream")))
		http_reply_stream(r, 200, PLAIN, STREAM_LENGTH, stream_pull, stream_done, g);
	else if (text_is(p, TEXT("/break")))
		http_reply_stream(r, 200, PLAIN, STREAM_LENGTH, stream_break, stream_done, g);
	else if (text_is(p, TEXT("/none")))
		http_reply(r, 204, NULL, TEXT(""), false);
	else if (text_is(p, TEXT("/large"))) {
		struct block *b = block_new(STREAM_LENGTH);

		memset(b->data, 'l', b->len);
		http_reply_block(r, 200, PLAIN, b, 0, b->len, false);
		block_unref(b);
	} else if (text_is(p, TEXT("/last"))) {
		http_close_after(r);
		http_reply(r, 200, PLAIN, TEXT("last"), false);
	} else {
		assert_null(g->pending);
		g->pending = r;
		http_wait(r, &later, g, text_is(p, TEXT("/wide")) ? 100000 : 0);
	}
}

static int
setup(void **state)
{
	*state = rig_new(on_request);
	return 0;
}

static int
teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* ------------------------------------------------------------- the order */

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

/* Replies pile up no higher than a bound although the client sends on and reads nothing. */
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

/* ---------------------------------------------------------------- bodies */

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

/* A body that nobody wanted is read when that is cheap. */
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

	/* the handler's own limit is wider; chunks are counted */
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
	/* too big: the final answer at once; a handler that wants no body: closed, for the client may send it or not
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

/* -------------------------------------------------------------- refusals */

static void
refusals(void **state)
{
	static const struct {
		const char *bytes, *status;
		enum reason reason;
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

/* -------------------------------------------------------------- timeouts */

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

	/* the second head of a connection has its own time, however slowly its bytes drip */
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

	/* nothing said at all: closed without a word */
	rig_connect(g);
	rig_end(g);
	assert_int_equal(g->got.len, 0);
}

static void
slow_body(void **state)
{
	struct rig *g = *state;

	rig_disconnect(g);
	g->limits.head_ms = 60000; /* beyond what the rig waits: only body_ms can end this */
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

	/* a pending poll is not idle, nor a slow head, nor a slow body */
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

/* ------------------------------------------------------ the peer goes away */

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

/* FIN behind the request: it was answered at once, so the answer arrives. */
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

/* --------------------------------------------------------------- streams */

static void
streamed(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/stream") GET("/now?behind") "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" GET("/now?end"));
	rig_expect(g, "\r\n\r\nend", 1);
	assert_int_equal(rig_count(g, "Content-Length: 1000000\r\n"), 2);
	assert_true(g->got.len > STREAM_LENGTH && g->got.len < STREAM_LENGTH + 2000);
	assert_int_equal(g->dones, 2);
	/* the client goes in the middle */
	ev_io_stop(g->ev, &g->readable);
	rig_say(g, GET("/stream"));
	rig_settle(g);
	assert_int_equal(g->dones, 2);
	rig_disconnect(g);
	assert_int_equal(g->dones, 3);
}

static void
stream_fails(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/break") GET("/now"));
	rig_end(g);
	assert_int_equal(g->dones, 1);
	assert_int_equal(g->requests, 1);
	assert_int_equal(rig_count(g, "Content-Length: 1000000\r\n"), 1);
}

/* -------------------------------------------------------------- upgrades */

#define UPGRADE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x, y\r\n\r\n"

static void
upgraded(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/now?a") UPGRADE("/upgrade") "trailing");
	rig_expect(g,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\nX-Added: "
		"yes\r\n\r\n<trailing>",
		1);
	assert_int_equal(http_server_count(&g->server), 0);
	rig_say(g, GET("/now"));
	rig_expect(g, "<GET", 1);
	rig_disconnect(g);

	/* later, with bytes that waited */
	rig_connect(g);
	rig_say(g, UPGRADE("/poll") "trailing");
	rig_until(g, g->pending);
	rig_settle(g);
	upgrade(g->pending);
	g->pending = NULL;
	rig_expect(g, "\r\n\r\n<trailing>", 1);
	assert_int_equal(g->aborts, 0);
	rig_disconnect(g);

	/* answered as any request */
	rig_connect(g);
	rig_say(g, UPGRADE("/now?plain") GET("/now?b"));
	rig_expect(g, "\r\n\r\nb", 1);
	assert_int_equal(rig_count(g, "200 OK"), 2);
}

/* -------------------------------------------------------------- shutdown */

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ------------------------------------------------- requests for others */

static void
held_drained(struct http_request *r, void *user)
{
	struct rig *g = user;

	assert_int_equal(conn_queued(http_request_conn(r)), 0);
	g->completes++;
}

static const struct http_exchange_ops held = {NULL, held_drained, later_abort};

static void
hold_posts(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	g->requests++;
	if (r->method == HTTP_GET) {
		http_reply(r, 200, PLAIN, TEXT("first"), false);
		return;
	}
	g->pending = r;
	http_hold(r, &held, g);
}

#define POST_HELD "POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"

/* Head and unread bytes are all of it, and the reply before it has left. */
static void
request_held(void **state)
{
	struct rig *g = rig_new(hold_posts);
	struct conn *c;

	(void)state;
	rig_say(g, GET("/") POST_HELD "body" GET("/next"));
	rig_until(g, g->completes);
	rig_expect(g, "first", 1);
	assert_int_equal(g->requests, 2);
	assert_int_equal(http_request_head(g->pending).n, sizeof(POST_HELD) - 1);
	assert_true(text_is(conn_kept(g->conn), TEXT("body" GET("/next"))));
	c = http_leave(g->pending);
	conn_set_owner(c, &raw, NULL);
	rig_expect(g, "<body" GET("/next") ">", 1);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 0);

	/* its body is nobody's once it is answered here */
	rig_connect(g);
	rig_say(g, POST_HELD);
	rig_until(g, g->requests == 3);
	http_reply(g->pending, 503, PLAIN, TEXT("busy"), false);
	rig_expect(g, "Connection: close", 1);
	rig_end(g);
	rig_disconnect(g);

	/* the client goes away first */
	rig_connect(g);
	rig_say(g, POST_HELD "bo");
	rig_until(g, g->requests == 4);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 1);
	rig_free(g);
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
		T(slow_head),
		T(slow_body),
		T(idle),
		T(abort_pending),
		T(half_close),
		T(reply_after_death),
		T(streamed),
		T(stream_fails),
		T(upgraded),
		T(shut_down),
		T(request_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
