/*
 * An Engine.IO server on a loopback port and raw clients, all in this process and thread: pump() lets the server
 * run until a client has what it waits for. Everything is awaited, nothing sleeps.
 */
#ifndef TESTS_UNIT_ENGINEIO_HARNESS_H
#define TESTS_UNIT_ENGINEIO_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/io/conn.h"
#include "common/io/listener.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_tables.h"
#include "node/engineio/eio_handshake.h"
#include "node/http/http.h"

#define HELPER static inline __attribute__((unused))
#define PATIENCE_MS 60000
#define CLOSED_MAX 16

/* What the server's application saw and how it shall behave. */
struct app {
	bool echo;
	unsigned opened, drained, upgraded, messages;
	char log[4096]; /* received messages, "t:..." or "b:...", joined by "|" */
	unsigned closed;
	enum eio_close_reason reasons[CLOSED_MAX];
	const char *description;
	unsigned refused;
	enum eio_error_code code;
	char context[64], message[64];
	struct eio_session *last; /* the newest session; NULL once it has closed */
	struct eio_pending *pending;
	int allow;						     /* 0: later; 1: yes; -1: no */
	void (*on_message)(struct eio_session *s, struct text data); /* instead of echo */
	void (*on_open)(struct eio_session *s);
	void (*on_drain)(struct eio_session *s);
	bool add_headers, refuse_all;
};

struct server {
	struct loop loop;
	struct ev_loop *ev;
	struct listener *listener;
	struct http_limits http_limits;
	struct conn_limits conn_limits;
	struct http_server http;
	struct eio_options options;
	struct eio_ops ops;
	struct eio_server *engine;
	struct app app;
	uint16_t port;
};
static struct server sv;

HELPER uint64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

HELPER void
app_allow(void *arg, struct eio_pending *pending, const struct http_request *r)
{
	(void)arg, (void)r;
	if (sv.app.allow > 0)
		eio_allow(pending);
	else if (sv.app.allow < 0)
		eio_refuse(pending, "go \"away\"");
	else
		sv.app.pending = pending;
}

HELPER int
app_request(void *arg, struct http_request *r)
{
	(void)arg, (void)r;
	return sv.app.refuse_all ? -1 : 0;
}

HELPER void
app_headers(void *arg, struct http_request *r, struct eio_session *s, bool initial)
{
	(void)arg;
	if (sv.app.add_headers)
		http_add_header(r, "X-App", initial ? TEXT("first") : s != NULL ? TEXT("later") : TEXT("none"));
}

HELPER void
app_refused(
	void *arg, const struct http_request *r, enum eio_error_code code, const char *message, const char *context)
{
	(void)arg, (void)r;
	sv.app.refused++;
	sv.app.code = code;
	snprintf(sv.app.message, sizeof(sv.app.message), "%s", message);
	snprintf(sv.app.context, sizeof(sv.app.context), "%s", context);
}

HELPER void *
app_open(void *arg, struct eio_session *s)
{
	(void)arg;
	sv.app.opened++;
	sv.app.last = s;
	if (sv.app.on_open != NULL)
		sv.app.on_open(s);
	return &sv.app;
}

HELPER void
app_message(struct eio_session *s, void *owner, bool binary, uint8_t *data, size_t n)
{
	size_t used = strlen(sv.app.log);

	assert_ptr_equal(owner, &sv.app);
	sv.app.messages++;
	if (n < 64)
		snprintf(sv.app.log + used, sizeof(sv.app.log) - used, "%s%c:%.*s", used > 0 ? "|" : "",
			binary ? 'b' : 't', (int)n, (const char *)data);
	if (sv.app.on_message != NULL) {
		sv.app.on_message(s, text_of((char *)data, n));
	} else if (sv.app.echo) {
		struct eio_message *m =
			binary ? eio_message_binary(data, n) : eio_message_text(text_of((char *)data, n));

		eio_send(s, &m, 1);
		eio_message_unref(m);
	}
}

HELPER void
app_drain(struct eio_session *s, void *owner)
{
	(void)owner;
	sv.app.drained++;
	if (sv.app.on_drain != NULL)
		sv.app.on_drain(s);
}

HELPER void
app_upgrade(struct eio_session *s, void *owner)
{
	(void)s, (void)owner;
	sv.app.upgraded++;
}

