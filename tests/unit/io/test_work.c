/* Which work is left for the next turn when a connection, or all connections together, have used up their share of
 * this turn. */
#include "tests/unit/io/io_bench.h"

#include "common/io/conn_internal.h"

#define CROWD 20

static unsigned order[1000], order_count; /* the probes in the order in which they were served, by `extra` */
static uint64_t cost;			  /* of one byte */

static void
start(void)
{
	order_count = 0;
	cost = LOOP_SHARE_WORK / 2;
}

/* Consumes one byte at a time, each of which counts as work, until the share is spent. */
static size_t
take_dearly(struct probe *p, uint8_t *at, size_t n)
{
	size_t used = 0;

	assert_true(order_count < 1000);
	order[order_count++] = (unsigned)p->extra;
	while (used < n && !conn_share_spent(p->conn)) {
		loop_spend(&bench.loop, cost);
		used++;
	}
	buffer_add(&p->got, at, used);
	return used;
}

static unsigned
times_served(unsigned who, unsigned from)
{
	unsigned count = 0;

	for (; from < order_count; from++)
		count += order[from] == who;
	return count;
}

/* Opens both ends of the crowd; each connection has `text` to read. */
static void
crowd_open(struct probe *probes, int *peers, unsigned n, const char *text)
{
	for (unsigned i = 0; i < n; i++) {
		peers[i] = probe_open(&probes[i], &probe_limits, &probe_ops);
		probes[i].data = take_dearly;
		probes[i].extra = i;
		peer_write(peers[i], text);
	}
}

static void
crowd_close(struct probe *probes, const int *peers, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(peers[i]);
	for (unsigned i = 0; i < n; i++) {
		RUN_UNTIL(probes[i].closings);
		probe_fini(&probes[i]);
	}
}

static void
a_spent_share_ends_only_its_connections_turn(void **state)
{
	struct probe p[2];
	int peers[2];

	(void)state;
	start();
	crowd_open(p, peers, 2, "0123456789");
	p[1].data = NULL;
	for (unsigned turn = 1; turn <= 5; turn++) {
		size_t before = p[1].got.len;

		peer_write(peers[1], "x");
		run_turn();
		assert_int_equal(p[0].got.len, turn * 2);
		assert_true(p[1].got.len > before);
	}
	assert_got(p[0].got, "0123456789");
	RUN_UNTIL(!loop_goes_on());
	peer_write(peers[0], "ab");
	RUN_UNTIL(p[0].got.len == 12);
	crowd_close(p, peers, 2);
}

static void
many_heavy_connections_share_the_turn_in_rotation(void **state)
{
	enum { ROTATION = CROWD * LOOP_SHARE_WORK / LOOP_TURN_WORK }; /* turns that serve each connection once */
	struct probe p[CROWD + 1];
	int peers[CROWD + 1];
	unsigned from, least = 1000, most = 0;

	(void)state;
	start();
	crowd_open(p, peers, CROWD, "0123456789012345678901234567890123456789");
	peers[CROWD] = probe_open(&p[CROWD], &probe_limits, &probe_ops);
	for (unsigned turn = 0; turn <= ROTATION; turn++) /* until the loop knows each connection as heavy */
		run_turn();
	from = order_count;
	for (unsigned turn = 0; turn < 3 * ROTATION + ROTATION / 2; turn++) {
		uint64_t work = bench.loop.work;

		peer_write(peers[CROWD], "x");
		run_turn();
		assert_int_equal(p[CROWD].got.len, turn + 1);
		assert_true(bench.loop.work - work <= LOOP_TURN_WORK + LOOP_SHARE_WORK);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		unsigned served = times_served(i, from);

		least = served < least ? served : least;
		most = served > most ? served : most;
	}
	assert_true(least > 0 && most - least <= 1);
	for (unsigned i = 0; i < CROWD; i++)
		RUN_UNTIL(p[i].got.len == 40);
	crowd_close(p, peers, CROWD + 1);
}

