/* Connections within their loop's budget, and connections without memory for what a peer sends or requests. */
#include "tests/unit/io/io_bench.h"

#include "common/io/conn_internal.h"
#include "tests/unit/faults.h"

#define PEERS 8
#define MIB ((size_t)1024 * 1024)

static struct probe probes[PEERS];
static int peers[PEERS];

static void
open_all(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = probe_open(&probes[i], &probe_limits, &probe_ops);
}

static void
close_all(void)
{
	for (unsigned i = 0; i < PEERS; i++) {
		close(peers[i]);
		if (probes[i].conn != NULL)
			conn_close(probes[i].conn, REASON_FORCED);
	}
	run_turn();
	for (unsigned i = 0; i < PEERS; i++)
		probe_fini(&probes[i]);
	assert_int_equal(bench.loop.budget.held, 0);
}

static void
send_bytes(struct probe *p, size_t n)
{
	struct block *b = pattern_block(0, n);

	conn_send(p->conn, b, 0, n);
	block_unref(b);
}

static void
the_largest_queue_goes_and_the_others_go_on(void **state)
{
	struct buffer got;

	(void)state;
	open_all();
	budget_set_max(&bench.loop.budget, 16 * MIB);
	for (unsigned i = 0; i < PEERS; i++)
		send_bytes(&probes[i], i == 3 ? 6 * MIB : MIB);
	run_turn();
	for (unsigned i = 0; i < PEERS; i++)
		assert_int_equal(probes[i].closings, 0);
	for (unsigned i = 0; i < PEERS; i++) { /* the peers do not read */
		if (probes[i].conn != NULL)
			send_bytes(&probes[i], MIB);
	}
	run_turn();
	assert_int_equal(probes[3].closings, 1);
	assert_int_equal(probes[3].reason, REASON_MEMORY);
	assert_true(bench.loop.budget.held <= 16 * MIB);
	assert_int_equal(bench.loop.counters.value[COUNT_MEMORY_CLOSED], 1);
	assert_int_equal(bench.loop.closed[REASON_MEMORY], 1);

	buffer_init(&got, 64 << 20);
	RUN_UNTIL(peer_read(peers[0], &got) && got.len == 2 * MIB);
	buffer_fini(&got);
	close_all();
}

/* Output that was queued in this turn does not count as waiting: the loop writes to the kernel before it closes a
 * connection. */
static void
a_reader_is_not_closed_for_the_output_of_one_turn(void **state)
{
	(void)state;
	open_all();
	budget_set_max(&bench.loop.budget, MIB / 2);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < PEERS; i++)
			send_bytes(&probes[i], 100000); /* the socket's buffer has room for this */
		assert_true(bench.loop.budget.held <= MIB / 2);
		for (unsigned i = 0; i < PEERS; i++) {
			struct buffer got;

			buffer_init(&got, MIB);
			RUN_UNTIL(peer_read(peers[i], &got) && got.len == 100000);
			buffer_fini(&got);
			assert_int_equal(probes[i].closings, 0);
		}
	}
	close_all();
}

static void
a_shared_block_closes_no_connection(void **state)
{
	struct block *b = pattern_block(0, 4 * MIB);

	(void)state;
	open_all();
	budget_set_max(&bench.loop.budget, 6 * MIB);
	for (unsigned i = 0; i < PEERS; i++)
		conn_send(probes[i].conn, b, 0, b->len);
	block_unref(b);
	run_turn();
	for (unsigned i = 0; i < PEERS; i++)
		assert_int_equal(probes[i].closings, 0);
	assert_in_range(bench.loop.budget.held, 4 * MIB, 5 * MIB);
	close_all();
}

static void
memory_of_owners_counts(void **state)
{
	(void)state;
	open_all();
	budget_set_max(&bench.loop.budget, MIB);
	for (unsigned i = 0; i < PEERS; i++)
		conn_hold(probes[i].conn, i == 5 ? 400000 : 80000);
	run_turn();
	assert_int_equal(probes[5].closings, 0);
	conn_hold(probes[2].conn, 90000);
	conn_hold(probes[2].conn, 300000); /* the whole amount, and nothing more */
	run_turn();
	assert_int_equal(probes[5].reason, REASON_MEMORY);
	assert_int_equal(probes[2].closings, 0);
	close_all();
}

/* A closed connection holds its memory until the end of the turn, and no longer. */
static void
each_turn_without_memory_gives_up_a_part(void **state)
{
	(void)state;
	open_all();
	for (unsigned i = 0; i < PEERS; i++)
		conn_hold(probes[i].conn, MIB);
	for (unsigned turn = 1; turn <= 3; turn++) {
		unsigned closed = 0;

		budget_give_up(&bench.loop.budget);
		run_turn();
		for (unsigned i = 0; i < PEERS; i++)
			closed += probes[i].closings;
		assert_int_equal(closed, turn);
		assert_int_equal(bench.loop.budget.leaving, 0);
	}
	close_all();
}

static void
a_new_owner_holds_nothing_yet(void **state)
{
	(void)state;
	open_all();
	conn_hold(probes[0].conn, MIB);
	conn_set_owner(probes[0].conn, &probe_ops, &probes[0]);
	assert_int_equal(bench.loop.budget.held, 0);
	close_all();
}

static void
kept_input_counts(void **state)
{
	(void)state;
	open_all();
	for (unsigned i = 0; i < PEERS; i++) {
		probes[i].data = take_nothing;
		peer_write(peers[i], "half a head");
	}
	RUN_UNTIL(probes[PEERS - 1].datas > 0);
	assert_int_equal(bench.loop.budget.held, PEERS * 11);
	budget_set_max(&bench.loop.budget, 80);
	run_turn();
	assert_in_range(bench.loop.budget.held, 1, 70);
	close_all();
}

static void
a_service_is_left_alone(void **state)
{
	(void)state;
	open_all();
	conn_set_service(probes[0].conn);
	budget_set_max(&bench.loop.budget, MIB);
	send_bytes(&probes[0], 4 * MIB);
	run_turn();
	assert_int_equal(probes[0].closings, 0);
	assert_int_equal(bench.loop.budget.held, 0);
	close_all();
}

static void
missing_memory_ends_only_that_peer(void **state)
{
	static const uint8_t zeroes[5000];

	(void)state;
	open_all();
	fault_above = 4000;
	conn_send_copy(probes[0].conn, zeroes, sizeof zeroes);
	conn_send_copy(probes[1].conn, zeroes, 100);
	probes[2].data = take_nothing;
	assert_int_equal(send(peers[2], zeroes, sizeof zeroes, 0), sizeof zeroes);
	RUN_UNTIL(probes[2].closings > 0);
	fault_above = SIZE_MAX;
	assert_int_equal(probes[0].reason, REASON_NO_MEMORY);
	assert_int_equal(probes[2].reason, REASON_NO_MEMORY);
	assert_int_equal(probes[1].closings, 0);
	assert_int_equal(bench.loop.counters.value[COUNT_NO_MEMORY], 2);
	close_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_largest_queue_goes_and_the_others_go_on, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(
			a_reader_is_not_closed_for_the_output_of_one_turn, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_shared_block_closes_no_connection, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(memory_of_owners_counts, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(each_turn_without_memory_gives_up_a_part, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_new_owner_holds_nothing_yet, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(kept_input_counts, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_service_is_left_alone, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(missing_memory_ends_only_that_peer, bench_start, bench_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