HELPER void
app_close(struct eio_session *s, void *owner, enum eio_close_reason reason, const char *description)
{
	assert_ptr_equal(owner, &sv.app);
	assert_false(eio_is_open(s));
	assert_null(eio_find(sv.engine, eio_sid(s)));
	assert_true(sv.app.closed < CLOSED_MAX);
	sv.app.reasons[sv.app.closed++] = reason;
	sv.app.description = description;
	if (sv.app.last == s)
		sv.app.last = NULL;
}

HELPER void
server_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	(void)arg;
	http_conn_start(conn_new(&sv.loop, fd, peer, peer_len, NULL, &sv.conn_limits, NULL, NULL), &sv.http);
}

HELPER void
server_request(void *arg, struct http_request *r)
{
	(void)arg;
	if (eio_matches(sv.engine, r->path))
		eio_handle(sv.engine, r);
	else if (r->upgrade)
		eio_handle_unclaimed_upgrade(sv.engine, r);
	else
		http_reply(r, 404, NULL, TEXT("nobody"), false);
}

/* Pairs of option name and value, ended by NULL. */
HELPER void
server_start(const char *name, ...)
{
	struct listener_options lo = {.host = "127.0.0.1"};
	struct option_table table = eio_options_table(&sv.options);
	char error[OPTION_ERROR_MAX];
	va_list list;

	memset(&sv, 0, sizeof(sv));
	sv.app.echo = true;
	sv.app.allow = 1;
	table = eio_options_table(&sv.options);
	options_defaults(&table, 1);
	va_start(list, name);
	for (; name != NULL; name = va_arg(list, const char *))
		assert_int_equal(options_set(&table, 1, name, va_arg(list, const char *), error), 0);
	va_end(list);
	sv.http_limits = (struct http_limits){.max_head = 16384,
		.max_headers = 100,
		.max_body = 65536,
		.head_ms = 10000,
		.body_ms = 30000,
		.idle_ms = 5000,
		.gzip_threshold = 16};
	sv.conn_limits = (struct conn_limits){.max_kept = 65536, .stall_ms = 30000, .tls_ms = 1000, .linger_ms = 500};
	sv.http.limits = &sv.http_limits;
	sv.http.on_request = server_request;
	sv.ops = (struct eio_ops){.on_allow = app_allow,
		.on_request = app_request,
		.on_headers = app_headers,
		.on_refused = app_refused,
		.on_open = app_open,
		.on_message = app_message,
		.on_drain = app_drain,
		.on_upgrade = app_upgrade,
		.on_close = app_close};
	sv.ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&sv.loop, sv.ev);
	sv.engine = eio_server_new(&sv.loop, &sv.options, &sv.ops, &sv);
	assert_int_equal(listener_open(&sv.listener, &sv.loop, &lo, server_accept, NULL, error), 0);
	sv.port = listener_port(sv.listener);
}

static void
pump_nothing(struct ev_loop *ev, struct ev_io *w, int events)
{
	(void)ev, (void)w, (void)events;
}

static void
pump_tick(struct ev_loop *ev, struct ev_timer *w, int events)
{
	(void)ev, (void)w, (void)events;
}

/* One round of the server; waits a moment for something to happen to it or to `fd`. */
HELPER void
pump_once(int fd)
{
	struct ev_io io;
	struct ev_timer timer;

	ev_timer_init(&timer, pump_tick, 0.002, 0);
	ev_timer_start(sv.ev, &timer);
	ev_io_init(&io, pump_nothing, fd, EV_READ);
	if (fd >= 0)
		ev_io_start(sv.ev, &io);
	ev_run(sv.ev, EVRUN_ONCE);
	ev_io_stop(sv.ev, &io);
	ev_timer_stop(sv.ev, &timer);
}