static void
a_wave_of_new_work_is_spread_over_turns(void **state)
{
	enum { WAVE = 100 };
	static struct probe p[WAVE];
	static int peers[WAVE];
	unsigned turns = 0, before;

	(void)state;
	start();
	cost = LOOP_SHARE_WORK / 2;
	crowd_open(p, peers, WAVE, "0");
	do {
		uint64_t work = bench.loop.work;

		before = order_count;
		run_turn();
		assert_true(bench.loop.work - work <= LOOP_TURN_WORK + LOOP_SHARE_WORK);
		turns++;
	} while (order_count > before);
	assert_int_equal(order_count, WAVE);
	assert_true(turns > WAVE / 2 * LOOP_SHARE_WORK / LOOP_TURN_WORK);
	for (unsigned i = 0; i < WAVE; i++)
		assert_int_equal(p[i].got.len, 1);
	crowd_close(p, peers, WAVE);
}

static void
input_that_waits_for_a_share_survives_the_peers_end(void **state)
{
	struct probe p;
	int peer;

	(void)state;
	start();
	cost = LOOP_SHARE_WORK;
	crowd_open(&p, &peer, 1, "0123456789");
	close(peer);
	RUN_UNTIL(p.got.len == 10);
	assert_got(p.got, "0123456789");
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	probe_fini(&p);
}

static size_t
take_one_and_pause(struct probe *p, uint8_t *at, size_t n)
{
	(void)n;
	loop_spend(&bench.loop, LOOP_SHARE_WORK);
	conn_pause(p->conn);
	buffer_add(&p->got, at, 1);
	return 1;
}

static void
a_paused_connection_gets_no_share_until_it_resumes(void **state)
{
	struct probe p;
	int peer;

	(void)state;
	start();
	crowd_open(&p, &peer, 1, "0123");
	p.data = take_one_and_pause;
	for (unsigned got = 1; got <= 4; got++) {
		RUN_UNTIL(p.got.len == got);
		for (int i = 0; i < 3; i++)
			run_turn();
		assert_int_equal(p.got.len, got);
		conn_resume(p.conn);
	}
	assert_got(p.got, "0123");
	crowd_close(&p, &peer, 1);
}

/* Like a server of pipelined requests: an answer costs work, and the server reads the next request afterwards. */
static size_t
answer_one(struct probe *p, uint8_t *at, size_t n)
{
	(void)n;
	loop_spend(&bench.loop, LOOP_SHARE_WORK / 10 * 9);
	conn_send_copy(p->conn, at, 1);
	p->extra++;
	return 1;
}

static void
resume(struct probe *p)
{
	conn_resume(p->conn);
}

static void
connections_that_resume_share_the_turn_too(void **state)
{
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	start();
	crowd_open(p, peers, CROWD, "0123456789");
	for (unsigned i = 0; i < CROWD; i++) {
		p[i].extra = 0;
		p[i].data = answer_one;
		p[i].drain = resume;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		while (p[i].extra < 10) {
			uint64_t work = bench.loop.work;

			run_turn();
			assert_true(bench.loop.work - work <= LOOP_TURN_WORK + 2 * LOOP_SHARE_WORK);
		}
	}
	crowd_close(p, peers, CROWD);
}

static size_t
close_everybody(struct probe *p, uint8_t *at, size_t n)
{
	(void)p;
	(void)at;
	loop_spend(&bench.loop, LOOP_TURN_WORK);
	conn_close_all(&bench.loop, REASON_SHUTDOWN);
	return n;
}

static void
closing_all_reaches_waiting_connections_too(void **state)
{
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	start();
	cost = LOOP_TURN_WORK;
	crowd_open(p, peers, CROWD, "01234");
	RUN_UNTIL(order_count > CROWD / 2);
	for (unsigned i = 0; i < CROWD; i++)
		p[i].data = close_everybody;
	run_turn();
	for (unsigned i = 0; i < CROWD; i++) {
		close(peers[i]);
		assert_int_equal(p[i].reason, REASON_SHUTDOWN);
		probe_fini(&p[i]);
	}
	assert_false(loop_goes_on());
}

