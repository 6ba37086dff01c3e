/*
 * An edge in miniature: HTTP clients on one side, upstreams that the test plays on the other, both over real sockets
 * of one loop, in one thread.
 */
#ifndef TESTS_UNIT_UPSTREAM_RIG_H
#define TESTS_UNIT_UPSTREAM_RIG_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include "node/upstream/upstream.h"
#include "node/upstream/upstream_tables.h"
#include "tests/unit/http/http_rig.h"

/* A listening socket and the connections that it has accepted. */
struct target {
	int fd;
	char url[64];
};

static struct upstream_options options;
static struct upstream *upstream;

static inline void
pass_on(void *arg, struct http_request *r)
{
	((struct rig *)arg)->requests++;
	upstream_handle(upstream, r);
}

static inline int
edge_setup(void **state)
{
	struct rig *g = rig_new(pass_on);

	options = (struct upstream_options){.timeout = 10000, .connect_timeout = 10000, .max_connections = 100};
	g->limits.max_head = 8192;
	upstream = upstream_new(&g->loop, &options);
	*state = g;
	return 0;
}

static inline int
edge_teardown(void **state)
{
	struct rig *g = *state;

	rig_disconnect(g);
	upstream_close(upstream);
	while (!upstream_is_gone(upstream))
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(
		g->loop.counters.value[COUNT_UPSTREAM_REQUESTS], g->loop.counters.value[COUNT_UPSTREAM_ENDED]);
	upstream_free(upstream);
	rig_free(g);
	return 0;
}

static inline uint64_t
counted(const struct rig *g, unsigned counter)
{
	return g->loop.counters.value[counter];
}

static inline struct target
target_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	struct target t;

	t.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(t.fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(t.fd, 100), 0);
	assert_int_equal(getsockname(t.fd, (struct sockaddr *)&at, &len), 0);
	snprintf(t.url, sizeof t.url, "http://127.0.0.1:%u", ntohs(at.sin_port));
	return t;
}

/* The next connection to the target. */
static inline int
target_accept(struct rig *g, const struct target *t)
{
	int fd;

	while ((fd = accept4(t->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		ev_run(g->ev, EVRUN_ONCE);
	return fd;
}

static inline bool
target_has_more(struct rig *g, const struct target *t)
{
	int fd;

	rig_settle(g);
	fd = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static char heard[65536];

/* Reads from the edge until `what` has arrived; `heard` holds everything. */
static inline void
target_expect(struct rig *g, int fd, const char *what)
{
	size_t n = 0;
	ssize_t got;

	heard[0] = '\0';
	while (!strstr(heard, what)) {
		got = read(fd, heard + n, sizeof heard - 1 - n);
		if (got == 0)
			fail_msg("the edge closed before \"%s\": %s", what, heard);
		if (got > 0)
			n += (size_t)got;
		heard[n] = '\0';
		if (got < 0)
			ev_run(g->ev, EVRUN_ONCE);
	}
}

/* Expects that the edge closes its connection. */
static inline void
target_end(struct rig *g, int fd)
{
	ssize_t got;

	while ((got = read(fd, heard, sizeof heard)) != 0 && !(got < 0 && errno == ECONNRESET))
		ev_run(g->ev, EVRUN_ONCE);
}

static inline void
target_say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

#define GET_HEAD(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

#define T(f) cmocka_unit_test_setup_teardown(f, edge_setup, edge_teardown)

#endif