#define pump_until(condition)                                                                                        \
	do {                                                                                                         \
		uint64_t give_up_ = clock_ms() + PATIENCE_MS;                                                        \
		while (!(condition)) {                                                                               \
			if (clock_ms() > give_up_)                                                                   \
				fail_msg("%s:%d: waited in vain for: %s", __FILE__, __LINE__, #condition);           \
			pump_once(-1);                                                                               \
		}                                                                                                    \
	} while (0)

/* Rounds until the server has had the chance to handle what was sent to it. */
HELPER void
pump_settle(void)
{
	for (int i = 0; i < 20; i++)
		pump_once(-1);
}

HELPER void
pump_for(uint64_t ms)
{
	uint64_t end = clock_ms() + ms;

	while (clock_ms() < end)
		pump_once(-1);
}

HELPER void
server_stop(void)
{
	struct option_table table = eio_options_table(&sv.options);

	listener_free(sv.listener);
	eio_server_close(sv.engine);
	pump_settle();
	assert_int_equal(eio_count(sv.engine), 0);
	assert_int_equal(sv.app.closed < CLOSED_MAX ? sv.app.closed : sv.app.opened, sv.app.opened);
	pump_until(sv.loop.connections == 0);
	eio_server_free(sv.engine);
	loop_fini(&sv.loop);
	ev_loop_destroy(sv.ev);
	options_fini(&table, 1);
}

struct client {
	int fd;
	uint8_t in[1 << 18];
	size_t n;
	bool eof;
	int status; /* of the last reply */
	char head[4096];
	char body[1 << 17];
	size_t body_len;
};

HELPER struct client *
client_new(void)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(sv.port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	/* small writes leave at once, so that a test decides what the server reads together */
	assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
	return c;
}

HELPER void
client_free(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Leaves with RST or FIN. */
HELPER void
client_leave(struct client *c, bool reset)
{
	struct linger linger = {1, 0};

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(c->fd);
	c->fd = -1;
}

HELPER void
client_write(struct client *c, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = send(c->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done > 0) {
			at += done;
			n -= (size_t)done;
		} else {
			if (errno != EAGAIN)
				return; /* the server has closed: the test looks at what it said before */
			pump_once(-1);
		}
	}
}

HELPER __attribute__((format(printf, 2, 3))) void
client_printf(struct client *c, const char *format, ...)
{
	static char text[1 << 16];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	assert_in_range(n, 0, sizeof(text) - 1);
	client_write(c, text, (size_t)n);
}

HELPER void
client_read(struct client *c)
{
	ssize_t got;

	pump_once(c->fd);
	got = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, MSG_DONTWAIT);
	if (got > 0)
		c->n += (size_t)got;
	else if (got == 0 || errno != EAGAIN)
		c->eof = true;
}

HELPER void
client_drop(struct client *c, size_t n)
{
	memmove(c->in, c->in + n, c->n - n);
	c->n -= n;
}

/* One HTTP reply into status, head and body; false when the connection ends before. */
HELPER bool
client_try_reply(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	for (;;) {
		char *end = memmem(c->in, c->n, "\r\n\r\n", 4);

		if (end != NULL) {
			size_t head = (size_t)(end - (char *)c->in) + 4, length = 0;
			char *field;

			assert_true(head < sizeof(c->head));
			memcpy(c->head, c->in, head);
			c->head[head] = '\0';
			field = strcasestr(c->head, "\r\ncontent-length:");
			if (field != NULL)
				length = strtoul(field + 17, NULL, 10);
			assert_true(length < sizeof(c->body));
			if (c->n >= head + length) {
				c->status = atoi(c->head + 9);
				memcpy(c->body, c->in + head, length);
				c->body[length] = '\0';
				c->body_len = length;
				client_drop(c, head + length);
				return true;
			}
		}
		if (c->eof)
			return false;
		if (clock_ms() > give_up)
			fail_msg("no reply within %d ms; so far %zu bytes", PATIENCE_MS, c->n);
		client_read(c);
	}
}

HELPER void
client_reply(struct client *c)
{
	if (!client_try_reply(c))
		fail_msg("connection ended without a reply");
}

#define assert_reply(c, status_, body_)                                                                              \
	do {                                                                                                         \
		client_reply(c);                                                                                     \
		assert_string_equal((c)->body, body_);                                                               \
		assert_int_equal((c)->status, status_);                                                              \
	} while (0)

HELPER bool
client_has(const struct client *c, const char *field_line)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", field_line);
	return strcasestr(c->head, wanted) != NULL;
}

HELPER void
client_eof(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	while (!c->eof) {
		if (clock_ms() > give_up)
			fail_msg("connection still open");
		c->n = 0;
		client_read(c);
	}
}

/* Nothing arrives while the server settles. */
HELPER void
client_silent(struct client *c)
{
	for (int i = 0; i < 20; i++)
		client_read(c);
	assert_int_equal(c->n, 0);
	assert_false(c->eof);
}

HELPER void
client_get(struct client *c, const char *query)
{
	client_printf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: h\r\n\r\n", query);
}

HELPER void
client_poll(struct client *c, const char *sid)
{
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n\r\n", sid);
}

HELPER void
client_post_bytes(struct client *c, const char *sid, const void *body, size_t n)
{
	client_printf(c,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n"
		"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
		sid, n);
	client_write(c, body, n);
}