/* Services are served before clients, except for services that only bring what clients asked for. */
static void
a_patient_service_waits_for_its_turn(void **state)
{
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	start();
	cost = LOOP_TURN_WORK;
	crowd_open(p, peers, CROWD, "x");
	for (unsigned i = 0; i < CROWD; i++) {
		conn_set_service(p[i].conn);
		if (i % 2)
			conn_set_patient(p[i].conn);
	}
	run_turn();
	for (unsigned i = 0, patient = 0; i < CROWD; i++) {
		patient += i % 2 ? times_served(i, 0) : 0;
		assert_true(i % 2 ? patient <= 1 : times_served(i, 0) == 1);
	}
	RUN_UNTIL(order_count == CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(times_served(i, 0), 1);
	crowd_close(p, peers, CROWD);
}

/* A backend that has ended is noticed before the events that clients sent after its end are read. */
static void
services_come_first_in_a_turn(void **state)
{
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	start();
	cost = 0;
	crowd_open(p, peers, CROWD, "x");
	for (unsigned i = 0; i < CROWD; i += 2)
		conn_set_service(p[i].conn);
	run_turn();
	assert_int_equal(order_count, CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(order[i] % 2, i < CROWD / 2 ? 0 : 1);
	crowd_close(p, peers, CROWD);
}

static unsigned runs;

static void
count_run(struct loop_call *call)
{
	(void)call;
	runs++;
}

static void
a_call_for_the_next_turn_waits_for_it_and_for_nothing_else(void **state)
{
	struct loop_call call, cancelled;

	(void)state;
	runs = 0;
	loop_call_init(&call, count_run);
	loop_call_init(&cancelled, count_run);
	loop_finish_turn(&bench.loop);
	loop_defer_next(&bench.loop, &call);
	loop_defer_next(&bench.loop, &call);
	loop_defer_next(&bench.loop, &cancelled);
	loop_call_cancel(&cancelled);
	assert_true(loop_goes_on());
	loop_finish_turn(&bench.loop);
	assert_int_equal(runs, 1);
	loop_finish_turn(&bench.loop);
	assert_int_equal(runs, 1);
	assert_false(loop_goes_on());
}

static char came[32]; /* for each call: "c" if its bytes came with the bytes before, "n" if they are new */
static size_t came_n;

static size_t
note_and_take(struct probe *p, uint8_t *at, size_t n)
{
	assert_true(came_n < sizeof came - 1);
	came[came_n++] = conn_continues(p->conn) ? 'c' : 'n';
	came[came_n] = '\0';
	return p->extra == 0 ? take_dearly(p, at, n) : n;
}

static void
earlier_input_is_told_from_later_input(void **state)
{
	static char much[LOOP_SCRATCH_SIZE + 10];
	struct probe p;
	int peer;

	(void)state;
	start();
	came_n = 0;
	peer = probe_open(&p, &probe_limits, &probe_ops);
	p.data = note_and_take;
	p.extra = 0;
	peer_write(peer, "0123456789"); /* five shares */
	RUN_UNTIL(p.got.len == 10);
	peer_write(peer, "a");
	RUN_UNTIL(p.got.len == 11);
	assert_string_equal(came, "nccccn");
	p.extra = 1;
	came_n = 0;
	assert_int_equal(write(peer, much, sizeof much), sizeof much); /* more than one read takes */
	RUN_UNTIL(came_n == 2);
	peer_write(peer, "a");
	RUN_UNTIL(came_n == 3);
	assert_string_equal(came, "ncn");
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

static unsigned
count_received(int *peers, unsigned n, struct buffer *got)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		peer_read(peers[i], &got[i]);
		count += got[i].len > 0;
	}
	return count;
}

static size_t
answer(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	conn_send_copy(p->conn, "answer", 6);
	return n;
}

/* The writes to a crowd take several turns. A client that sends something meanwhile gets its answer in its turn. */
static void
a_crowd_is_flushed_in_several_turns(void **state)
{
	struct buffer got[CROWD];
	struct probe p[CROWD];
	int peers[CROWD];
	unsigned received;

	(void)state;
	bench.loop.max_writes = 4;
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		p[i].data = answer;
		buffer_init(&got[i], 100);
	}
	for (unsigned i = 0; i < CROWD; i++)
		conn_send_copy(p[i].conn, "news ", 5);
	run_turn();
	received = count_received(peers, CROWD, got);
	assert_in_range(received, 4, 5);
	assert_true(loop_goes_on());
	for (unsigned i = 0; i < received; i++) /* the first ones in the queue */
		assert_int_equal(got[i].len, 5);

	peer_write(peers[CROWD - 1], "x");
	conn_send_copy(p[CROWD - 2].conn, "more", 4); /* joins the output that already waits */
	conn_close(p[CROWD - 3].conn, REASON_FORCED);
	run_turn();
	assert_int_equal(p[CROWD - 3].closings, 1);
	run_turn(); /* the turn of the answer */
	assert_true(count_received(peers, CROWD, got) < CROWD - 5);
	assert_got(got[CROWD - 1], "news answer");
	assert_int_equal(got[CROWD - 2].len, 0);

	RUN_UNTIL(!loop_goes_on());
	assert_int_equal(count_received(peers, CROWD, got), CROWD - 1);
	assert_got(got[CROWD - 2], "news more");
	assert_got(got[10], "news ");
	for (unsigned i = 0; i < CROWD; i++)
		buffer_fini(&got[i]);
	crowd_close(p, peers, CROWD);
}

