/* Connections over TLS, with an OpenSSL client on the other end of a socket pair, in the same loop. */
#include "tests/unit/io/tls_bench.h"

#include "common/io/conn_internal.h"

static struct tls_context *context;

struct client {
	SSL *ssl;
	int fd;
	struct buffer got;
	bool eof, failed;
};

static SSL_CTX *client_context;

static int
start(void **state)
{
	struct tls_options o = {.cert_file = pem_path("cert.pem"), .key_file = pem_path("key.pem")};
	char error[TLS_ERROR_MAX];

	bench_start(state);
	if (tls_context_new(&context, &o, error) != 0)
		fail_msg("%s", error);
	client_context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(client_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

static int
stop(void **state)
{
	tls_context_free(context);
	SSL_CTX_free(client_context);
	return bench_stop(state);
}

static void
open_pair(
	struct probe *p, struct client *cl, const struct conn_limits *limits, const struct conn_ops *ops, int sndbuf)
{
	int ends[2];

	probe_init(p);
	*cl = (struct client){0};
	buffer_init(&cl->got, 64 << 20);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	if (sndbuf > 0)
		setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	p->conn = conn_new(&bench.loop, ends[0], NULL, 0, context, limits, ops, p);
	assert_true(conn_is_tls(p->conn));
	cl->fd = ends[1];
	cl->ssl = SSL_new(client_context);
	SSL_set_fd(cl->ssl, ends[1]);
	SSL_set_connect_state(cl->ssl);
}

static void
client_close(struct client *cl)
{
	/* else OpenSSL takes the session for broken, and its ticket with it */
	SSL_set_shutdown(cl->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(cl->ssl);
	if (cl->fd >= 0)
		close(cl->fd);
	buffer_fini(&cl->got);
}

/* Lets the client's end move: handshake, then all input. */
static void
client_step(struct client *cl)
{
	uint8_t bytes[20000];
	int n;

	ERR_clear_error();
	while ((n = SSL_read(cl->ssl, bytes, sizeof(bytes))) > 0)
		buffer_add(&cl->got, bytes, (size_t)n);
	n = SSL_get_error(cl->ssl, n);
	cl->eof |= n == SSL_ERROR_ZERO_RETURN;
	cl->failed |= n == SSL_ERROR_SSL || n == SSL_ERROR_SYSCALL;
}

#define BOTH_UNTIL(client, condition)                                                                                \
	do {                                                                                                         \
		uint64_t deadline_ = bench_clock() + 20000;                                                          \
		while (client_step(client), !(condition)) {                                                          \
			if (bench_clock() > deadline_)                                                               \
				fail_msg("never came true: %s", #condition);                                         \
			run_turn();                                                                                  \
		}                                                                                                    \
	} while (0)

static void
end(struct probe *p, struct client *cl)
{
	conn_close(p->conn, REASON_FORCED);
	run_turn();
	probe_fini(p);
	client_close(cl);
}

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
	end(&p, &cl);
}

/* The request in the same segment as the client's last handshake message: no poll would report it again. */
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
	end(&p, &cl);
}

static size_t
echo(struct probe *p, uint8_t *at, size_t n)
{
	buffer_add(&p->got, at, n);
	conn_send_copy(p->conn, at, n);
	return n;
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
	end(&p, &cl);
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
	end(&p, &cl);
}

/* Bytes and close_notify in one piece, and no FIN: once the bytes are read, the end is in the library alone. */
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
	end(&p, &cl);
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
	end(&p, &cl);
}

/* A read that takes less than a record says so; it takes a scratch full otherwise. */
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
	end(&p, &cl);
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
	BOTH_UNTIL(&cl, cl.eof); /* the answer, not merely the end of the socket */
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

/* ---------------------------------------------------------- bad handshakes */

static void
a_handshake_that_takes_too_long_is_cut(void **state)
{
	struct conn_limits limits = probe_limits;
	struct probe p;
	struct client cl;

	(void)state;
	limits.tls_ms = 30;
	open_pair(&p, &cl, &limits, &probe_ops, 0);
	conn_send_copy(p.conn, "never", 5);
	assert_int_equal(send(cl.fd, "\x16\x03\x01", 3, 0), 3); /* the beginning of a record, then silence */
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_TLS_TIMEOUT);
	assert_int_equal(p.datas + p.drains, 0);
	probe_fini(&p);
	client_close(&cl);
}

