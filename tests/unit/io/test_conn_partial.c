/* Output that is larger than the part that one connection writes in a turn, here of 1000 bytes. */
#include "tests/unit/io/io_bench.h"

#include "common/io/conn_internal.h"

#define PART 1000
#define CROWD 8

static int
start_small(void **state)
{
	bench_start(state);
	bench.loop.part_bytes = PART;
	return 0;
}

static void
send_pattern(struct probe *p, size_t from, size_t n)
{
	struct block *b = pattern_block(from, n);

	conn_send(p->conn, b, 0, n);
	block_unref(b);
}

static void
close_and_wait(struct probe *p, int peer)
{
	close(peer);
	conn_close(p->conn, REASON_FORCED);
	run_turn();
	probe_fini(p);
}

/* Sends slices of these sizes in turn, `total` bytes together, and expects PART of them in each turn. */
static void
check_turns(const size_t *sizes, size_t count, size_t total)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);
	size_t at = 0;

	buffer_init(&got, 1 << 20);
	for (size_t i = 0; at < total; i++) {
		size_t n = sizes[i % count] < total - at ? sizes[i % count] : total - at;

		send_pattern(&p, at, n);
		at += n;
	}
	for (size_t turn = 1; turn * PART < total; turn++) {
		run_turn();
		peer_read(peer, &got);
		assert_int_equal(got.len, turn * PART);
		assert_int_equal(bench.loop.counters.value[COUNT_WRITES], turn);
		assert_int_equal(p.drains, 0);
		assert_false(wheel_armed(&p.conn->guard)); /* it is not the peer that lets the rest wait */
		assert_true(loop_goes_on());
	}
	run_turn();
	peer_read(peer, &got);
	assert_pattern(&got, total);
	assert_int_equal(p.drains, 1);
	assert_false(loop_goes_on());
	assert_false(wheel_armed(&p.conn->guard));
	bench.loop.counters.value[COUNT_WRITES] = 0;
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

static void
long_output_leaves_in_several_turns(void **state)
{
	static const size_t one[] = {1 << 20}, small[] = {300}, exact[] = {PART / 4}, mixed[] = {5000, 7, 4097, 2};

	(void)state;
	check_turns(one, 1, 2500);
	check_turns(one, 1, 3 * PART);
	check_turns(small, 1, 2500);
	check_turns(exact, 1, 3 * PART);
	check_turns(mixed, 4, 20000);
}

static size_t
answer(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	conn_send_copy(p->conn, "answer", 6);
	return n;
}

/* What comes during long output is served between two parts of it, and follows the output of its own connection. */
static void
others_are_served_between_the_parts(void **state)
{
	struct probe p, other;
	struct buffer got, other_got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);
	int other_peer = probe_open(&other, &probe_limits, &probe_ops);

	(void)state;
	buffer_init(&got, 1 << 20);
	buffer_init(&other_got, 1 << 20);
	p.data = other.data = answer;
	send_pattern(&p, 0, 5 * PART);
	run_turn();
	peer_write(peer, "x");
	peer_write(other_peer, "x");
	run_turn();
	run_turn(); /* the turn of the answers */
	peer_read(other_peer, &other_got);
	assert_got(other_got, "answer");
	peer_read(peer, &got);
	assert_int_equal(got.len, 3 * PART);
	RUN_UNTIL(!loop_goes_on());
	peer_read(peer, &got);
	assert_int_equal(got.len, 5 * PART + 6);
	assert_memory_equal(got.data + 5 * PART, "answer", 6);
	got.len -= 6;
	assert_pattern(&got, 5 * PART);
	buffer_fini(&got);
	buffer_fini(&other_got);
	close_and_wait(&p, peer);
	close_and_wait(&other, other_peer);
}

/* Each turn allows fewer writes than there are connections with output: a service goes first, and all come in turn.
 */
static void
a_service_goes_on_before_a_crowd(void **state)
{
	struct probe p[CROWD], service;
	struct buffer got[CROWD], service_got;
	int peers[CROWD], peer;

	(void)state;
	bench.loop.max_writes = 4;
	buffer_init(&service_got, 1 << 20);
	peer = probe_open(&service, &probe_limits, &probe_ops);
	conn_set_service(service.conn);
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		buffer_init(&got[i], 1 << 20);
		send_pattern(&p[i], 0, 3 * PART);
	}
	send_pattern(&service, 0, 4 * PART);
	for (unsigned turn = 1; turn <= 4; turn++) {
		run_turn();
		peer_read(peer, &service_got);
		assert_int_equal(service_got.len, turn * PART);
	}
	for (unsigned turn = 0; turn < 3 * CROWD && loop_goes_on(); turn++)
		run_turn();
	assert_false(loop_goes_on());
	for (unsigned i = 0; i < CROWD; i++) {
		peer_read(peers[i], &got[i]);
		assert_pattern(&got[i], 3 * PART);
		assert_int_equal(p[i].drains, 1);
		buffer_fini(&got[i]);
		close_and_wait(&p[i], peers[i]);
	}
	assert_pattern(&service_got, 4 * PART);
	buffer_fini(&service_got);
	close_and_wait(&service, peer);
}

/*
 * The bytes of a write count as further writes: of eight clients with large output, four get a part in a turn, and in
 * the first one a fifth by the quarter for those that wait. They take turns.
 */
