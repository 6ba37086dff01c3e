/* Connections over TLS: both directions, batching, input that the library holds, and how they end. */
#include "tests/unit/io/tls_pair.h"

static void
handshake_and_both_directions(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	conn_send_copy(p.conn, "queued before the handshake", 27);
	BOTH_UNTIL(&cl, cl.got.len == 27);
	assert_got(cl.got, "queued before the handshake");
	assert_string_equal(SSL_get_version(cl.ssl), "TLSv1.3");
	assert_false(p.conn->handshaking);
	assert_false(wheel_armed(&p.conn->guard));
	assert_int_equal(SSL_write(cl.ssl, "hello", 5), 5);
	BOTH_UNTIL(&cl, p.got.len == 5);
	assert_got(p.got, "hello");
	assert_int_equal(p.drains, 1);
	close_pair(&p, &cl);
}

/* The request is in the same segment as the client's last handshake message: no poll would report it again. */
static void
a_request_right_behind_the_handshake_is_seen(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	while (SSL_do_handshake(cl.ssl) != 1)
		run_turn();
	assert_true(p.conn->handshaking); /* the server has not seen Finished yet */
	assert_int_equal(SSL_write(cl.ssl, "request", 7), 7);
	run_turn();
	assert_got(p.got, "request");
	close_pair(&p, &cl);
}

static void
echo_of_a_megabyte(int sndbuf, size_t piece)
{
	const size_t total = 1 << 20;
	struct probe p;
	struct client cl;
	struct block *b = pattern_block(0, total);
	size_t sent = 0;

	open_pair(&p, &cl, &probe_limits, &probe_ops, sndbuf);
	p.data = echo;
	uint64_t start = bench_clock();
	while (cl.got.len < total) {
		assert_true(bench_clock() < start + 60000);
		assert_false(cl.failed);
		assert_int_equal(p.closings, 0);
		while (sent < total) {
			int n = SSL_write(cl.ssl, b->data + sent, (int)(total - sent < piece ? total - sent : piece));

			if (n <= 0)
				break;
			sent += (size_t)n;
		}
		client_step(&cl);
		run_turn();
	}
	assert_pattern(&p.got, total);
	assert_pattern(&cl.got, total);
	RUN_UNTIL(conn_queued(p.conn) == 0);
	assert_true(p.drains > 0);
	block_unref(b);
	close_pair(&p, &cl);
}

static void
a_megabyte_comes_back_whole(void **state)
{
	(void)state;
	echo_of_a_megabyte(0, 1 << 20);
	echo_of_a_megabyte(0, 977);
}

static void
a_megabyte_comes_back_whole_through_a_narrow_socket(void **state)
{
	(void)state;
	echo_of_a_megabyte(1, 1 << 20);
}

/* The rest of an answer waits for the next turn, or for room in the narrow socket, whichever limit comes first. */
static void
a_megabyte_comes_back_whole_in_parts(void **state)
{
	(void)state;
	bench.loop.part_bytes = 20000;
	echo_of_a_megabyte(0, 1 << 20);
	echo_of_a_megabyte(1, 1 << 20);
}

static void
messages_of_a_turn_share_a_record_and_a_write(void **state)
{
	struct probe p;
	struct client cl;
	uint64_t before;
	size_t at = 0;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	before = bench.loop.counters.value[COUNT_WRITES];
	for (int i = 0; i < 300; i++) {
		struct block *b = pattern_block(at, 50);

		conn_send(p.conn, b, 0, 50);
		block_unref(b);
		at += 50;
	}
	run_turn();
	assert_int_equal(bench.loop.counters.value[COUNT_WRITES], before + 1);
	BOTH_UNTIL(&cl, cl.got.len == at);
	assert_pattern(&cl.got, at);
	close_pair(&p, &cl);
}

/* Bytes and close_notify arrive together, without a FIN. Once the bytes are read, only the library knows of the end.
 */
static void
send_with_end(struct probe *p, struct client *cl)
{
	BOTH_UNTIL(cl, !p->conn->handshaking);
	assert_int_equal(SSL_write(cl->ssl, "last words", 10), 10);
	assert_int_equal(SSL_shutdown(cl->ssl), 0);
	RUN_UNTIL(p->datas == 1);
}