static void
other_protocols_are_refused(void **state)
{
	const struct text openings[] = {TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		TEXT("\x16\x03\x01\x48\x01 a record too long"), TEXT("\x80\x2e\x01\x03\x01 the hello of SSL 2"),
		TEXT("\x15\x03\x01\x00\x02\x02\x28"), TEXT("\x17\x03\x03\x00\x10 data before keys"),
		TEXT("\xff\xff\xff\xff\xff\xff\xff\xff")};
	static const char padding[64];

	(void)state;
	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		struct probe p;
		struct client cl;
		size_t n = openings[i].n;

		open_pair(&p, &cl, &probe_limits, &probe_ops_eof, 0);
		assert_int_equal(send(cl.fd, openings[i].at, n, 0), n);
		assert_int_equal(send(cl.fd, padding, sizeof(padding), 0), sizeof(padding));
		RUN_UNTIL(p.closings);
		assert_int_equal(p.reason, REASON_TLS);
		assert_int_equal(p.datas + p.eofs, 0);
		probe_fini(&p);
		client_close(&cl);
	}
}

/* The client goes away at each stage of the handshake. */
static void
a_handshake_cut_anywhere_ends_the_connection(void **state)
{
	static uint8_t hello[4096];
	BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(client_context);

	(void)state;
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	int n = BIO_read(out, hello, sizeof(hello));
	assert_true(n > 100);
	for (int cut = 0; cut <= n; cut++) {
		struct probe p;
		struct client cl;

		open_pair(&p, &cl, &probe_limits, &probe_ops_eof, 0);
		assert_int_equal(send(cl.fd, hello, (size_t)cut, 0), cut);
		if (cut % 2)
			run_turn();
		close(cl.fd);
		cl.fd = -1;
		RUN_UNTIL(p.closings);
		/* the server's answer may meet the closed end before the end is read */
		assert_true(p.reason == REASON_RESET || p.reason == REASON_PEER_CLOSED);
		assert_int_equal(p.datas + p.eofs, 0);
		probe_fini(&p);
		client_close(&cl);
	}
	SSL_free(ssl);
}

static void
closing_during_the_handshake_is_clean(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	client_step(&cl);
	conn_finish(p.conn, REASON_SHUTDOWN); /* nothing queued: nobody to say good-bye to */
	assert_true(conn_dead(p.conn));
	run_turn();
	assert_int_equal(p.reason, REASON_SHUTDOWN);
	probe_fini(&p);
	client_close(&cl);
}

static void
a_damaged_record_is_refused(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	assert_int_equal(send(cl.fd, "\x17\x03\x03\x00\x20 this was never encrypted, was it", 37, 0), 37);
	RUN_UNTIL(p.closings);
	assert_int_equal(p.reason, REASON_TLS);
	assert_int_equal(p.datas, 0);
	probe_fini(&p);
	client_close(&cl);
}

/* ---------------------------------------------------------- what is agreed on */

static void
alpn_answers_http_1_1_and_goes_on_without_overlap(void **state)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
	struct probe p;
	struct client cl;
	const unsigned char *chosen;
	unsigned n;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_alpn_protos(cl.ssl, both, sizeof(both) - 1);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	SSL_get0_alpn_selected(cl.ssl, &chosen, &n);
	assert_int_equal(n, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	end(&p, &cl);

	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_alpn_protos(cl.ssl, h2, sizeof(h2) - 1);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	SSL_get0_alpn_selected(cl.ssl, &chosen, &n);
	assert_int_equal(n, 0);
	end(&p, &cl);
}

