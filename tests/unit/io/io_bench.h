/* What the tests of the io layer share: a loop driven until a condition holds, and an owner that records its calls.
 */
#ifndef TESTS_UNIT_IO_BENCH_H
#define TESTS_UNIT_IO_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/io/conn.h"
#include "common/io/loop.h"

#define UNUSED __attribute__((unused))

/* ------------------------------------------------------------ the loop */

struct bench {
	struct ev_loop *ev;
	struct loop loop;
	struct ev_timer tick; /* wakes the poll so that a condition that stays false is noticed */
};

static struct bench bench;

static void
bench_tick(struct ev_loop *ev, struct ev_timer *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;
}

UNUSED static int
bench_start(void **state)
{
	(void)state;
	bench.ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&bench.loop, bench.ev);
	ev_timer_init(&bench.tick, bench_tick, 0.1, 0.1);
	ev_timer_start(bench.ev, &bench.tick);
	return 0;
}

UNUSED static int
bench_stop(void **state)
{
	(void)state;
	loop_finish_turn(&bench.loop);
	assert_int_equal(bench.loop.connections, 0);
	loop_fini(&bench.loop);
	ev_timer_stop(bench.ev, &bench.tick);
	ev_loop_destroy(bench.ev);
	return 0;
}

UNUSED static uint64_t
bench_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Ends the turn here: the next ev_run() would wait although the condition has become true. */
#define RUN_UNTIL(condition)                                                                                         \
	do {                                                                                                         \
		uint64_t deadline_ = bench_clock() + 60000;                                                          \
		while (!(condition)) {                                                                               \
			if (bench_clock() > deadline_)                                                               \
				fail_msg("never came true: %s", #condition);                                         \
			ev_run(bench.ev, EVRUN_ONCE);                                                                \
			loop_finish_turn(&bench.loop);                                                               \
		}                                                                                                    \
	} while (0)

/* One turn without waiting. */
UNUSED static void
run_turn(void)
{
	ev_run(bench.ev, EVRUN_NOWAIT);
}

/* True if the next poll will not wait because work is left that no event announces. */
UNUSED static bool
loop_goes_on(void)
{
	return ev_is_active(&bench.loop.no_wait);
}

/* ------------------------------------------------------------ the owner */

struct probe {
	struct conn *conn;
	struct buffer got;
	unsigned datas, drains, eofs, closings;
	unsigned reason;
	size_t (*data)(struct probe *p, uint8_t *at, size_t n); /* NULL: consumes everything */
	void (*drain)(struct probe *p);
	void (*eof)(struct probe *p);
	void (*closed)(struct probe *p);
	size_t extra; /* free for the test's use */
	struct probe *next;
};

static size_t
probe_on_data(struct conn *c, uint8_t *at, size_t n)
{
	struct probe *p = conn_owner(c);

	assert_ptr_equal(c, p->conn);
	assert_int_equal(p->closings, 0);
	assert_false(conn_dead(c));
	p->datas++;
	if (p->data != NULL)
		return p->data(p, at, n);
	buffer_add(&p->got, at, n);
	return n;
}

static void
probe_on_drain(struct conn *c)
{
	struct probe *p = conn_owner(c);

	assert_int_equal(conn_queued(c), 0);
	p->drains++;
	if (p->drain != NULL)
		p->drain(p);
}

static void
probe_on_eof(struct conn *c)
{
	struct probe *p = conn_owner(c);

	p->eofs++;
	if (p->eof != NULL)
		p->eof(p);
}

static void
probe_on_closed(struct conn *c, unsigned reason)
{
	struct probe *p = conn_owner(c);

	assert_true(conn_dead(c));
	p->closings++;
	p->reason = reason;
	if (p->closed != NULL)
		p->closed(p);
	p->conn = NULL;
}

UNUSED static const struct conn_ops probe_ops = {probe_on_data, probe_on_drain, NULL, probe_on_closed};
UNUSED static const struct conn_ops probe_ops_eof = {probe_on_data, probe_on_drain, probe_on_eof, probe_on_closed};

UNUSED static const struct conn_limits probe_limits = {
	.max_queue = 64 << 20, .max_kept = 64 * 1024, .stall_ms = 20000, .tls_ms = 20000, .linger_ms = 20000};

UNUSED static void
probe_init(struct probe *p)
{
	*p = (struct probe){0};
	buffer_init(&p->got, 64 << 20);
}

UNUSED static void
probe_fini(struct probe *p)
{
	assert_int_equal(p->closings, 1);
	buffer_fini(&p->got);
}

/* Opens a connection on one end of a socket pair and returns the other end (non-blocking). */
UNUSED static int
probe_open(struct probe *p, const struct conn_limits *limits, const struct conn_ops *ops)
{
	int ends[2];

	probe_init(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	p->conn = conn_new(&bench.loop, ends[0], NULL, 0, NULL, limits, ops, p);
	return ends[1];
}

/* Reads everything that has arrived; false at the end of file. */
UNUSED static bool
peer_read(int fd, struct buffer *into)
{
	for (;;) {
		uint8_t bytes[4096];
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n == 0)
			return false;
		if (n < 0)
			return errno == EAGAIN;
		buffer_add(into, bytes, (size_t)n);
	}
}

UNUSED static void
peer_write(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Bytes whose period is not a multiple of a power of two, so that lost and doubled pieces show. */
UNUSED static uint8_t
pattern(size_t at)
{
	return (uint8_t)(at % 251);
}

UNUSED static struct block *
pattern_block(size_t from, size_t n)
{
	struct block *b = block_new(n);

	for (size_t i = 0; i < n; i++)
		b->data[i] = pattern(from + i);
	return b;
}

UNUSED static void
assert_pattern(const struct buffer *b, size_t n)
{
	assert_int_equal(buffer_error(b), 0);
	assert_int_equal(b->len, n);
	for (size_t i = 0; i < n; i++)
		if (b->data[i] != pattern(i))
			fail_msg("byte %zu is wrong", i);
}

#define assert_got(buffer, literal)                                                                                  \
	do {                                                                                                         \
		assert_int_equal((buffer).len, sizeof(literal) - 1);                                                 \
		assert_memory_equal((buffer).data, literal, sizeof(literal) - 1);                                    \
	} while (0)

/* For on_data: consumes nothing and notes the length. */
static inline size_t
take_nothing(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	p->extra = n;
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_start, bench_stop)

#endif
