/* Request bodies that the handler passes on, and replies that it sends piece by piece. */
#include "tests/unit/http/http_rig.h"

#include "node/http/http_chunk.h"

#define HEAD "Host: h\r\n\r\n"

static struct http_request *now;
static unsigned drains;
static struct http_push reply;
static bool hold_body; /* pauses at each piece */

static void
on_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct rig *g = user;

	buffer_add(&g->body, data, n);
	if (hold_body)
		http_pause(r);
}

static void
on_complete(struct http_request *r, void *user)
{
	(void)r;
	((struct rig *)user)->completes++;
}

static void
on_abort(struct http_request *r, void *user)
{
	assert_ptr_equal(r, now);
	now = NULL;
	((struct rig *)user)->aborts++;
}

static void
on_drain(struct http_request *r, void *user)
{
	(void)r, (void)user;
	drains++;
}

static const struct http_exchange_ops ops = {on_body, on_complete, on_abort, on_drain};

static void
on_request(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	g->requests++;
	now = r;
	http_wait_stream(r, &ops, g);
}

static int
setup(void **state)
{
	now = NULL;
	drains = 0;
	hold_body = false;
	reply = (struct http_push){.status = 200, .fields = TEXT("X-A: 1\r\n"), .length = -1};
	*state = rig_new(on_request);
	return 0;
}

static int
teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static struct rig *
ask(void *state, const char *head)
{
	struct rig *g = state;
	unsigned before = g->requests;

	rig_say(g, head);
	rig_until(g, g->requests > before);
	return g;
}

static void
piece(const char *text)
{
	size_t n = strlen(text);
	struct block *b = block_new(n + HTTP_CHUNK_ROOM);

	memcpy(b->data + HTTP_CHUNK_BEFORE, text, n);
	http_push_piece(now, b, n);
	block_unref(b);
}

static void
test_chunks_for_a_client_of_today(void **state)
{
	struct rig *g = ask(*state, "GET / HTTP/1.1\r\n" HEAD);

	http_push_begin(now, &reply);
	piece("0123456789abcdef!");
	rig_expect(g, "Transfer-Encoding: chunked\r\n", 1);
	rig_expect(g, "X-A: 1\r\n", 1);
	rig_expect(g, "\r\n\r\n11\r\n0123456789abcdef!\r\n", 1);
	rig_until(g, drains > 0);
	http_push_end(now);
	rig_expect(g, "\r\n0\r\n\r\n", 1);
	ask(g, "GET / HTTP/1.1\r\n" HEAD); /* the connection goes on */
	http_destroy(now, REASON_FORCED);
}