static void
the_parts_of_all_connections_are_limited(void **state)
{
	enum { PAGES = 7, LARGE = PAGES * LOOP_WRITE_BYTES, PARTS = 3, AT_ONCE = 5 };
	struct probe p[CROWD];
	struct buffer got[CROWD];
	int peers[CROWD];

	(void)state;
	bench.loop.max_writes = 4 * (1 + PAGES);
	bench.loop.part_bytes = LARGE;
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		buffer_init(&got[i], 1 << 20);
		send_pattern(&p[i], 0, PARTS * LARGE);
	}
	for (unsigned turn = 1; loop_goes_on() || turn == 1; turn++) {
		size_t total = 0, least = SIZE_MAX, most = 0;

		run_turn();
		for (unsigned i = 0; i < CROWD; i++) {
			peer_read(peers[i], &got[i]);
			total += got[i].len;
			least = got[i].len < least ? got[i].len : least;
			most = got[i].len > most ? got[i].len : most;
		}
		assert_true(most - least <= LARGE);
		assert_in_range(total, 0, turn * AT_ONCE * LARGE);
		assert_true(total >= turn * 4 * LARGE || total == CROWD * PARTS * LARGE);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		assert_pattern(&got[i], PARTS * LARGE);
		assert_int_equal(p[i].drains, 1);
		buffer_fini(&got[i]);
		close_and_wait(&p[i], peers[i]);
	}
}

/* conn_finish() and conn_end() close the direction behind the last part; conn_close() drops what is left. */
static void
an_end_comes_behind_the_last_part(void **state)
{
	enum { FINISHED, ENDED, CLOSED, WAYS };
	struct block *b = pattern_block(0, 3 * PART);
	struct probe p[WAYS];
	struct buffer got;
	int peers[WAYS];

	(void)state;
	for (unsigned i = 0; i < WAYS; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		conn_send(p[i].conn, b, 0, b->len);
	}
	run_turn();
	assert_int_equal(b->refs, 1 + WAYS);
	conn_finish(p[FINISHED].conn, REASON_FINISHED);
	conn_end(p[ENDED].conn);
	conn_close(p[CLOSED].conn, REASON_FORCED);
	run_turn();
	assert_int_equal(p[CLOSED].closings, 1);
	assert_int_equal(b->refs, WAYS);
	RUN_UNTIL(!loop_goes_on());
	assert_int_equal(b->refs, 1);
	for (unsigned i = 0; i < WAYS; i++) {
		buffer_init(&got, 1 << 20);
		assert_false(peer_read(peers[i], &got));
		assert_pattern(&got, i == CLOSED ? PART : 3 * PART);
		buffer_fini(&got);
		close(peers[i]);
		RUN_UNTIL(p[i].closings == 1);
		probe_fini(&p[i]);
	}
	assert_int_equal(p[FINISHED].reason, REASON_FINISHED);
	block_unref(b);
}

/* The kernel has room for everything, so a full queue is written at once, over more than the bytes of a turn. */
static void
a_full_queue_is_written_as_far_as_necessary(void **state)
{
	struct conn_limits limits = probe_limits;
	struct buffer got;
	struct probe p;
	int peer;

	(void)state;
	limits.max_queue = 10 * PART;
	buffer_init(&got, 1 << 20);
	peer = probe_open(&p, &limits, &probe_ops);
	send_pattern(&p, 0, 9 * PART);
	send_pattern(&p, 9 * PART, 5 * PART);
	assert_false(conn_dead(p.conn));
	assert_int_equal(bench.loop.counters.value[COUNT_WRITES], 5); /* what has room in the queue stays there */
	RUN_UNTIL(conn_queued(p.conn) == 0);
	peer_read(peer, &got);
	assert_pattern(&got, 14 * PART);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

/* What is written of a corked queue to make room may fill the kernel's buffer; the rest follows once the cork is out.
 */
static void
a_corked_queue_that_is_blocked_goes_on(void **state)
{
	enum { ALL = 8 << 20 };
	struct conn_limits limits = probe_limits;
	struct buffer got;
	struct probe p;
	int peer;

	(void)state;
	limits.max_queue = 0;
	buffer_init(&got, ALL);
	peer = probe_open(&p, &limits, &probe_ops);
	conn_cork(p.conn);
	send_pattern(&p, 0, ALL);
	conn_write_now(p.conn);
	assert_true(p.conn->blocked);
	run_turn();
	conn_uncork(p.conn);
	RUN_UNTIL(!peer_read(peer, &got) || got.len == ALL);
	assert_pattern(&got, ALL);
	buffer_fini(&got);
	close_and_wait(&p, peer);
}

#define PARTIAL_CASE(name) cmocka_unit_test_setup_teardown(name, start_small, bench_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PARTIAL_CASE(long_output_leaves_in_several_turns),
		PARTIAL_CASE(others_are_served_between_the_parts),
		PARTIAL_CASE(a_service_goes_on_before_a_crowd),
		PARTIAL_CASE(the_parts_of_all_connections_are_limited),
		PARTIAL_CASE(an_end_comes_behind_the_last_part),
		PARTIAL_CASE(a_full_queue_is_written_as_far_as_necessary),
		PARTIAL_CASE(a_corked_queue_that_is_blocked_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
