/* A whole server on port 0 in the test's own loop, and a client of one request. */
#ifndef TESTS_UNIT_PROCESS_SERVER_BENCH_H
#define TESTS_UNIT_PROCESS_SERVER_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "common/io/log.h"
#include "node/process/server.h"
#include "tests/unit/process/scratch.h"

#define PATIENCE_S 10

struct fixture {
	struct ev_loop *ev;
	sio_server *io;
	struct scratch scratch;
	char error[SIO_ERROR_LINE];
	char log[8192];
	size_t log_len;
	int done, stops, works;
	char reply[65536];
};

static inline void
on_log(void *arg, enum log_level level, const char *line, size_t n)
{
	struct fixture *f = arg;

	(void)level;
	assert_true(f->log_len + n < sizeof f->log);
	memcpy(f->log + f->log_len, line, n);
	f->log_len += n;
	f->log[f->log_len] = 0;
}

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	scratch_init(&f->scratch);
	log_set_sink(on_log, f);
	f->ev = ev_loop_new(EVFLAG_AUTO);
	f->io = sio_server_new(f->ev);
	assert_int_equal(sio_set_option(f->io, "host", "127.0.0.1", f->error), SIO_OK);
	assert_int_equal(sio_set_option(f->io, "port", "0", f->error), SIO_OK);
	*state = f;
	return 0;
}

static inline double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void
on_done(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	assert_ptr_equal(io, f->io);
	f->done++;
}

static inline void
on_wake(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)w;
	(void)events;
}

/* Runs one turn of the loop, of at most 20 ms. */
static inline void
turn(struct fixture *f)
{
	ev_timer wake;

	ev_timer_init(&wake, on_wake, 0.02, 0.);
	ev_timer_start(f->ev, &wake);
	ev_run(f->ev, EVRUN_ONCE);
	ev_timer_stop(f->ev, &wake);
}

static inline void
close_server(struct fixture *f)
{
	double deadline = now() + PATIENCE_S;

	sio_close(f->io, on_done, f);
	assert_int_equal(f->done, 0); /* never from within the call */
	while (!f->done && now() < deadline)
		turn(f);
	assert_int_equal(f->done, 1);
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->io && sio_port(f->io) && !f->done)
		close_server(f);
	sio_server_free(f->io);
	ev_loop_destroy(f->ev);
	log_set_sink(NULL, NULL);
	scratch_fini(&f->scratch);
	free(f);
	return 0;
}

static inline void
set(struct fixture *f, const char *name, const char *value)
{
	assert_int_equal(sio_set_option(f->io, name, value, f->error), SIO_OK);
}

static inline void
listen_on(struct fixture *f)
{
	if (sio_listen(f->io, f->error) != SIO_OK)
		fail_msg("%s", f->error);
	assert_int_not_equal(sio_port(f->io), 0);
}

static inline int
connect_to(struct fixture *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(sio_port(f->io))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Reads until `until` has arrived; if it is NULL, until the server closes the connection. */
static inline const char *
read_reply(struct fixture *f, int fd, const char *until)
{
	double deadline = now() + PATIENCE_S;
	size_t len = 0;

	f->reply[0] = 0;
	for (;;) {
		ssize_t n = recv(fd, f->reply + len, sizeof f->reply - 1 - len, 0);

		if (n > 0) {
			len += (size_t)n;
			f->reply[len] = 0;
		}
		if (n == 0 || (n < 0 && errno != EAGAIN))
			assert_null(until);
		if (until ? strstr(f->reply, until) != NULL : n == 0)
			return f->reply;
		if (now() > deadline)
			fail_msg("no more after: %s", f->reply);
		turn(f);
	}
}

static inline const char *
get(struct fixture *f, const char *path, const char *until)
{
	char request[512];
	int fd = connect_to(f);
	int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);

	assert_int_equal(send(fd, request, (size_t)n, 0), n);
	read_reply(f, fd, until);
	close(fd);
	return f->reply;
}

#endif
