/* How a plain connection ends: closing anywhere, half close, finishing, its deadline. */
#include "tests/unit/io/io_bench.h"

#include "common/io/conn_internal.h"

static size_t
close_in_data(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	conn_close(p->conn, REASON_FORCED);
	conn_close(p->conn, REASON_RESET);
	assert_int_equal(p->closings, 0);
	return n / 2;
}

static void
close_in_drain(struct probe *p)
{
	conn_close(p->conn, REASON_FORCED);
}

static void
use_after_death(struct probe *p)
{
	conn_close(p->conn, REASON_RESET);
	conn_finish(p->conn, REASON_RESET);
	conn_send_copy(p->conn, "late", 4);
	conn_resume(p->conn);
	conn_set_deadline(p->conn, 1, NULL);
}

static void
close_on_deadline(struct conn *c)
{
	conn_close(c, REASON_FORCED);
}

static void
closing_works_in_every_callback_and_calls_on_closed_once(void **state)
{
	(void)state;
	for (int where = 0; where < 5; where++) {
		struct probe p;
		int peer = probe_open(&p, &probe_limits, where == 2 ? &probe_ops_eof : &probe_ops);

		p.closed = use_after_death;
		if (where == 0) {
			p.data = close_in_data;
			peer_write(peer, "data");
		} else if (where == 1) {
			p.drain = close_in_drain;
			conn_send_copy(p.conn, "x", 1);
		} else if (where == 2) {
			p.eof = close_in_drain;
			shutdown(peer, SHUT_WR);
		} else if (where == 3) {
			conn_set_deadline(p.conn, 1, close_on_deadline);
		} else {
			conn_close(p.conn, REASON_FORCED);
			conn_send_copy(p.conn, "never", 5);
			assert_int_equal(p.closings, 0);
		}
		RUN_UNTIL(p.closings);
		run_turn();
		run_turn();
		assert_int_equal(p.reason, REASON_FORCED);
		assert_int_equal(bench.loop.closed[REASON_FORCED], where + 1);
		assert_int_equal(bench.loop.closed[REASON_RESET], 0);
		probe_fini(&p);
		close(peer);
	}
}

/* Callbacks close other connections of the same turn. */
static struct probe many[8];

static size_t
close_all(struct probe *p, uint8_t *at, size_t n)
{
	(void)p;
	(void)at;
	for (size_t i = 0; i < 8; i++)
		if (many[i].conn != NULL)
			conn_close(many[i].conn, REASON_FORCED);
	return n;
}

static void
close_all_in_drain(struct probe *p)
{
	close_all(p, NULL, 0);
}

static void
close_all_in_closed(struct probe *p)
{
	close_all(p, NULL, 0);
}

static void
a_callback_may_close_its_neighbours(void **state)
{
	(void)state;
	for (int where = 0; where < 3; where++) {
		int peers[8];

		for (size_t i = 0; i < 8; i++) {
			peers[i] = probe_open(&many[i], &probe_limits, &probe_ops);
			if (where == 0) {
				many[i].data = close_all;
				peer_write(peers[i], "x");
			} else if (where == 1) {
				many[i].drain = close_all_in_drain;
				conn_send_copy(many[i].conn, "x", 1);
			} else {
				many[i].closed = close_all_in_closed;
			}
		}
		if (where == 2)
			conn_close(many[3].conn, REASON_FORCED);
		RUN_UNTIL(bench.loop.connections == 0);
		assert_int_equal(bench.loop.closed[REASON_FORCED], 8 * (where + 1));
		for (size_t i = 0; i < 8; i++) {
			probe_fini(&many[i]);
			close(peers[i]);
		}
	}
}

static void
a_reset_closes_with_its_reason(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	/* closing a Unix socket with unread bytes resets it */
	conn_send_copy(p.conn, "unread", 6);
	run_turn();
	close(peer);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_RESET);
	probe_fini(&p);
}

static void
answer_and_finish(struct probe *p)
{
	assert_int_equal(p->eofs, 1);
	conn_send_copy(p->conn, "answer", 6);
	conn_finish(p->conn, REASON_FINISHED);
}

