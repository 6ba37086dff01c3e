/* The peer has sent something and is gone: a failed write must not lose what it had sent. */
#include "tests/unit/io/io_bench.h"

#include <netinet/in.h>
#include <poll.h>

#include "common/io/conn_internal.h"

#define WORDS "8 bytes."

enum kind { UNIX, TCP, KINDS };

static int
open_tcp(struct probe *p, const struct conn_limits *limits, const struct conn_ops *ops)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof address;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listening, (struct sockaddr *)&address, n), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &n), 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&address, n), 0);
	fd = accept4(listening, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(listening);
	probe_init(p);
	p->conn = conn_new(&bench.loop, fd, (struct sockaddr *)&address, n, NULL, limits, ops, p);
	return peer;
}

static int
open_kind(enum kind kind, struct probe *p, const struct conn_limits *limits, const struct conn_ops *ops)
{
	return kind == UNIX ? probe_open(p, limits, ops) : open_tcp(p, limits, ops);
}

/* The peer leaves unread bytes behind, so that it resets the connection; a later write is certain to fail. */
static void
leave(struct probe *p, int peer)
{
	conn_send_copy(p->conn, "unread", 6);
	loop_finish_turn(&bench.loop);
	close(peer);
	struct pollfd end = {.fd = conn_fd(p->conn)};
	assert_int_equal(poll(&end, 1, 60000), 1);
}

static void
assert_read_to_the_end(struct probe *p, const char *text)
{
	RUN_UNTIL(p->closings);
	run_turn();
	assert_int_equal(p->got.len, strlen(text));
	assert_memory_equal(p->got.data, text, strlen(text));
	assert_int_equal(p->eofs, 0);
	assert_int_equal(p->reason, REASON_RESET);
	assert_int_equal(bench.loop.queued + bench.loop.service_queued, 0);
	probe_fini(p);
}

/* Each part of the queue's code that writes or ends the output. */
static void
write_at_the_end_of_the_turn(struct probe *p)
{
	conn_send_copy(p->conn, "answer", 6);
}

static void
write_to_make_room(struct probe *p)
{
	struct block *block = pattern_block(0, p->conn->limits->max_queue - CONN_SLICE_COST);

	conn_send(p->conn, block, 0, block->len);
	block_unref(block);
	conn_send_copy(p->conn, "one more", 8);
}

static void
write_for_the_budget(struct probe *p)
{
	conn_send_copy(p->conn, "answer", 6);
	conn_write_now(p->conn);
}

static void
end(struct probe *p)
{
	conn_end(p->conn);
}

static void
write_and_end(struct probe *p)
{
	conn_send_copy(p->conn, "answer", 6);
	end(p);
}

static void (*const writes[])(struct probe *p) = {
	write_at_the_end_of_the_turn, write_to_make_room, write_for_the_budget, end, write_and_end};

static void
the_last_words_of_a_peer_arrive_after_a_failed_write(void **state)
{
	struct conn_limits limits = probe_limits;

	(void)state;
	limits.max_queue = 4096;
	for (unsigned i = 0; i < sizeof writes / sizeof *writes * KINDS * 2; i++) {
		struct probe p;
		int peer = open_kind(i / 2 % KINDS, &p, &limits, &probe_ops_eof);
		unsigned drains;

		if (i % 2)
			conn_set_service(p.conn);
		peer_write(peer, WORDS);
		leave(&p, peer);
		drains = p.drains;
		writes[i / 2 / KINDS](&p);
		assert_int_equal(p.closings + p.datas, 0); /* a call down never calls up */
		assert_false(conn_dead(p.conn));
		loop_finish_turn(&bench.loop);
		if (writes[i / 2 / KINDS] == end && i / 2 % KINDS == UNIX) { /* shutdown() does not fail */
			conn_close(p.conn, REASON_FORCED);
			loop_finish_turn(&bench.loop);
			probe_fini(&p);
			continue;
		}
		assert_int_equal(p.closings, 1); /* in the same turn */
		assert_read_to_the_end(&p, WORDS);
		assert_int_equal(p.drains, drains); /* what was queued has not left */
	}
}

/* What the owner sends in answer to the last words, at the same time and later. */
static size_t
answer(struct probe *p, uint8_t *at, size_t n)
{
	size_t queued = conn_queued(p->conn);

	assert_false(conn_sends(p->conn));
	buffer_add(&p->got, at, n);
	conn_send_copy(p->conn, "answer", 6);
	conn_cork(p->conn);
	conn_uncork(p->conn);
	conn_end(p->conn);
	assert_int_equal(conn_queued(p->conn), queued);
	return n;
}