HELPER void
client_post(struct client *c, const char *sid, const char *body)
{
	client_post_bytes(c, sid, body, strlen(body));
}

/* Opens a polling session on `c`. */
HELPER void
client_handshake(struct client *c, char sid[EIO_SID_LENGTH + 1])
{
	client_get(c, "EIO=4&transport=polling");
	client_reply(c);
	assert_int_equal(c->status, 200);
	assert_memory_equal(c->body, "0{\"sid\":\"", 9);
	memcpy(sid, c->body + 9, EIO_SID_LENGTH);
	sid[EIO_SID_LENGTH] = '\0';
}

HELPER void
client_ws_request(struct client *c, const char *query)
{
	client_printf(c,
		"GET /engine.io/?%s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		query);
}

HELPER void
client_ws(struct client *c, const char *query)
{
	client_ws_request(c, query);
	client_reply(c);
	assert_int_equal(c->status, 101);
}

HELPER void
client_ws_upgrade(struct client *c, const char *sid)
{
	char query[128];

	snprintf(query, sizeof(query), "EIO=4&transport=websocket&sid=%s", sid);
	client_ws(c, query);
}

/* One masked frame of up to 64 KiB - 1. */
HELPER void
ws_frame_out(struct client *c, uint8_t first, const void *bytes, size_t n)
{
	static uint8_t frame[1 << 16];
	uint8_t mask[4] = {1, 2, 3, 4};
	size_t at = 0;

	frame[at++] = first;
	if (n < 126) {
		frame[at++] = (uint8_t)(0x80 | n);
	} else {
		frame[at++] = 0x80 | 126;
		frame[at++] = (uint8_t)(n >> 8);
		frame[at++] = (uint8_t)n;
	}
	memcpy(frame + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		frame[at++] = (uint8_t)(((const uint8_t *)bytes)[i] ^ mask[i & 3]);
	client_write(c, frame, at);
}

HELPER void
ws_out(struct client *c, const char *text)
{
	ws_frame_out(c, 0x81, text, strlen(text));
}

/* The next frame: its opcode, payload in body. -1: the connection ended. */
HELPER int
ws_in(struct client *c)
{
	uint64_t give_up = clock_ms() + PATIENCE_MS;

	for (;;) {
		if (c->n >= 2) {
			size_t head = 2, n = c->in[1] & 0x7f;

			if (n == 126 && c->n >= 4) {
				n = (size_t)c->in[2] << 8 | c->in[3];
				head = 4;
			}
			if (n != 126 || head == 4) {
				assert_true(n < 127 || head == 4);
				if (c->n >= head + n) {
					int opcode = c->in[0] & 0x0f;

					memcpy(c->body, c->in + head, n);
					c->body[n] = '\0';
					c->body_len = n;
					client_drop(c, head + n);
					return opcode;
				}
			}
		}
		if (c->eof)
			return -1;
		if (clock_ms() > give_up)
			fail_msg("no frame within %d ms", PATIENCE_MS);
		client_read(c);
	}
}

#define assert_text(c, text_)                                                                                        \
	do {                                                                                                         \
		int opcode_ = ws_in(c);                                                                              \
		assert_string_equal((c)->body, text_);                                                               \
		assert_int_equal(opcode_, 1);                                                                        \
	} while (0)

/* A Close frame without status; answers it and sees the end. */
#define assert_ws_closed(c)                                                                                          \
	do {                                                                                                         \
		assert_int_equal(ws_in(c), 8);                                                                       \
		assert_int_equal((c)->body_len, 0);                                                                  \
		ws_frame_out(c, 0x88, "", 0);                                                                        \
		client_eof(c);                                                                                       \
	} while (0)

#define assert_closed(count, reason)                                                                                 \
	do {                                                                                                         \
		pump_until(sv.app.closed >= (count));                                                                \
		assert_int_equal(sv.app.closed, count);                                                              \
		assert_string_equal(eio_close_reason_text(sv.app.reasons[(count)-1]), reason);                       \
	} while (0)

/* The session is gone: a poll says so. */
HELPER void
assert_unknown(const char *sid)
{
	struct client *c = client_new();

	client_poll(c, sid);
	assert_reply(c, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
	client_free(c);
}

HELPER void
send_text(struct eio_session *s, const char *text)
{
	struct eio_message *m = eio_message_text(text_from(text));

	eio_send(s, &m, 1);
	eio_message_unref(m);
}

#endif
