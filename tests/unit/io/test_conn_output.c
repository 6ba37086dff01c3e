/* The output queue of a plain connection and its flush. */
#include "tests/unit/io/io_bench.h"

#include "common/io/conn_internal.h"

static uint64_t
writes(void)
{
	return bench.loop.counters.value[COUNT_WRITES];
}

static void
close_and_wait(struct probe *p, int peer)
{
	close(peer);
	conn_close(p->conn, REASON_FORCED);
	run_turn();
	probe_fini(p);
}

static void
messages_of_a_turn_leave_in_one_write(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);
	size_t at = 0;

	(void)state;
	buffer_init(&got, 1 << 20);
	for (int i = 0; i < 500; i++) {
		struct block *b = pattern_block(at, 20);

		conn_send(p.conn, b, 0, 20);
		block_unref(b);
		at += 20;
	}
	assert_int_equal(writes(), 0);
	assert_int_equal(conn_queued(p.conn), 10000);
	run_turn();
	assert_int_equal(writes(), 1);
	assert_int_equal(p.drains, 1);
	assert_int_equal(conn_queued(p.conn), 0);
	assert_int_equal(bench.loop.counters.value[COUNT_BYTES_OUT], 10000);
	assert_null(p.conn->out.head);
	peer_read(peer, &got);
	assert_pattern(&got, at);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

/* Small and large slices alternate, blocks are cut at odd places, the queue has several chunks. */
static void
mixed_sizes_arrive_in_order(void **state)
{
	static const size_t sizes[] = {1, 5000, 3, 4096, 4097, 2, 2, 60000, 1, 100};
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);
	size_t at = 0;

	(void)state;
	buffer_init(&got, 64 << 20);
	for (int i = 0; i < 200; i++) {
		size_t n = sizes[i % 10];
		struct block *b = block_new(n + 7);

		for (size_t k = 0; k < n; k++)
			b->data[3 + k] = pattern(at + k);
		memset(b->data, 255, 3);
		memset(b->data + 3 + n, 255, 4);
		conn_send(p.conn, b, 3, n);
		block_unref(b);
		at += n;
	}
	conn_send_copy(p.conn, NULL, 0);
	assert_int_equal(conn_queued(p.conn), at);
	RUN_UNTIL((peer_read(peer, &got), got.len == at));
	assert_pattern(&got, at);
	RUN_UNTIL(p.drains);
	assert_int_equal(p.drains, 1);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
a_block_is_shared_and_let_go(void **state)
{
	struct probe p[3];
	int peers[3];
	struct block *b = block_copy("shared", 6);

	(void)state;
	for (int i = 0; i < 3; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		conn_send(p[i].conn, b, 0, 6);
	}
	assert_int_equal(b->refs, 4);
	conn_close(p[2].conn, REASON_FORCED); /* dropped unsent */
	run_turn();
	assert_int_equal(b->refs, 1);
	block_unref(b);
	for (int i = 0; i < 2; i++) {
		struct buffer got;

		buffer_init(&got, 100);
		peer_read(peers[i], &got);
		assert_got(got, "shared");
		buffer_fini(&got);
		close_and_wait(&p[i], peers[i]);
	}
	close(peers[2]);
	probe_fini(&p[2]);
}

/* The kernel takes little at a time: everything arrives in order, without a useless write per turn. */
static void
partial_writes_go_on_when_the_peer_reads(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops), tiny = 1;
	size_t total = 0;

	(void)state;
	buffer_init(&got, 8 << 20);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	for (size_t n = 1; total < 1000000; n = n * 3 % 30011) {
		struct block *b = pattern_block(total, n);

		conn_send(p.conn, b, 0, n);
		block_unref(b);
		total += n;
	}
	run_turn();
	uint64_t stuck = writes();
	assert_int_equal(stuck, 1); /* after a short write, another one would be useless */
	for (int i = 0; i < 5; i++)
		run_turn(); /* the connection does not try to write while the peer does not read */
	assert_int_equal(writes(), stuck);
	assert_int_equal(p.drains, 0);
	while (got.len < total) {
		uint8_t piece[1500];
		ssize_t n = recv(peer, piece, sizeof(piece), MSG_DONTWAIT);

		if (n > 0)
			buffer_add(&got, piece, (size_t)n);
		run_turn();
	}
	assert_pattern(&got, total);
	assert_int_equal(p.drains, 1);
	assert_false(wheel_armed(&p.conn->guard));
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
send_more_on_drain(struct probe *p)
{
	if (p->extra > 0) {
		p->extra--;
		conn_send_copy(p->conn, "again ", 6);
	}
}