/* The loop counts writes, not connections: none for a connection without a write, several for one with several. */
static void
writes_are_counted_and_not_connections(void **state)
{
	enum { WRITES = 2, SLICE = 4096, SLICES = WRITES * LOOP_GATHER_SIZE / SLICE };
	struct block *block = block_new(SLICE);
	struct buffer got[CROWD];
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	memset(block->data, 'x', SLICE);
	bench.loop.max_writes = WRITES;
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		buffer_init(&got[i], 1 << 20);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		if (i < CROWD - 2)
			conn_cork(p[i].conn);
		conn_send_copy(p[i].conn, "news", 4);
	}
	run_turn();
	assert_int_equal(count_received(peers, CROWD, got), 2); /* behind all connections without a write */
	for (unsigned i = 0; i < SLICES; i++)
		conn_send(p[0].conn, block, 0, SLICE);
	conn_uncork(p[0].conn);
	for (unsigned i = 1; i < CROWD; i++) {
		conn_uncork(p[i].conn);
		conn_send_copy(p[i].conn, "more", 4);
	}
	run_turn();
	assert_int_equal(count_received(peers, CROWD, got), 2 + 1);
	assert_int_equal(got[CROWD - 1].len, 4);
	assert_true(loop_goes_on());
	RUN_UNTIL(!loop_goes_on());
	assert_int_equal(count_received(peers, CROWD, got), CROWD);
	assert_int_equal(got[0].len, 4 + SLICES * SLICE);
	for (unsigned i = 0; i < CROWD; i++)
		buffer_fini(&got[i]);
	block_unref(block);
	crowd_close(p, peers, CROWD);
}

/* Clients that send all the time take turns, though more of them have output than one turn flushes. */
static void
clients_that_go_on_sending_are_all_flushed(void **state)
{
	struct buffer got[CROWD];
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	bench.loop.max_writes = 4;
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		p[i].data = answer;
		buffer_init(&got[i], 1000);
	}
	for (unsigned turn = 0; turn < 2 * CROWD; turn++) {
		for (unsigned i = 0; i < CROWD; i++)
			peer_write(peers[i], "x");
		run_turn();
	}
	assert_int_equal(count_received(peers, CROWD, got), CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		buffer_fini(&got[i]);
	crowd_close(p, peers, CROWD);
}

