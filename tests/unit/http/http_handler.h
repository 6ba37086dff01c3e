/* The handler in the tests of connections. The path selects how it answers. */
#ifndef TESTS_UNIT_HTTP_HTTP_HANDLER_H
#define TESTS_UNIT_HTTP_HTTP_HANDLER_H

#include "tests/unit/http/http_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define PLAIN "text/plain"

static inline void
later_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct rig *g = user;

	assert_ptr_equal(r, g->pending);
	buffer_add(&g->body, data, n);
}

static inline void
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

static inline void
later_abort(struct http_request *r, void *user)
{
	struct rig *g = user;

	assert_ptr_equal(r, g->pending);
	assert_true(r->path.n > 0);
	g->pending = NULL;
	g->aborts++;
}

static const struct http_exchange_ops later = {later_body, later_complete, later_abort, NULL};

static inline size_t
raw_data(struct conn *c, uint8_t *data, size_t n)
{
	conn_send_copy(c, "<", 1);
	conn_send_copy(c, data, n);
	conn_send_copy(c, ">", 1);
	return n;
}

static const struct conn_ops raw = {.on_data = raw_data, .on_closed = rig_nobody_closed};

static inline void
upgrade(struct http_request *r)
{
	struct conn *c;

	http_add_header(r, "X-Added", TEXT("yes"));
	c = http_upgrade(r);
	conn_set_owner(c, &raw, NULL);
}

static inline int64_t
stream_pull(void *user, uint8_t *room, size_t n)
{
	(void)user;
	memset(room, 's', n);
	return (int64_t)n;
}

static inline int64_t
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

static inline void
stream_done(void *user)
{
	((struct rig *)user)->dones++;
}

#define STREAM_LENGTH 1000000

static inline void
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

static inline int
setup(void **state)
{
	*state = rig_new(on_request);
	return 0;
}

static inline int
teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
