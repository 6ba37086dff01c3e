/* What the kernel knows about a connection's socket. */
#include "tests/unit/io/io_bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static size_t
take_all(struct conn *c, uint8_t *data, size_t n)
{
	(void)c;
	(void)data;
	return n;
}

static void
nothing(struct conn *c, unsigned reason)
{
	(void)c;
	(void)reason;
}

static const struct conn_ops ops = {.on_data = take_all, .on_closed = nothing};
static const struct conn_limits limits = {0, 1024, 0, 0, 0};

static unsigned
cut_timeout_of(const struct conn *c)
{
	unsigned value = 0;
	socklen_t n = sizeof value;

	assert_int_equal(getsockopt(conn_fd(c), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &n), 0);
	return value;
}

static void
tcp_is_not_local_and_has_a_cut_timeout(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof address;
	int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct conn_credentials who;
	struct conn *c;

	(void)state;
	assert_int_equal(bind(listening, (struct sockaddr *)&address, n), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &n), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, n), 0);
	fd = accept4(listening, (struct sockaddr *)&address, &n, SOCK_NONBLOCK);
	c = conn_new(&bench.loop, fd, (struct sockaddr *)&address, n, NULL, &limits, &ops, NULL);
	assert_false(conn_is_local(c));
	assert_false(conn_peer_credentials(c, &who));
	assert_int_equal(cut_timeout_of(c), 0);
	conn_set_cut_timeout(c, 10000);
	assert_int_equal(cut_timeout_of(c), 10000);
	conn_close(c, REASON_FINISHED);
	close(client);
	close(listening);
}

static void
a_unix_socket_tells_who_is_there(void **state)
{
	struct conn_credentials who = {0, 0};
	struct conn *c;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	c = conn_new(&bench.loop, ends[0], NULL, 0, NULL, &limits, &ops, NULL);
	assert_true(conn_is_local(c));
	assert_true(conn_peer_credentials(c, &who));
	assert_int_equal(who.pid, getpid());
	assert_int_equal(who.uid, getuid());
	conn_set_cut_timeout(c, 10000); /* a Unix socket has no network that could be cut */
	conn_close(c, REASON_FINISHED);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tcp_is_not_local_and_has_a_cut_timeout, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_unix_socket_tells_who_is_there, bench_start, bench_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
