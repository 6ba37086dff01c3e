/* TLS handshakes: those that fail, what both ends agree on, session tickets, and key updates. */
#include "tests/unit/io/tls_pair.h"

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

/* The client disappears at each stage of the handshake. */
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
		/* the server's answer may hit the closed socket before the end of file is read */
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
	conn_finish(p.conn, REASON_SHUTDOWN); /* nothing is queued, so there is nothing to finish */
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
	close_pair(&p, &cl);

	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_alpn_protos(cl.ssl, h2, sizeof(h2) - 1);
	BOTH_UNTIL(&cl, !p.conn->handshaking);
	SSL_get0_alpn_selected(cl.ssl, &chosen, &n);
	assert_int_equal(n, 0);
	close_pair(&p, &cl);
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
	/* a renegotiation is declined, and the connection stays */
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
	close_pair(&p, &cl);

	open_pair(&p, &cl, &probe_limits, &probe_ops, 0);
	SSL_set_session(cl.ssl, session);
	conn_send_copy(p.conn, "x", 1);
	BOTH_UNTIL(&cl, cl.got.len == 1);
	assert_true(SSL_session_reused(cl.ssl));
	close_pair(&p, &cl);
	SSL_SESSION_free(session);
}

/* A key update makes the library write while it reads. */
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
	close_pair(&p, &cl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_handshake_that_takes_too_long_is_cut),
		CASE(other_protocols_are_refused),
		CASE(a_handshake_cut_anywhere_ends_the_connection),
		CASE(closing_during_the_handshake_is_clean),
		CASE(a_damaged_record_is_refused),
		CASE(alpn_answers_http_1_1_and_goes_on_without_overlap),
		CASE(tls_1_1_is_refused_and_1_2_is_served),
		CASE(a_ticket_resumes_the_session),
		CASE(key_updates_are_followed),
	};

	return cmocka_run_group_tests(tests, pem_start, pem_stop);
}
