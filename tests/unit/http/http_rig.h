/* A loop with one HTTP connection over a socket pair, for tests. The test plays the client on `client`. */
#ifndef TESTS_UNIT_HTTP_HTTP_RIG_H
#define TESTS_UNIT_HTTP_HTTP_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/conn.h"
#include "common/io/loop.h"
#include "node/http/http.h"

struct rig {
	struct ev_loop *ev;
	struct loop loop;
	struct http_limits limits;
	struct conn_limits conn_limits;
	struct http_server server;
	struct conn *conn;	     /* may dangle: check loop.connections first */
	const struct sockaddr *peer; /* the client's address; NULL: a Unix socket */
	socklen_t peer_len;
	int client;
	bool client_eof;
	struct buffer got; /* what the client has received, NUL-terminated */
	struct ev_io readable;
	struct ev_timer guard;
	struct ev_timer tick; /* wakes the loop regularly, because the work at the end of a turn wakes nothing */

	/* for handlers */
	struct http_request *pending;
	struct buffer body;
	unsigned requests, aborts, completes, dones;
	void *extra;
};

static inline void
rig_on_readable(struct ev_loop *ev, struct ev_io *w, int events)
{
	struct rig *g = w->data;
	char bytes[65536];
	ssize_t n = read(g->client, bytes, sizeof(bytes));

	(void)events;
	if (n > 0)
		buffer_add(&g->got, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		g->client_eof = true;
		ev_io_stop(ev, w);
	}
}

static inline void
rig_on_guard(struct ev_loop *ev, struct ev_timer *w, int events)
{
	(void)ev, (void)w, (void)events;
	fprintf(stderr, "what the test waits for did not happen\n");
	abort();
}

static inline void
rig_on_tick(struct ev_loop *ev, struct ev_timer *w, int events)
{
	(void)ev, (void)w, (void)events;
}

static inline size_t
rig_nobody_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c, (void)data;
	return n;
}

static inline void
rig_nobody_closed(struct conn *c, unsigned reason)
{
	(void)c, (void)reason;
}

static const struct conn_ops rig_nobody = {.on_data = rig_nobody_data, .on_closed = rig_nobody_closed};

static inline void
rig_connect(struct rig *g)
{
	struct sockaddr_un nameless = {.sun_family = AF_UNIX};
	const struct sockaddr *peer = g->peer ? g->peer : (struct sockaddr *)&nameless;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	g->client = pair[1];
	g->client_eof = false;
	buffer_reset(&g->got);
	g->conn = conn_new(&g->loop, pair[0], peer, g->peer ? g->peer_len : sizeof(nameless.sun_family), NULL,
		&g->conn_limits, &rig_nobody, NULL);
	http_conn_start(g->conn, &g->server);
	ev_io_init(&g->readable, rig_on_readable, g->client, EV_READ);
	g->readable.data = g;
	ev_io_start(g->ev, &g->readable);
}

static inline struct rig *
rig_new(void (*on_request)(void *arg, struct http_request *r))
{
	struct rig *g = mem_zalloc(sizeof(*g));

	g->ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&g->loop, g->ev);
	g->limits = (struct http_limits){4096, 32, 1000, 5000, 5000, 5000, UINT64_MAX};
	g->conn_limits = (struct conn_limits){0, 16384, 5000, 5000, 1000};
	http_server_init(&g->server, &g->limits, on_request, g);
	buffer_init(&g->got, 64 << 20);
	buffer_init(&g->body, 64 << 20);
	ev_timer_init(&g->guard, rig_on_guard, 240, 0);
	ev_timer_start(g->ev, &g->guard);
	ev_timer_init(&g->tick, rig_on_tick, 0.002, 0.002);
	ev_timer_start(g->ev, &g->tick);
	rig_connect(g);
	return g;
}

/* The client disconnects; the server must then free everything. */
static inline void
rig_disconnect(struct rig *g)
{
	ev_io_stop(g->ev, &g->readable);
	if (g->client >= 0)
		close(g->client);
	g->client = -1;
	while (g->loop.connections)
		ev_run(g->ev, EVRUN_ONCE);
}

static inline void
rig_free(struct rig *g)
{
	rig_disconnect(g);
	assert_int_equal(http_server_count(&g->server), 0);
	assert_null(g->server.zip);
	ev_timer_stop(g->ev, &g->guard);
	ev_timer_stop(g->ev, &g->tick);
	loop_fini(&g->loop);
	ev_loop_destroy(g->ev);
	buffer_fini(&g->got);
	buffer_fini(&g->body);
	mem_free(g);
}

static inline void
rig_send(struct rig *g, const void *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(g->client, bytes, n);

		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			ev_run(g->ev, EVRUN_ONCE);
			continue;
		}
		bytes = (const char *)bytes + sent;
		n -= (size_t)sent;
	}
}

static inline void
rig_say(struct rig *g, const char *text)
{
	rig_send(g, text, strlen(text));
}

static inline const char *
rig_got(struct rig *g)
{
	*buffer_room(&g->got, 1) = '\0';
	return (const char *)g->got.data;
}

static inline unsigned
rig_count(struct rig *g, const char *what)
{
	unsigned n = 0;

	for (const char *at = rig_got(g); (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Runs until the client has received `what` `times` times. */
static inline void
rig_expect(struct rig *g, const char *what, unsigned times)
{
	while (rig_count(g, what) < times) {
		if (g->client_eof)
			fail_msg("the connection ended before \"%s\": %s", what, rig_got(g));
		ev_run(g->ev, EVRUN_ONCE);
	}
	assert_int_equal(rig_count(g, what), times);
}

#define rig_until(g, condition)                                                                                      \
	do                                                                                                           \
		ev_run((g)->ev, EVRUN_ONCE);                                                                         \
	while (!(condition))

/* Lets the server read everything that was sent, with one turn more than needed. */
static inline void
rig_settle(struct rig *g)
{
	for (int i = 0; i < 4; i++)
		ev_run(g->ev, EVRUN_NOWAIT);
}

static inline void
rig_end(struct rig *g)
{
	while (!g->client_eof)
		ev_run(g->ev, EVRUN_ONCE);
}

#endif