static void
sending_in_on_drain_goes_out_in_the_same_turn(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	buffer_init(&got, 1000);
	p.drain = send_more_on_drain;
	p.extra = 2;
	conn_send_copy(p.conn, "first ", 6);
	run_turn();
	peer_read(peer, &got);
	assert_got(got, "first again again ");
	assert_int_equal(p.drains, 3);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
endless_draining_does_not_starve_the_others(void **state)
{
	struct probe busy, other;
	struct buffer got;
	int peer = probe_open(&busy, &probe_limits, &probe_ops);
	int other_peer = probe_open(&other, &probe_limits, &probe_ops);

	(void)state;
	buffer_init(&got, 64 << 20);
	busy.drain = send_more_on_drain;
	busy.extra = 1000000;
	conn_send_copy(busy.conn, "first ", 6);
	peer_write(other_peer, "hello");
	for (int i = 0; i < 3 && other.got.len == 0; i++) {
		run_turn();
		peer_read(peer, &got);
	}
	assert_got(other.got, "hello");
	assert_true(busy.extra > 999000);
	buffer_fini(&got);
	close_and_wait(&busy, peer);
	close_and_wait(&other, other_peer);
}

/* ------------------------------------------------------------- limits */

static void
a_peer_that_does_not_read_is_cut_at_max_queue(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *b = pattern_block(0, 1000);
	int peer, tiny = 1;

	(void)state;
	limits.max_queue = 100000;
	peer = probe_open(&p, &limits, &probe_ops);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	for (int i = 0; i < 1000 && !conn_dead(p.conn); i++) {
		conn_send(p.conn, b, 0, 1000);
		assert_true(conn_queued(p.conn) <= 100000);
		assert_int_equal(p.closings, 0); /* no callback runs inside the call */
	}
	assert_true(conn_dead(p.conn));
	run_turn();
	assert_int_equal(p.reason, REASON_SLOW_READER);
	assert_int_equal(b->refs, 1);
	block_unref(b);
	close(peer);
	probe_fini(&p);
}

/* A reader that keeps up is not slow because one turn queues much. */
static void
one_busy_turn_does_not_make_a_slow_reader(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct buffer got;
	struct block *b = pattern_block(0, 251);
	int peer;

	(void)state;
	buffer_init(&got, 1 << 20);
	limits.max_queue = 10000;
	peer = probe_open(&p, &limits, &probe_ops);
	for (int i = 0; i < 100; i++)
		conn_send(p.conn, b, 0, 251);
	block_unref(b);
	RUN_UNTIL((peer_read(peer, &got), got.len == 25100));
	assert_pattern(&got, 25100);
	assert_true(p.drains > 0);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
tiny_messages_count_with_what_they_cost(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *b = block_copy("x", 1);
	int peer, tiny = 1;
	unsigned queued = 0;

	(void)state;
	limits.max_queue = 100000;
	peer = probe_open(&p, &limits, &probe_ops);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	struct block *fill = pattern_block(0, 50000);
	conn_send(p.conn, fill, 0, 50000);
	block_unref(fill);
	run_turn();
	while (!conn_dead(p.conn)) {
		conn_send(p.conn, b, 0, 1);
		queued++;
		assert_true(queued < 10000);
	}
	run_turn();
	assert_int_equal(p.reason, REASON_SLOW_READER);
	assert_true(queued > 100);
	block_unref(b);
	close(peer);
	probe_fini(&p);
}

static void
a_single_piece_over_max_queue_is_refused(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *b = pattern_block(0, 5000);
	int peer;

	(void)state;
	limits.max_queue = 5000;
	peer = probe_open(&p, &limits, &probe_ops);
	conn_send(p.conn, b, 0, 5000);
	assert_true(conn_dead(p.conn));
	run_turn();
	assert_int_equal(p.reason, REASON_SLOW_READER);
	block_unref(b);
	close(peer);
	probe_fini(&p);
}

static void
a_peer_that_takes_nothing_for_the_stall_time_is_cut(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *b = pattern_block(0, 1000000);
	uint64_t start;
	int peer, tiny = 1;

	(void)state;
	limits.stall_ms = 60;
	peer = probe_open(&p, &limits, &probe_ops);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	conn_send(p.conn, b, 0, 1000000);
	block_unref(b);
	start = bench_clock();
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_STALLED);
	assert_true(bench_clock() >= start + 60);
	close(peer);
	probe_fini(&p);
}

/* Each byte that the peer takes restarts its time limit: it is slow, but not stalled. */
static void
progress_puts_the_stall_off(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *b = pattern_block(0, 1000000);
	struct buffer got;
	uint64_t start, last;
	int peer, tiny = 1;

	(void)state;
	buffer_init(&got, 8 << 20);
	limits.stall_ms = 1500;
	peer = probe_open(&p, &limits, &probe_ops);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	conn_send(p.conn, b, 0, 1000000);
	block_unref(b);
	run_turn();
	start = last = bench_clock();
	while (bench_clock() < start + 3000) {
		ev_run(bench.ev, EVRUN_NOWAIT);
		if (bench_clock() >= last + 20) {
			uint8_t piece[3000];

			last = bench_clock();
			(void)!recv(peer, piece, sizeof(piece), MSG_DONTWAIT);
		}
	}
	assert_int_equal(p.closings, 0);
	assert_true(conn_queued(p.conn) > 0);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
finish_waits_for_a_slow_reader_and_a_stalled_one_is_cut(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p, q;
	struct buffer got;
	struct block *b = pattern_block(0, 500000);
	int peer, stalled, tiny = 1;

	(void)state;
	buffer_init(&got, 8 << 20);
	limits.stall_ms = 50;
	peer = probe_open(&p, &probe_limits, &probe_ops);
	stalled = probe_open(&q, &limits, &probe_ops);
	setsockopt(conn_fd(p.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	setsockopt(conn_fd(q.conn), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
	conn_send(p.conn, b, 0, 500000);
	conn_send(q.conn, b, 0, 500000);
	block_unref(b);
	conn_finish(p.conn, REASON_FINISHED);
	conn_finish(q.conn, REASON_TOO_MANY);
	RUN_UNTIL(q.closings);
	assert_int_equal(q.reason, REASON_TOO_MANY); /* the first reason stays */
	assert_int_equal(p.closings, 0);
	RUN_UNTIL(!peer_read(peer, &got));
	assert_pattern(&got, 500000);
	close(peer);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_FINISHED);
	buffer_fini(&got);
	close(stalled);
	probe_fini(&p);
	probe_fini(&q);
}

/* Writing to a closed peer ends with a reason, never with SIGPIPE. */
static void
writing_to_a_closed_peer_is_a_reset(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	close(peer);
	RUN_UNTIL(p.eofs);
	conn_send_copy(p.conn, "x", 1);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_RESET);
	probe_fini(&p);
}

/* Queue chunks go back to the loop, and an idle connection owns none. */
static void
queue_pieces_are_used_again(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);
	uint32_t spare;

	(void)state;
	for (int i = 0; i < 100; i++)
		conn_send_copy(p.conn, "x", 1);
	run_turn();
	spare = bench.loop.spare_count;
	assert_true(spare > 0);
	assert_null(p.conn->out.head);
	assert_null(p.conn->out.tail);
	for (int i = 0; i < 100; i++)
		conn_send_copy(p.conn, "x", 1);
	assert_true(bench.loop.spare_count < spare);
	run_turn();
	assert_int_equal(bench.loop.spare_count, spare);
	close_and_wait(&p, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(messages_of_a_turn_leave_in_one_write),
		CASE(mixed_sizes_arrive_in_order),
		CASE(a_block_is_shared_and_let_go),
		CASE(partial_writes_go_on_when_the_peer_reads),
		CASE(sending_in_on_drain_goes_out_in_the_same_turn),
		CASE(endless_draining_does_not_starve_the_others),
		CASE(a_peer_that_does_not_read_is_cut_at_max_queue),
		CASE(one_busy_turn_does_not_make_a_slow_reader),
		CASE(tiny_messages_count_with_what_they_cost),
		CASE(a_single_piece_over_max_queue_is_refused),
		CASE(a_peer_that_takes_nothing_for_the_stall_time_is_cut),
		CASE(progress_puts_the_stall_off),
		CASE(finish_waits_for_a_slow_reader_and_a_stalled_one_is_cut),
		CASE(writing_to_a_closed_peer_is_a_reset),
		CASE(queue_pieces_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