static unsigned buried; /* connections whose last call has been made */

static void
count_burial(struct probe *p)
{
	p->extra = ++buried;
}

/* Also closes the next connection of the crowd, which then queues behind those that wait. */
static void
bury_and_close_next(struct probe *p)
{
	count_burial(p);
	conn_close(p->next->conn, REASON_FORCED);
}

/* A crowd that leaves at once is freed in several turns, in order, and another client is served between them. */
static void
a_crowd_that_leaves_is_freed_in_several_turns(void **state)
{
	struct probe p[CROWD];
	struct buffer got;
	int peers[CROWD];

	(void)state;
	buried = 0;
	bench.loop.max_burials = 4;
	buffer_init(&got, 100);
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		p[i].closed = count_burial;
	}
	p[0].closed = bury_and_close_next;
	p[0].next = &p[CROWD - 2];
	p[CROWD - 1].data = answer;
	for (unsigned i = 0; i < CROWD - 2; i++)
		conn_close(p[i].conn, REASON_FORCED);
	peer_write(peers[CROWD - 1], "x");
	run_turn();
	assert_int_equal(buried, 4);
	assert_true(loop_goes_on());
	run_turn();
	assert_int_equal(buried, 8);
	(void)peer_read(peers[CROWD - 1], &got);
	assert_got(got, "answer");
	while (loop_goes_on())
		run_turn();
	assert_int_equal(buried, CROWD - 1);
	for (unsigned i = 0; i < CROWD - 1; i++)
		assert_int_equal(p[i].extra, i + 1);
	buffer_fini(&got);
	conn_close(p[CROWD - 1].conn, REASON_FORCED);
	run_turn();
	crowd_close(p, peers, CROWD);
}

/* The budget needs the memory of the connections that it closes, so all of them are freed in the same turn. The same
 * holds at shutdown.
 */
static void
memory_and_shutdown_free_the_whole_crowd(void **state)
{
	struct probe p[CROWD];
	int peers[CROWD];

	(void)state;
	buried = 0;
	bench.loop.max_burials = 4;
	for (unsigned i = 0; i < CROWD; i++) {
		peers[i] = probe_open(&p[i], &probe_limits, &probe_ops);
		p[i].closed = count_burial;
	}
	for (unsigned i = 0; i < CROWD / 2; i++)
		conn_close(p[i].conn, REASON_FORCED);
	bench.loop.budget.leaving = 1;
	run_turn();
	assert_int_equal(buried, CROWD / 2);
	for (unsigned i = CROWD / 2; i < CROWD; i++)
		conn_close(p[i].conn, REASON_FORCED);
	loop_finish_turn(&bench.loop);
	assert_int_equal(buried, CROWD);
	crowd_close(p, peers, CROWD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_spent_share_ends_only_its_connections_turn),
		CASE(many_heavy_connections_share_the_turn_in_rotation),
		CASE(a_wave_of_new_work_is_spread_over_turns),
		CASE(input_that_waits_for_a_share_survives_the_peers_end),
		CASE(a_paused_connection_gets_no_share_until_it_resumes),
		CASE(connections_that_resume_share_the_turn_too),
		CASE(closing_all_reaches_waiting_connections_too),
		CASE(services_come_first_in_a_turn),
		CASE(a_patient_service_waits_for_its_turn),
		CASE(a_call_for_the_next_turn_waits_for_it_and_for_nothing_else),
		CASE(earlier_input_is_told_from_later_input),
		cmocka_unit_test_setup_teardown(a_crowd_is_flushed_in_several_turns, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(writes_are_counted_and_not_connections, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(clients_that_go_on_sending_are_all_flushed, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(
			a_crowd_that_leaves_is_freed_in_several_turns, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(memory_and_shutdown_free_the_whole_crowd, bench_start, bench_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