static void
the_loop_does_not_wait_while_the_library_holds_input(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops_eof, 0);
	send_with_end(&p, &cl);
	assert_int_equal(p.eofs, 0); /* one read per turn */
	loop_finish_turn(&bench.loop);
	assert_true(loop_goes_on());
	run_turn();
	run_turn();
	assert_int_equal(p.eofs, 1);
	assert_got(p.got, "last words");
	run_turn();
	assert_false(loop_goes_on());
	close_pair(&p, &cl);
}

static void
resume_finds_what_the_library_holds(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct client cl;

	(void)state;
	limits.max_kept = 10;
	open_pair(&p, &cl, &limits, &probe_ops_eof, 0);
	p.data = take_nothing;
	send_with_end(&p, &cl);
	for (int i = 0; i < 3; i++)
		run_turn();
	assert_int_equal(p.datas, 1);
	assert_int_equal(p.eofs, 0);
	assert_false(loop_goes_on()); /* paused: nothing to do */
	p.data = NULL;
	conn_resume(p.conn);
	run_turn();
	run_turn();
	assert_got(p.got, "last words");
	assert_int_equal(p.eofs, 1);
	close_pair(&p, &cl);
}

/* A small buffer leaves a part of the record in the library, and `more` says so. */
static void
a_read_tells_whether_the_library_holds_more(void **state)
{
	struct probe p;
	struct client cl;
	uint8_t at[16];

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	assert_int_equal(SSL_write(cl.ssl, "0123456789", 10), 10);
	assert_int_equal(stream_tls.read(p.conn, at, 4), 4);
	assert_true(p.conn->more);
	assert_int_equal(stream_tls.read(p.conn, at + 4, 6), 6);
	assert_false(p.conn->more);
	assert_memory_equal(at, "0123456789", 10);
	assert_int_equal(stream_tls.read(p.conn, at, 4), STREAM_WAIT);
	assert_false(p.conn->more);
	close_pair(&p, &cl);
}

/* Other users of OpenSSL may leave an error in the thread's queue. */
static void
an_old_error_does_not_close_a_connection(void **state)
{
	struct probe p;
	struct client cl;
	uint8_t at[4];

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
	assert_int_equal(stream_tls.read(p.conn, at, sizeof(at)), STREAM_WAIT);
	close_pair(&p, &cl);
}

static void
finish_sends_close_notify_then_fin(void **state)
{
	struct probe p;
	struct client cl;
	char byte;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	conn_send_copy(p.conn, "bye", 3);
	conn_finish(p.conn, REASON_FINISHED); /* in the middle of the handshake */
	BOTH_UNTIL(&cl, cl.eof);
	assert_false(cl.failed);
	assert_got(cl.got, "bye");
	assert_int_equal(recv(cl.fd, &byte, 1, 0), 0);
	assert_int_equal(p.closings, 0);
	assert_int_equal(SSL_shutdown(cl.ssl), 1);
	shutdown(cl.fd, SHUT_WR);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_FINISHED);
	probe_fini(&p);
	client_close(&cl);
}

static void
answer_and_finish(struct probe *p)
{
	conn_send_copy(p->conn, "answer", 6);
	conn_finish(p->conn, REASON_FINISHED);
}

static void
after_the_peers_close_notify_answers_still_go_out(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops_eof, 0);
	p.eof = answer_and_finish;
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	assert_int_equal(SSL_write(cl.ssl, "request", 7), 7);
	assert_int_equal(SSL_shutdown(cl.ssl), 0);
	BOTH_UNTIL(&cl, p.closings);
	client_step(&cl);
	assert_int_equal(p.eofs, 1);
	assert_got(p.got, "request");
	assert_got(cl.got, "answer");
	assert_int_equal(p.reason, REASON_FINISHED);
	probe_fini(&p);
	client_close(&cl);
}

static void
the_peers_close_notify_is_answered(void **state)
{
	struct probe p;
	struct client cl;
	char byte;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	assert_int_equal(SSL_shutdown(cl.ssl), 0);
	BOTH_UNTIL(&cl, cl.eof); /* the answer, not just the end of the socket */
	assert_false(cl.failed);
	assert_int_equal(SSL_shutdown(cl.ssl), 1);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	assert_int_equal(recv(cl.fd, &byte, 1, 0), 0);
	probe_fini(&p);
	client_close(&cl);
}

