/* Life, input and owners of a plain connection. */
#include "tests/unit/io/io_bench.h"

#include <netinet/in.h>

#include "common/io/conn_internal.h"

static void
bytes_reach_the_owner_and_the_peers_end_closes(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	assert_int_equal(bench.loop.connections, 1);
	assert_false(conn_is_tls(p.conn));
	assert_ptr_equal(conn_loop(p.conn), &bench.loop);
	peer_write(peer, "hello");
	RUN_UNTIL(p.got.len == 5);
	assert_got(p.got, "hello");
	close(peer);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	assert_int_equal(bench.loop.closed[REASON_PEER_CLOSED], 1);
	assert_int_equal(bench.loop.counters.value[COUNT_BYTES_IN], 5);
	probe_fini(&p);
}

/* Consumes whole lines alone. */
static size_t
take_lines(struct probe *p, uint8_t *at, size_t n)
{
	uint8_t *end = memrchr(at, '\n', n);
	size_t used = end == NULL ? 0 : (size_t)(end - at) + 1;

	p->extra = n;
	buffer_add(&p->got, at, used);
	return used;
}

static void
kept_bytes_come_back_in_front_of_new_ones_byte_by_byte(void **state)
{
	static const char text[] = "one\ntwo\nthree";
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	p.data = take_lines;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		unsigned before = p.datas;

		assert_int_equal(send(peer, text + i, 1, 0), 1);
		RUN_UNTIL(p.datas > before);
	}
	assert_got(p.got, "one\ntwo\n");
	assert_int_equal(p.extra, 5); /* "three" was given whole, the last time */
	peer_write(peer, "\n");
	RUN_UNTIL(p.got.len == 14);
	assert_got(p.got, "one\ntwo\nthree\n");
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

static void
bytes_cut_at_each_position_arrive_whole(void **state)
{
	static const char text[] = "a\nbb\nccc\n";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct probe p;
		int peer = probe_open(&p, &probe_limits, &probe_ops);

		p.data = take_lines;
		if (cut > 0) {
			assert_int_equal(send(peer, text, cut, 0), cut);
			RUN_UNTIL(p.datas == 1);
		}
		if (cut < sizeof(text) - 1)
			assert_int_equal(send(peer, text + cut, sizeof(text) - 1 - cut, 0), sizeof(text) - 1 - cut);
		RUN_UNTIL(p.got.len == sizeof(text) - 1);
		assert_got(p.got, "a\nbb\nccc\n");
		close(peer);
		RUN_UNTIL(p.closings);
		probe_fini(&p);
	}
}

static size_t
take_nothing(struct probe *p, uint8_t *at, size_t n)
{
	(void)at;
	p->extra = n;
	return 0;
}