static void
tls_1_1_is_refused_and_1_2_is_served(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_security_level(cl.ssl, 0);
	SSL_set_min_proto_version(cl.ssl, TLS1_VERSION);
	SSL_set_max_proto_version(cl.ssl, TLS1_1_VERSION);
	BOTH_UNTIL(&cl, p.closings);
	assert_int_equal(p.reason, REASON_TLS);
	probe_fini(&p);
	client_close(&cl);

	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_max_proto_version(cl.ssl, TLS1_2_VERSION);
	conn_send_copy(p.conn, "hello", 5);
	BOTH_UNTIL(&cl, cl.got.len == 5);
	assert_string_equal(SSL_get_version(cl.ssl), "TLSv1.2");
	/* a renegotiation is declined, and the connection goes on */
	SSL_renegotiate(cl.ssl);
	SSL_do_handshake(cl.ssl);
	for (int i = 0; i < 3; i++)
		run_turn();
	assert_true(p.conn == NULL || !p.conn->handshaking);
	if (p.conn != NULL)
		conn_close(p.conn, REASON_FORCED);
	run_turn();
	probe_fini(&p);
	client_close(&cl);
}

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **kept = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(*kept);
	*kept = session;
	return 1;
}

static void
a_ticket_resumes_the_session(void **state)
{
	struct probe p;
	struct client cl;
	SSL_SESSION *session = NULL;

	(void)state;
	SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_set_app_data(client_context, &session);
	SSL_CTX_sess_set_new_cb(client_context, keep_session);
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	conn_send_copy(p.conn, "x", 1);
	BOTH_UNTIL(&cl, cl.got.len == 1);
	assert_false(SSL_session_reused(cl.ssl));
	assert_non_null(session);
	end(&p, &cl);

	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_session(cl.ssl, session);
	conn_send_copy(p.conn, "x", 1);
	BOTH_UNTIL(&cl, cl.got.len == 1);
	assert_true(SSL_session_reused(cl.ssl));
	end(&p, &cl);
	SSL_SESSION_free(session);
}

/* Key updates make the library write while it reads. */
static void
key_updates_are_followed(void **state)
{
	struct probe p;
	struct client cl;

	(void)state;
	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	p.data = echo;
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	for (int i = 0; i < 5; i++) {
		size_t before = cl.got.len;

		assert_int_equal(SSL_key_update(cl.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(cl.ssl, "round", 5), 5);
		BOTH_UNTIL(&cl, cl.got.len == before + 5);
	}
	end(&p, &cl);
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
	tls_context_free(context); /* certificates read anew */
	assert_int_equal(tls_context_new(&context, &o, error), 0);
	conn_send_copy(p.conn, "still here", 10);
	BOTH_UNTIL(&cl, cl.got.len == 10);
	end(&p, &cl);
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

#undef CASE
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(handshake_and_both_directions),
		CASE(a_request_right_behind_the_handshake_is_seen),
		CASE(a_megabyte_comes_back_whole),
		CASE(a_megabyte_comes_back_whole_through_a_narrow_socket),
		CASE(messages_of_a_turn_share_a_record_and_a_write),
		CASE(a_read_tells_whether_the_library_holds_more),
		CASE(the_loop_does_not_wait_while_the_library_holds_input),
		CASE(resume_finds_what_the_library_holds),
		CASE(finish_sends_close_notify_then_fin),
		CASE(after_the_peers_close_notify_answers_still_go_out),
		CASE(the_peers_close_notify_is_answered),
		CASE(what_is_queued_reaches_a_peer_that_has_ended),
		CASE(a_peer_that_leaves_without_close_notify_is_peer_closed),
		CASE(a_handshake_that_takes_too_long_is_cut),
		CASE(other_protocols_are_refused),
		CASE(a_handshake_cut_anywhere_ends_the_connection),
		CASE(closing_during_the_handshake_is_clean),
		CASE(a_damaged_record_is_refused),
		CASE(alpn_answers_http_1_1_and_goes_on_without_overlap),
		CASE(tls_1_1_is_refused_and_1_2_is_served),
		CASE(a_ticket_resumes_the_session),
		CASE(key_updates_are_followed),
		CASE(a_connection_outlives_its_context),
		CASE(a_stalled_tls_peer_is_cut),
	};

	return cmocka_run_group_tests(tests, pem_start, pem_stop);
}