static void
answers_to_the_last_words_are_dropped(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	p.data = answer;
	peer_write(peer, WORDS);
	leave(&p, peer);
	write_at_the_end_of_the_turn(&p);
	assert_read_to_the_end(&p, WORDS);
}

/* More than one read, of which the owner takes one byte a call. */
static size_t
read_byte_by_byte(struct probe *p, uint8_t *at, size_t n)
{
	(void)n;
	buffer_add(&p->got, at, 1);
	conn_pause(p->conn);
	conn_resume(p->conn);
	return 1;
}

static void
an_owner_that_pauses_gets_all_of_a_long_input(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	int peer;

	(void)state;
	limits.max_kept = 64;
	peer = probe_open(&p, &limits, &probe_ops_eof);
	p.data = read_byte_by_byte;
	for (unsigned i = 0; i < 20; i++)
		peer_write(peer, "a hundred bytes in twenty parts of five. ");
	leave(&p, peer);
	write_at_the_end_of_the_turn(&p);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.got.len, 20 * 41);
	assert_int_equal(p.reason, REASON_RESET);
	probe_fini(&p);
}

/* The limit of a client is linger_ms, or stall_ms without it, and the limit of a service is stall_ms. */
static void
an_owner_that_never_resumes_keeps_the_connection_for_a_limited_time(void **state)
{
	static const struct {
		uint64_t stall_ms, linger_ms;
		bool service;
	} cases[] = {{20000, 1, false}, {1, 0, false}, {1, 20000, true}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conn_limits limits = probe_limits;
		struct probe p;
		int peer;

		limits.stall_ms = cases[i].stall_ms;
		limits.linger_ms = cases[i].linger_ms;
		peer = probe_open(&p, &limits, &probe_ops_eof);
		if (cases[i].service)
			conn_set_service(p.conn);
		conn_pause(p.conn);
		peer_write(peer, WORDS);
		leave(&p, peer);
		write_at_the_end_of_the_turn(&p);
		loop_finish_turn(&bench.loop);
		assert_false(conn_dead(p.conn));
		assert_false(loop_goes_on());
		assert_read_to_the_end(&p, "");
	}
}

static void
without_a_limit_and_after_the_end_of_input_a_failed_write_closes(void **state)
{
	struct conn_limits unlimited = {.max_kept = 1024};
	struct probe p;
	int peer = probe_open(&p, &unlimited, &probe_ops_eof);

	(void)state;
	peer_write(peer, WORDS);
	leave(&p, peer);
	write_at_the_end_of_the_turn(&p);
	assert_read_to_the_end(&p, "");

	peer = probe_open(&p, &probe_limits, &probe_ops_eof);
	close(peer);
	RUN_UNTIL(p.eofs);
	p.eofs = 0;
	write_at_the_end_of_the_turn(&p);
	assert_read_to_the_end(&p, "");
}

/* The peer reads nothing any more and lives on. */
static void
a_peer_that_only_stops_reading_is_cut_at_once(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	peer_write(peer, WORDS);
	shutdown(peer, SHUT_RD);
	write_at_the_end_of_the_turn(&p);
	loop_finish_turn(&bench.loop);
	assert_int_equal(p.closings, 1);
	assert_read_to_the_end(&p, WORDS);
	close(peer);
}

static void
finishing_after_a_failed_write_closes_with_its_reason(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct probe p;
		int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

		peer_write(peer, WORDS);
		leave(&p, peer);
		conn_send_copy(p.conn, "answer", 6);
		conn_write_now(p.conn);
		assert_true(p.conn->write_failed);
		if (i == 0)
			conn_finish(p.conn, REASON_FORCED);
		else
			conn_close(p.conn, REASON_FORCED);
		run_turn();
		assert_int_equal(p.datas, 0);
		assert_int_equal(p.reason, REASON_FORCED);
		probe_fini(&p);
	}
}

static void
a_write_that_fails_while_finishing_closes(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops_eof);

	(void)state;
	peer_write(peer, WORDS);
	leave(&p, peer);
	conn_send_copy(p.conn, "answer", 6);
	conn_finish(p.conn, REASON_FORCED);
	run_turn();
	assert_int_equal(p.datas, 0);
	assert_int_equal(p.reason, REASON_FORCED);
	probe_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_last_words_of_a_peer_arrive_after_a_failed_write),
		CASE(answers_to_the_last_words_are_dropped),
		CASE(an_owner_that_pauses_gets_all_of_a_long_input),
		CASE(an_owner_that_never_resumes_keeps_the_connection_for_a_limited_time),
		CASE(without_a_limit_and_after_the_end_of_input_a_failed_write_closes),
		CASE(a_peer_that_only_stops_reading_is_cut_at_once),
		CASE(finishing_after_a_failed_write_closes_with_its_reason),
		CASE(a_write_that_fails_while_finishing_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
