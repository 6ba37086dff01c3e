/* Plain connections: input, owners, addresses. */
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

/* Consumes whole lines only. */
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
	assert_int_equal(p.extra, 5); /* the last call was given all of "three" */
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
	assert_false(ev_is_active(&p.conn->io)); /* otherwise the loop would spin on input that it does not read */

	conn_resume(p.conn); /* still not consumed */
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

/* Consumes one byte and requests the rest at the end of the turn. */
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

/* The first owner reads up to '|' and hands over to the next owner. */
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

/* A request that another process has begun to read arrives: first the bytes that it read, then the socket. */
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
		CASE(bytes_put_back_come_before_those_of_the_socket),
		CASE(unread_bytes_can_be_looked_at),
		CASE(after_the_end_of_our_direction_input_goes_on),
		CASE(a_plain_connection_may_stand_for_a_secure_one),
		CASE(peer_addresses_look_like_those_of_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
