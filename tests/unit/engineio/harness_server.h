/*
 * An Engine.IO server on a loopback port, in the process and thread of the test. pump_until() runs the server until a
 * condition holds: the tests await events and never sleep.
 */
#ifndef TESTS_UNIT_ENGINEIO_HARNESS_SERVER_H
#define TESTS_UNIT_ENGINEIO_HARNESS_SERVER_H

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

/* What the server's application has seen, and how it behaves. */
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
	int allow; /* allowRequest's answer: 0 later; 1 yes; -1 no */
	void (*on_message)(struct eio_session *s, struct text data); /* if set, replaces the echo */
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

/* The clock runs as the monotonic clock does, which fake_clock.h replaces. */
HELPER uint64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
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

/* Starts the server with pairs of option name and value, ended by NULL. */
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

/* One turn of the server; waits briefly for an event of the server or of `fd`. */
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

/* Runs enough turns for the server to handle what was sent to it. */
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

#endif