static void
after_a_half_close_answers_still_go_out(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	buffer_init(&got, 1000);
	p.data = take_nothing;
	p.eof = answer_and_finish;
	peer_write(peer, "request");
	shutdown(peer, SHUT_WR);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.eofs, 1);
	assert_int_equal(p.reason, REASON_FINISHED);
	assert_false(peer_read(peer, &got));
	assert_got(got, "answer");
	buffer_fini(&got);
	close(peer);
	probe_fini(&p);
}

/* A half-closed connection must not spin on its readable end. */
static void
what_is_queued_reaches_a_peer_that_has_ended(void **state)
{
	struct buffer got;
	struct probe p;
	struct block *block = pattern_block(0, 4 << 20);
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	buffer_init(&got, 8 << 20);
	conn_send(p.conn, block, 0, block->len);
	shutdown(peer, SHUT_WR);
	for (int i = 0; i < 5; i++)
		run_turn();
	assert_int_equal(p.closings, 0);
	while (peer_read(peer, &got))
		run_turn();
	assert_pattern(&got, 4 << 20);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	block_unref(block);
	buffer_fini(&got);
	probe_fini(&p);
	close(peer);
}

static void
a_peer_that_has_ended_and_takes_nothing_is_cut(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct block *block = pattern_block(0, 4 << 20);
	int peer;

	(void)state;
	limits.stall_ms = 0; /* afterwards the linger time is the limit */
	limits.linger_ms = 20;
	peer = probe_open(&p, &limits, &probe_ops);
	conn_send(p.conn, block, 0, block->len);
	shutdown(peer, SHUT_WR);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	block_unref(block);
	probe_fini(&p);
	close(peer);
}

static void
after_a_half_close_the_loop_rests(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);
	uint64_t reads;

	(void)state;
	shutdown(peer, SHUT_WR);
	RUN_UNTIL(p.eofs);
	reads = bench.loop.counters.value[COUNT_READS];
	for (int i = 0; i < 5; i++)
		run_turn();
	assert_int_equal(bench.loop.counters.value[COUNT_READS], reads);
	assert_false(ev_is_active(&p.conn->io));
	assert_int_equal(p.eofs, 1);
	conn_close(p.conn, REASON_FORCED);
	run_turn();
	close(peer);
	probe_fini(&p);
}

static void
finish_sends_what_is_queued_then_fin_and_waits_for_the_peers(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	buffer_init(&got, 1000);
	conn_send_copy(p.conn, "bye", 3);
	conn_finish(p.conn, REASON_FINISHED);
	conn_finish(p.conn, REASON_FORCED);
	conn_send_copy(p.conn, "ignored", 7);
	assert_true(conn_finishing(p.conn));
	assert_false(conn_dead(p.conn));
	RUN_UNTIL(!peer_read(peer, &got));
	assert_got(got, "bye");
	peer_write(peer, "input after the end is thrown away");
	for (int i = 0; i < 3; i++)
		run_turn();
	assert_int_equal(p.closings, 0);
	assert_int_equal(p.datas + p.drains, 0);
	close(peer);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_FINISHED);
	buffer_fini(&got);
	probe_fini(&p);
}

static size_t
finish_in_data(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	(void)n;
	conn_finish(p->conn, REASON_TOO_MANY);
	return 1;
}

static void
finish_inside_on_data_drops_the_rest(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	p.data = finish_in_data;
	peer_write(peer, "several bytes");
	RUN_UNTIL(p.datas);
	peer_write(peer, "more");
	for (int i = 0; i < 3; i++)
		run_turn();
	assert_int_equal(p.datas, 1);
	shutdown(peer, SHUT_WR);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_TOO_MANY);
	close(peer);
	probe_fini(&p);
}

