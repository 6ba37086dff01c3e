/* A connection over TLS and an OpenSSL client on the other end of a socket pair, in the same loop. */
#ifndef TESTS_UNIT_IO_TLS_PAIR_H
#define TESTS_UNIT_IO_TLS_PAIR_H

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

static inline int
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

static inline int
stop(void **state)
{
	tls_context_free(context);
	SSL_CTX_free(client_context);
	return bench_stop(state);
}

static inline void
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

static inline void
client_close(struct client *cl)
{
	/* otherwise OpenSSL considers the session broken and drops its ticket */
	SSL_set_shutdown(cl->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(cl->ssl);
	if (cl->fd >= 0)
		close(cl->fd);
	buffer_fini(&cl->got);
}

/* Advances the client's end: first the handshake, then all input. */
static inline void
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

static inline void
close_pair(struct probe *p, struct client *cl)
{
	conn_close(p->conn, REASON_FORCED);
	run_turn();
	probe_fini(p);
	client_close(cl);
}

static inline size_t
echo(struct probe *p, uint8_t *at, size_t n)
{
	buffer_add(&p->got, at, n);
	conn_send_copy(p->conn, at, n);
	return n;
}

#undef CASE
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