static void
reading_stops_at_max_kept_and_goes_on_after_resume(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	unsigned calls;
	int peer;

	(void)state;
	limits.max_kept = 8;
	peer = probe_open(&p, &limits, &probe_ops);
	p.data = take_nothing;
	peer_write(peer, "1234567");
	RUN_UNTIL(p.datas == 1);
	peer_write(peer, "8");
	RUN_UNTIL(p.datas == 2);
	assert_int_equal(p.extra, 8);
	peer_write(peer, "9");
	for (int i = 0; i < 5; i++)
		run_turn();
	assert_int_equal(p.datas, 2);		 /* paused */
	assert_false(ev_is_active(&p.conn->io)); /* else the loop would spin on what it does not read */

	conn_resume(p.conn); /* not consumed this time either */
	conn_resume(p.conn);
	run_turn();
	assert_int_equal(p.datas, 3);
	assert_int_equal(p.extra, 8);
	for (int i = 0; i < 5; i++)
		run_turn();
	assert_int_equal(p.datas, 3);

	p.data = NULL;
	calls = p.datas;
	conn_resume(p.conn);
	assert_int_equal(p.datas, calls); /* never from within the call */
	RUN_UNTIL(p.got.len == 9);
	assert_got(p.got, "123456789");
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

/* Takes one byte and asks for the rest at the end of the turn. */
static size_t
take_one_and_resume(struct probe *p, uint8_t *at, size_t n)
{
	(void)n;
	buffer_add(&p->got, at, 1);
	conn_resume(p->conn);
	return 1;
}

static void
resume_inside_on_data_gives_the_rest_without_new_input(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	p.data = take_one_and_resume;
	peer_write(peer, "abcdefghijklmnopqrstuvwxyz");
	RUN_UNTIL(p.got.len > 0);
	for (int turns = 0; p.got.len < 26; turns++) {
		assert_true(turns < 26);
		run_turn();
		assert_true(loop_goes_on() || p.got.len == 26);
	}
	run_turn();
	assert_false(loop_goes_on());
	assert_got(p.got, "abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(bench.loop.counters.value[COUNT_READS], 1);
	conn_close(p.conn, REASON_FORCED);
	run_turn();
	close(peer);
	probe_fini(&p);
}

/* The first owner takes up to '|' and hands over to the next one in line. */
static size_t
take_and_hand_over(struct probe *p, uint8_t *at, size_t n)
{
	uint8_t *bar = memchr(at, '|', n);
	struct probe *next = p->next;

	assert_non_null(bar);
	buffer_add(&p->got, at, (size_t)(bar - at));
	next->conn = p->conn;
	p->conn = NULL;
	conn_set_owner(next->conn, &probe_ops, next);
	return (size_t)(bar - at) + 1;
}

static void
a_new_owner_gets_the_rest_at_once(void **state)
{
	struct probe first, second, third;
	int peer = probe_open(&first, &probe_limits, &probe_ops);

	(void)state;
	probe_init(&second);
	probe_init(&third);
	first.data = second.data = take_and_hand_over;
	first.next = &second;
	second.next = &third;
	peer_write(peer, "http|ws|message");
	RUN_UNTIL(third.datas == 1);
	assert_got(first.got, "http");
	assert_got(second.got, "ws");
	assert_got(third.got, "message");
	assert_int_equal(bench.loop.counters.value[COUNT_READS], 1);
	close(peer);
	RUN_UNTIL(third.closings);
	assert_int_equal(first.closings + second.closings, 0);
	buffer_fini(&first.got);
	buffer_fini(&second.got);
	probe_fini(&third);
}

static void
a_new_owner_gets_kept_bytes_after_resume(void **state)
{
	struct probe first, second;
	int peer = probe_open(&first, &probe_limits, &probe_ops);

	(void)state;
	probe_init(&second);
	first.data = take_nothing;
	peer_write(peer, "early");
	RUN_UNTIL(first.datas == 1);
	second.conn = first.conn;
	conn_set_owner(first.conn, &probe_ops, &second);
	conn_resume(second.conn);
	run_turn();
	assert_got(second.got, "early");
	close(peer);
	RUN_UNTIL(second.closings);
	buffer_fini(&first.got);
	probe_fini(&second);
}

/* ------------------------------------------------------------- closing */

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

/* Closing one's neighbours from within callbacks of the same turn. */
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
	/* unread bytes make closing a unix socket a reset */
	conn_send_copy(p.conn, "unread", 6);
	run_turn();
	close(peer);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_RESET);
	probe_fini(&p);
}

/* ------------------------------------------------------------- half close */

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

/* A connection half closed must not spin on its readable end. */
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

/* ------------------------------------------------------------- finish */

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
	conn_finish(p->conn, REASON_WS_CLOSE);
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
	assert_int_equal(p.reason, REASON_WS_CLOSE);
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

static void
a_service_is_no_client(void **state)
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

/* ------------------------------------------------------------- deadline */

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

/* ------------------------------------------------------------- addresses */

