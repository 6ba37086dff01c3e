/* One WebSocket over a connection of http_rig.h: the server records what reaches it, the test plays the client. */
#ifndef TESTS_UNIT_WS_WS_RIG_H
#define TESTS_UNIT_WS_WS_RIG_H

#include "tests/unit/http/http_rig.h"

#include "node/ws/ws.h"
#include "node/ws/ws_deflater.h"
#include "tests/unit/ws/ws_cases.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* RFC 6455 1.3 */
#define HEAD "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define OPEN HEAD "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"

/* What the server side has received. */
static struct server {
	struct ws_options options;
	struct ws *ws; /* while it lives */
	unsigned messages, drains, closes;
	unsigned reason;
	uint16_t code;
	int refused; /* the last error of ws_check() */
	void (*act)(struct ws *ws);
} server;

/* The streams that compress, for all tests of the program. */
static inline struct ws_deflate_pool *
deflate_pool(void)
{
	static struct ws_deflate_pool *pool;

	if (pool == NULL)
		pool = ws_deflate_pool_new(0, 0);
	return pool;
}

static inline void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	assert_ptr_equal(owner, &server);
	assert_ptr_equal(ws, server.ws);
	server.messages++;
	if (server.act)
		server.act(ws);
	else
		ws_send_bytes(ws, binary ? WS_BINARY : WS_TEXT, data, n);
}

static inline void
on_drain(struct ws *ws, void *owner)
{
	assert_ptr_equal(owner, &server);
	assert_true(ws_writable(ws));
	server.drains++;
}

static inline void
on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	assert_ptr_equal(owner, &server);
	assert_ptr_equal(ws, server.ws);
	assert_false(ws_is_open(ws));
	server.ws = NULL;
	server.closes++;
	server.reason = reason;
	server.code = code;
}

static const struct ws_ops ops = {.on_message = on_message, .on_drain = on_drain, .on_closed = on_closed};

static inline void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	server.refused = ws_check(r);
	if (server.refused)
		http_reply(r, 400, NULL, TEXT("no"), false);
	else
		server.ws = ws_accept(r, &server.options, &ops, &server);
}

static inline struct rig *
start(void)
{
	struct rig *g = rig_new(on_request);

	server = (struct server){.options = {.max_message = CASE_MAX_MESSAGE,
					 .max_fragments = CASE_MAX_FRAGMENTS,
					 .close_ms = 5000,
					 .deflate = true,
					 .pool = deflate_pool(),
					 .deflate_threshold = 1 << 20}};
	return g;
}

/* Consumes the 101 answer. The bytes after it stay. */
static inline void
expect_101(struct rig *g)
{
	const char *end;

	rig_expect(g, "\r\n\r\n", 1);
	assert_memory_equal(rig_got(g), "HTTP/1.1 101 ", 13);
	end = strstr(rig_got(g), "\r\n\r\n");
	buffer_drop(&g->got, (size_t)(end + 4 - (const char *)g->got.data));
}

static inline void
open_ws(struct rig *g, const char *head)
{
	rig_say(g, head);
	rig_say(g, "\r\n");
	rig_until(g, server.ws && rig_count(g, "\r\n\r\n") > 0);
	expect_101(g);
}

static inline void
say_frame(struct rig *g, unsigned head, const void *payload, size_t n)
{
	struct buffer out;

	buffer_init(&out, 1 << 22);
	case_add_frame(&out, &(struct case_frame){head, payload ? payload : "", n}, true);
	rig_send(g, out.data, out.len);
	buffer_fini(&out);
}
#define SAY(g, head, text) say_frame(g, head, text, sizeof(text) - 1)

static inline void
expect_bytes(struct rig *g, const void *bytes, size_t n)
{
	while (g->got.len < n && !g->client_eof)
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(g->got.len, n);
	assert_memory_equal(g->got.data, bytes, n);
	buffer_reset(&g->got);
}
#define EXPECT(g, text) expect_bytes(g, text, sizeof(text) - 1)

/* The client closes its side; the server must have ended with `reason`. */
static inline void
finish(struct rig *g, unsigned reason, unsigned code)
{
	rig_disconnect(g);
	assert_int_equal(server.closes, 1);
	assert_int_equal(server.reason, reason);
	assert_int_equal(server.code, code);
	assert_null(server.ws);
	rig_free(g);
}

#endif