static void
test_a_client_of_http_1_0_reads_to_the_end(void **state)
{
	struct rig *g = ask(*state, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n" HEAD);

	http_push_begin(now, &reply);
	piece("all");
	http_push_end(now);
	rig_end(g);
	rig_expect(g, "Connection: close\r\n", 1);
	rig_expect(g, "\r\n\r\nall", 1);
	rig_expect(g, "chunked", 0);
}

static void
test_a_known_length(void **state)
{
	struct rig *g = ask(*state, "GET / HTTP/1.1\r\n" HEAD);

	reply.length = 6;
	reply.phrase = TEXT("Very well");
	http_push_begin(now, &reply);
	piece("abc");
	piece("def");
	http_push_end(now);
	rig_expect(g, "HTTP/1.1 200 Very well\r\n", 1);
	rig_expect(g, "Content-Length: 6\r\n", 1);
	rig_expect(g, "\r\n\r\nabcdef", 1);
}

static void
test_replies_without_a_body(void **state)
{
	struct rig *g = ask(*state, "HEAD / HTTP/1.1\r\n" HEAD);

	reply.length = 6;
	http_push_begin(now, &reply);
	piece("abcdef");
	http_push_end(now);
	rig_expect(g, "Content-Length: 6\r\n", 1);
	ask(g, "GET / HTTP/1.1\r\n" HEAD);
	reply.status = 204;
	reply.length = 3;
	http_push_begin(now, &reply);
	http_push_end(now);
	ask(g, "GET / HTTP/1.1\r\n" HEAD);
	reply = (struct http_push){.status = 304, .length = -1};
	http_push_begin(now, &reply);
	http_push_end(now);
	rig_expect(g, "HTTP/1.1 304", 1);
	rig_expect(g, "Content-Length", 1);
	rig_expect(g, "chunked", 0);
	rig_expect(g, "abc", 0);
}

static void
test_body_and_reply_at_once(void **state)
{
	struct rig *g = ask(*state, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD);

	http_push_begin(now, &reply);
	piece("early");
	rig_expect(g, "early", 1);
	rig_say(g, "3\r\nabc\r\n");
	rig_until(g, g->body.len == 3);
	piece("late");
	rig_say(g, "0\r\n\r\n");
	rig_until(g, g->completes == 1);
	http_push_end(now);
	rig_expect(g, "Connection: keep-alive", 1);
	ask(g, "GET / HTTP/1.1\r\n" HEAD);
	http_destroy(now, REASON_FORCED);
}

/* An error before the end of a long body is the last reply of its connection. It arrives although the body goes on.
 */
static void
test_an_error_ends_a_long_body(void **state)
{
	struct rig *g = ask(*state, "POST / HTTP/1.1\r\nContent-Length: 1000000000000\r\n" HEAD);

	reply.status = 413;
	http_push_begin(now, &reply);
	piece("too much");
	http_push_end(now);
	rig_say(g, "more and more");
	rig_end(g);
	rig_expect(g, "HTTP/1.1 413", 1);
	rig_expect(g, "Connection: close", 1);
	rig_expect(g, "too much", 1);
}

static void
test_a_body_waits_for_its_handler(void **state)
{
	static char bytes[400000];
	struct rig *g = *state;
	size_t sent = 0;
	ssize_t n;

	memset(bytes, 'b', sizeof bytes);
	hold_body = true;
	ask(g, "POST / HTTP/1.1\r\nContent-Length: 400000\r\n" HEAD);
	for (int i = 0; i < 50; i++) { /* as much as the kernel's buffer and one read take, and no more */
		if (sent < sizeof bytes && (n = write(g->client, bytes + sent, sizeof bytes - sent)) > 0)
			sent += (size_t)n;
		rig_settle(g);
	}
	assert_true(g->body.len > 0 && g->body.len < sizeof bytes);
	hold_body = false;
	http_resume(now);
	while (sent < sizeof bytes) {
		if ((n = write(g->client, bytes + sent, sizeof bytes - sent)) > 0)
			sent += (size_t)n;
		rig_settle(g);
	}
	rig_until(g, g->completes == 1);
	assert_int_equal(g->body.len, sizeof bytes);
	http_reply(now, 200, NULL, TEXT(""), false);
}

/* A reply while the body is held: the server reads and drops the rest, and the connection goes on. */
static void
test_a_reply_lets_a_held_body_go(void **state)
{
	struct rig *g = *state;

	hold_body = true;
	ask(g, "POST / HTTP/1.1\r\nContent-Length: 6\r\n" HEAD "abc");
	rig_until(g, g->body.len == 3);
	http_reply(now, 200, NULL, TEXT("read"), false);
	rig_expect(g, "read", 1);
	rig_say(g, "def");
	ask(g, "GET / HTTP/1.1\r\n" HEAD);
	http_destroy(now, REASON_FORCED);
}

static void
test_a_slow_body_ends_with_408(void **state)
{
	struct rig *g = *state;

	g->limits.body_ms = 50;
	ask(g, "POST / HTTP/1.1\r\nContent-Length: 600\r\n" HEAD "abc");
	rig_end(g);
	rig_expect(g, "HTTP/1.1 408", 1);
	assert_int_equal(g->aborts, 1);
}

/* The body may take any time: body_ms applies to each part of it. */
static void
test_a_long_body_that_keeps_coming_goes_on(void **state)
{
	struct rig *g = *state;
	uint64_t until;

	g->limits.body_ms = 100;
	ask(g, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD);
	for (until = g->loop.now + 350; g->loop.now < until; ev_run(g->ev, EVRUN_ONCE))
		rig_say(g, "twenty bytes or more");
	assert_int_equal(g->aborts, 0);
	http_destroy(now, REASON_FORCED);
}

static void
test_interim_responses(void **state)
{
	struct rig *g = ask(*state, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HEAD);

	assert_true(http_is_expecting(now));
	rig_settle(g);
	assert_int_equal(rig_count(g, "100 Continue"), 0);
	http_push_interim(now, 103, TEXT("Link: </a>\r\n"));
	http_push_interim(now, 100, TEXT(""));
	assert_false(http_is_expecting(now));
	rig_expect(g, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 1);
	rig_say(g, "abc");
	rig_until(g, g->completes == 1);
	http_push_begin(now, &reply);
	http_push_end(now);
	rig_expect(g, "keep-alive\r\n", 1);
	ask(g, "GET / HTTP/1.0\r\n" HEAD);
	http_push_interim(now, 103, TEXT(""));
	http_push_begin(now, &reply);
	http_push_end(now);
	rig_end(g);
	rig_expect(g, "HTTP/1.1 103", 1);
}

static void
test_a_cut_response_is_not_complete(void **state)
{
	struct rig *g = ask(*state, "GET / HTTP/1.1\r\n" HEAD);

	http_push_begin(now, &reply);
	piece("half");
	http_push_cut(now, REASON_FORCED);
	rig_end(g);
	rig_expect(g, "half\r\n", 1);
	rig_expect(g, "\r\n0\r\n", 0);
}

static void
test_a_client_that_leaves(void **state)
{
	struct rig *g = ask(*state, "GET / HTTP/1.1\r\n" HEAD);

	http_push_begin(now, &reply);
	piece("half");
	rig_expect(g, "half", 1);
	shutdown(g->client, SHUT_WR);
	rig_until(g, g->aborts == 1);
}

/* Once the reply has begun, the server cannot answer a fault in the request. */
static void
test_a_broken_body_after_the_reply_has_begun(void **state)
{
	struct rig *g = ask(*state, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD);

	http_push_begin(now, &reply);
	rig_say(g, "nonsense\r\n");
	rig_end(g);
	assert_int_equal(g->aborts, 1);
	assert_int_equal(rig_count(g, "HTTP/1.1"), rig_count(g, "HTTP/1.1 200"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_chunks_for_a_client_of_today),
		T(test_a_client_of_http_1_0_reads_to_the_end),
		T(test_a_known_length),
		T(test_replies_without_a_body),
		T(test_body_and_reply_at_once),
		T(test_an_error_ends_a_long_body),
		T(test_a_body_waits_for_its_handler),
		T(test_a_reply_lets_a_held_body_go),
		T(test_a_slow_body_ends_with_408),
		T(test_a_long_body_that_keeps_coming_goes_on),
		T(test_interim_responses),
		T(test_a_cut_response_is_not_complete),
		T(test_a_client_that_leaves),
		T(test_a_broken_body_after_the_reply_has_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