static void
expect_peer(const void *address, size_t len, const char *text)
{
	struct probe p;
	struct sockaddr_storage back;
	char out[CONN_ADDRESS_MAX];
	int ends[2];

	probe_init(&p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	p.conn = conn_new(&bench.loop, ends[0], address, (socklen_t)len, NULL, &probe_limits, &probe_ops, &p);
	assert_int_equal(conn_fd(p.conn), ends[0]);
	assert_string_equal(conn_peer_address(p.conn, out).at, text);
	assert_int_equal(conn_peer_address(p.conn, out).n, strlen(text));
	assert_int_equal(conn_peer(p.conn, &back), *text != '\0' ? len : 0);
	if (*text != '\0')
		assert_memory_equal(&back, address, len);
	conn_close(p.conn, REASON_FORCED);
	run_turn();
	close(ends[1]);
	probe_fini(&p);
}

static void
peer_addresses_look_like_those_of_node(void **state)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(4242)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
	sa_family_t unix_socket = AF_UNIX;

	(void)state;
	four.sin_addr.s_addr = htonl(0xc0000201);
	expect_peer(&four, sizeof(four), "192.0.2.1");
	six.sin6_addr = in6addr_loopback;
	expect_peer(&six, sizeof(six), "::1");
	memcpy(six.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	expect_peer(&six, sizeof(six), "::ffff:127.0.0.1");
	memset(six.sin6_addr.s6_addr, 0xff, 16);
	expect_peer(&six, sizeof(six), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	expect_peer(&unix_socket, sizeof(unix_socket), "");
	expect_peer(NULL, 0, "");
	expect_peer(&four, 3, "");
}

/* As a request begun by another process comes in: what it read first, then the socket. */
static void
bytes_put_back_come_before_those_of_the_socket(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	peer_write(peer, " of the socket");
	conn_put_back(p.conn, "", 0);
	conn_put_back(p.conn, "before those", 12);
	assert_int_equal(p.datas, 0);
	RUN_UNTIL(p.got.len == 26);
	assert_got(p.got, "before those of the socket");
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

static void
unread_bytes_can_be_looked_at(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	p.data = take_lines;
	peer_write(peer, "line\nrest");
	RUN_UNTIL(p.datas);
	assert_int_equal(conn_kept(p.conn).n, 4);
	assert_memory_equal(conn_kept(p.conn).at, "rest", 4);
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

static void
after_the_end_of_our_direction_input_goes_on(void **state)
{
	struct probe p;
	struct buffer got;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	buffer_init(&got, 100);
	conn_send_copy(p.conn, "last", 4);
	conn_end(p.conn);
	conn_end(p.conn);
	conn_send_copy(p.conn, "ignored", 7);
	RUN_UNTIL(!peer_read(peer, &got));
	assert_got(got, "last");
	peer_write(peer, "answer");
	RUN_UNTIL(p.got.len == 6);
	assert_false(conn_dead(p.conn));
	close(peer);
	RUN_UNTIL(p.eofs);
	conn_finish(p.conn, REASON_FINISHED);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_FINISHED);
	buffer_fini(&got);
	probe_fini(&p);
}

static void
a_plain_connection_may_stand_for_a_secure_one(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops);

	(void)state;
	conn_set_secure(p.conn);
	assert_true(conn_is_tls(p.conn));
	close(peer);
	RUN_UNTIL(p.closings);
	probe_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_reach_the_owner_and_the_peers_end_closes),
		CASE(kept_bytes_come_back_in_front_of_new_ones_byte_by_byte),
		CASE(bytes_cut_at_each_position_arrive_whole),
		CASE(reading_stops_at_max_kept_and_goes_on_after_resume),
		CASE(resume_inside_on_data_gives_the_rest_without_new_input),
		CASE(a_new_owner_gets_the_rest_at_once),
		CASE(a_new_owner_gets_kept_bytes_after_resume),
		CASE(closing_works_in_every_callback_and_calls_on_closed_once),
		CASE(a_callback_may_close_its_neighbours),
		CASE(a_reset_closes_with_its_reason),
		CASE(after_a_half_close_answers_still_go_out),
		CASE(after_a_half_close_the_loop_rests),
		CASE(finish_sends_what_is_queued_then_fin_and_waits_for_the_peers),
		CASE(finish_inside_on_data_drops_the_rest),
		CASE(a_peer_that_never_ends_is_cut_after_the_linger_time),
		CASE(without_a_linger_time_finish_closes_once_all_is_sent),
		CASE(all_connections_of_a_loop_can_be_finished),
		CASE(a_service_is_no_client),
		CASE(a_deadline_fires_once_unless_disarmed_or_dead),
		CASE(bytes_put_back_come_before_those_of_the_socket),
		CASE(unread_bytes_can_be_looked_at),
		CASE(after_the_end_of_our_direction_input_goes_on),
		CASE(a_plain_connection_may_stand_for_a_secure_one),
		CASE(peer_addresses_look_like_those_of_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