static void
what_is_queued_reaches_a_peer_that_has_ended(void **state)
{
	struct probe p;
	struct client cl;
	struct block *block = pattern_block(0, 1 << 20);

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 4096);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	conn_send(p.conn, block, 0, block->len);
	assert_int_equal(SSL_shutdown(cl.ssl), 0);
	for (int i = 0; i < 5; i++)
		run_turn();
	assert_int_equal(p.closings, 0);
	BOTH_UNTIL(&cl, cl.eof);
	assert_pattern(&cl.got, 1 << 20);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	block_unref(block);
	probe_fini(&p);
	client_close(&cl);
}

static void
a_peer_that_leaves_without_close_notify_is_peer_closed(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	client_step(&cl);
	close(cl.fd);
	cl.fd = -1;
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_PEER_CLOSED);
	probe_fini(&p);
	client_close(&cl);
}

/* The server learns of the peer's death from a write: in the handshake from that of its session tickets. */
static void
the_last_words_of_a_peer_arrive_after_a_failed_write(void **state)
{
	(void)state;
	for (int in_handshake = 0; in_handshake < 2; in_handshake++) {
		struct probe p;
		struct client cl;

		open_pair(&p, &cl, &probe_limits, &probe_ops_eof, 0);
		BOTH_UNTIL(&cl, in_handshake ? SSL_is_init_finished(cl.ssl) : !p.conn->handshaking);
		assert_int_equal(p.conn->handshaking, in_handshake);
		assert_int_equal(SSL_write(cl.ssl, "last words", 10), 10);
		close(cl.fd);
		cl.fd = -1;
		if (!in_handshake) {
			conn_send_copy(p.conn, "answer", 6);
			conn_write_now(p.conn);
			assert_int_equal(conn_queued(p.conn), 6);
		}
		assert_int_equal(p.datas + p.closings, 0);
		RUN_UNTIL(p.closings);
		assert_got(p.got, "last words");
		assert_int_equal(p.eofs, 0);
		assert_int_equal(p.reason, REASON_RESET);
		probe_fini(&p);
		client_close(&cl);
	}
}

static void
a_connection_outlives_its_context(void **state)
{
	struct tls_options o = {.cert_file = pem_path("cert.pem"), .key_file = pem_path("key.pem")};
	char error[TLS_ERROR_MAX];
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	tls_context_free(context); /* the certificates are read again */
	assert_int_equal(tls_context_new(&context, &o, error), 0);
	conn_send_copy(p.conn, "still here", 10);
	BOTH_UNTIL(&cl, cl.got.len == 10);
	close_pair(&p, &cl);
}

static void
a_stalled_tls_peer_is_cut(void **state)
{
	struct conn_limits limits = probe_limits;
	struct block *b = pattern_block(0, 1 << 20);
	struct probe p;
	struct client cl;

	(void)state;
	limits.stall_ms = 40;
	open_pair(&p, &cl, &limits, &probe_ops, 1);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	conn_send(p.conn, b, 0, 1 << 20);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_STALLED);
	assert_int_equal(b->refs, 1);
	block_unref(b);
	probe_fini(&p);
	client_close(&cl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(handshake_and_both_directions),
		CASE(a_request_right_behind_the_handshake_is_seen),
		CASE(a_megabyte_comes_back_whole),
		CASE(a_megabyte_comes_back_whole_through_a_narrow_socket),
		CASE(a_megabyte_comes_back_whole_in_parts),
		CASE(messages_of_a_turn_share_a_record_and_a_write),
		CASE(a_read_tells_whether_the_library_holds_more),
		CASE(an_old_error_does_not_close_a_connection),
		CASE(the_loop_does_not_wait_while_the_library_holds_input),
		CASE(resume_finds_what_the_library_holds),
		CASE(finish_sends_close_notify_then_fin),
		CASE(after_the_peers_close_notify_answers_still_go_out),
		CASE(the_peers_close_notify_is_answered),
		CASE(what_is_queued_reaches_a_peer_that_has_ended),
		CASE(a_peer_that_leaves_without_close_notify_is_peer_closed),
		CASE(the_last_words_of_a_peer_arrive_after_a_failed_write),
		CASE(a_connection_outlives_its_context),
		CASE(a_stalled_tls_peer_is_cut),
	};

	return cmocka_run_group_tests(tests, pem_start, pem_stop);
}