static void
a_peer_that_never_ends_is_cut_after_the_linger_time(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	uint64_t start;
	int peer;

	(void)state;
	limits.linger_ms = 40;
	peer = probe_open(&p, &limits, &probe_ops);
	run_turn();
	start = bench_clock();
	conn_finish(p.conn, REASON_FINISHED);
	while (!p.closings) {
		peer_write(peer, "endless");
		ev_run(bench.ev, EVRUN_ONCE);
		assert_true(bench_clock() < start + 10000);
	}
	assert_true(bench_clock() >= start + 40);
	assert_int_equal(p.reason, REASON_FINISHED);
	close(peer);
	probe_fini(&p);
}

static void
without_a_linger_time_finish_closes_once_all_is_sent(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct buffer got;
	int peer;

	(void)state;
	buffer_init(&got, 1000);
	limits.linger_ms = 0;
	peer = probe_open(&p, &limits, &probe_ops);
	conn_send_copy(p.conn, "bye", 3);
	conn_finish(p.conn, REASON_FINISHED);
	run_turn();
	assert_int_equal(p.closings, 1);
	assert_false(peer_read(peer, &got));
	assert_got(got, "bye");
	buffer_fini(&got);
	close(peer);
	probe_fini(&p);
}

static void
all_connections_of_a_loop_can_be_finished(void **state)
{
	struct probe a, b;
	int peer_a = probe_open(&a, &probe_limits, &probe_ops), peer_b = probe_open(&b, &probe_limits, &probe_ops);

	(void)state;
	conn_close(b.conn, REASON_FORCED);
	conn_finish_all(&bench.loop, REASON_SHUTDOWN);
	close(peer_a);
	close(peer_b);
	RUN_UNTIL(bench.loop.connections == 0);
	assert_int_equal(a.reason, REASON_SHUTDOWN);
	assert_int_equal(b.reason, REASON_FORCED);
	probe_fini(&a);
	probe_fini(&b);
}

static struct probe writers[4]; /* a client, two services, and a service that is ahead */
static char written[8];

static void
note_written(struct probe *p)
{
	written[strlen(written)] = (char)('0' + (p - writers));
}

static void
services_are_written_first_and_one_ahead_of_them(void **state)
{
	int peers[4];

	(void)state;
	memset(written, 0, sizeof written);
	for (int i = 0; i < 4; i++) {
		peers[i] = probe_open(&writers[i], &probe_limits, &probe_ops);
		writers[i].drain = note_written;
		if (i > 0)
			conn_set_service(writers[i].conn);
	}
	conn_set_ahead(writers[3].conn);
	for (int i = 0; i < 4; i++)
		conn_send_copy(writers[i].conn, "x", 1);
	RUN_UNTIL(strlen(written) == 4);
	assert_int_equal(written[0], '3');
	assert_int_equal(written[3], '0');
	memset(written, 0, sizeof written);
	for (int i = 3; i >= 0; i--)
		conn_send_copy(writers[i].conn, "x", 1);
	RUN_UNTIL(strlen(written) == 4);
	assert_int_equal(written[0], '3');
	assert_int_equal(written[3], '0');
	for (int i = 0; i < 4; i++)
		conn_close(writers[i].conn, REASON_FORCED);
	RUN_UNTIL(bench.loop.connections == 0 && bench.loop.services == 0);
	for (int i = 0; i < 4; i++) {
		close(peers[i]);
		probe_fini(&writers[i]);
	}
}

