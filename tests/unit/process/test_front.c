/* The limit of connections per worker, on every way in which they arrive. */
#include "tests/unit/io/io_bench.h"

#include "node/http/http.h"
#include "node/process/front.h"

static struct front *front;

static void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	http_reply(r, 200, "text/plain", TEXT("served"), false);
}

static int
start(void **state)
{
	static const struct front_options options = {.host = (char *)(uintptr_t) "127.0.0.1",
		.max_connections = 2,
		.max_head_size = 8192,
		.max_headers = 64,
		.tls_timeout = 5000,
		.head_timeout = 5000,
		.body_timeout = 5000,
		.keep_alive_timeout = 60000,
		.send_timeout = 5000,
		.linger_timeout = 1000};
	struct front_setup setup = {.options = &options, .on_request = on_request};
	char error[FRONT_ERROR_MAX];

	bench_start(state);
	assert_int_equal(front_open(&front, &bench.loop, &setup, error), 0);
	return 0;
}

static int
stop(void **state)
{
	conn_close_all(&bench.loop, REASON_SHUTDOWN);
	loop_finish_turn(&bench.loop);
	front_free(front);
	return bench_stop(state);
}

/* A sibling hands over a request with its connection; returns our end of the connection. */
static int
hand_over(void)
{
	struct handover_guest g = {.bytes = TEXT("GET / HTTP/1.1\r\nHost: h\r\n\r\n")};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	g.fd = ends[1];
	front_take(front, &g);
	return ends[0];
}

/* The next byte of a reply; 0 at the end. */
static ssize_t
next_read(int fd)
{
	uint64_t deadline = bench_clock() + 20000;
	char bytes[1000];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof bytes, 0)) < 0) {
		assert_true(bench_clock() < deadline);
		ev_run(bench.ev, EVRUN_NOWAIT);
		loop_finish_turn(&bench.loop);
	}
	return n;
}

static void
connections_of_siblings_count_too(void **state)
{
	int fds[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fds[i] = hand_over();
	assert_true(next_read(fds[0]) > 0);
	assert_true(next_read(fds[1]) > 0);
	assert_int_equal(next_read(fds[2]), 0);
	assert_int_equal(next_read(fds[3]), 0);
	assert_int_equal(bench.loop.closed[REASON_TOO_MANY], 2);
	close(fds[0]);
	while (bench.loop.connections == 2) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
	}
	fds[0] = hand_over();
	assert_true(next_read(fds[0]) > 0);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(connections_of_siblings_count_too, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