static void
a_service_is_not_counted_as_a_client(void **state)
{
	struct probe a, b;
	int peer_a = probe_open(&a, &probe_limits, &probe_ops), peer_b = probe_open(&b, &probe_limits, &probe_ops);
	uint64_t in = bench.loop.counters.value[COUNT_BYTES_IN], out = bench.loop.counters.value[COUNT_BYTES_OUT];

	(void)state;
	conn_send_copy(a.conn, "xyz", 3);
	assert_int_equal(bench.loop.queued, 3);
	conn_set_service(a.conn);
	assert_int_equal(bench.loop.queued, 0);
	assert_int_equal(bench.loop.service_queued, 3);
	assert_int_equal(bench.loop.connections, 1);
	assert_int_equal(bench.loop.services, 1);
	conn_finish_all(&bench.loop, REASON_SHUTDOWN);
	conn_close_all(&bench.loop, REASON_SHUTDOWN);
	RUN_UNTIL(bench.loop.connections == 0);
	assert_int_equal(b.closings, 1);
	assert_false(conn_dead(a.conn));
	peer_write(peer_a, "still here");
	RUN_UNTIL(a.got.len == 10);
	assert_int_equal(bench.loop.counters.value[COUNT_BYTES_IN], in);
	assert_int_equal(bench.loop.counters.value[COUNT_BYTES_OUT], out);
	assert_int_equal(bench.loop.service_counters.value[COUNT_BYTES_IN], 10);
	assert_int_equal(bench.loop.service_counters.value[COUNT_BYTES_OUT], 3);
	assert_int_equal(bench.loop.service_queued, 0);
	conn_send_copy(a.conn, "lost", 4);
	conn_close(a.conn, REASON_FORCED);
	RUN_UNTIL(bench.loop.services == 0);
	assert_int_equal(bench.loop.service_queued, 0);
	assert_int_equal(bench.loop.queued, 0);
	assert_int_equal(a.closings, 1);
	assert_int_equal(bench.loop.closed[REASON_FORCED], 0);
	close(peer_a);
	close(peer_b);
	probe_fini(&a);
	probe_fini(&b);
}

static unsigned deadlines;

static void
count_deadline(struct conn *c)
{
	assert_false(conn_dead(c));
	deadlines++;
}

static void
a_deadline_fires_once_unless_disarmed_or_dead(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	deadlines = 0;
	conn_set_deadline(p.conn, 20000, count_deadline);
	conn_set_deadline(p.conn, 5, count_deadline);
	RUN_UNTIL(deadlines == 1);
	conn_set_deadline(p.conn, 1, count_deadline);
	conn_set_deadline(p.conn, 0, NULL);
	uint64_t start = bench_clock();
	RUN_UNTIL(bench_clock() > start + 30);
	assert_int_equal(deadlines, 1);
	conn_set_deadline(p.conn, 1, count_deadline);
	conn_close(p.conn, REASON_FORCED);
	start = bench_clock();
	RUN_UNTIL(bench_clock() > start + 30);
	assert_int_equal(deadlines, 1);
	close(peer);
	probe_fini(&p);
}

/* Output that was sent before the end leaves at once, whatever holds output back later. */
static void
a_connection_that_finishes_or_ends_cannot_be_held_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct probe p;
		struct buffer got;
		int peer = probe_open(&p, &probe_limits, &probe_ops);

		buffer_init(&got, 1024);
		conn_send_copy(p.conn, "last", 4);
		if (i == 0)
			conn_finish(p.conn, REASON_FINISHED);
		else
			conn_end(p.conn);
		conn_cork(p.conn);
		run_turn();
		peer_read(peer, &got);
		assert_int_equal(got.len, 4);
		conn_close(p.conn, REASON_FORCED);
		run_turn();
		close(peer);
		buffer_fini(&got);
		probe_fini(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(closing_works_in_every_callback_and_calls_on_closed_once),
		CASE(a_callback_may_close_its_neighbours),
		CASE(a_reset_closes_with_its_reason),
		CASE(after_a_half_close_answers_still_go_out),
		CASE(what_is_queued_reaches_a_peer_that_has_ended),
		CASE(a_peer_that_has_ended_and_takes_nothing_is_cut),
		CASE(after_a_half_close_the_loop_rests),
		CASE(finish_sends_what_is_queued_then_fin_and_waits_for_the_peers),
		CASE(finish_inside_on_data_drops_the_rest),
		CASE(a_peer_that_never_ends_is_cut_after_the_linger_time),
		CASE(without_a_linger_time_finish_closes_once_all_is_sent),
		CASE(all_connections_of_a_loop_can_be_finished),
		CASE(services_are_written_first_and_one_ahead_of_them),
		CASE(a_service_is_not_counted_as_a_client),
		CASE(a_deadline_fires_once_unless_disarmed_or_dead),
		CASE(a_connection_that_finishes_or_ends_cannot_be_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
