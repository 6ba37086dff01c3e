/* How a server ends: its connections, its stop listeners, and calls before and during the end. */
#include "tests/unit/process/server_bench.h"

/* An idle keep-alive connection and an open session both end well before any of their time-outs. */
static void
closing_ends_connections(void **state)
{
	struct fixture *f = *state;
	int idle, busy;
	double began;

	set(f, "keepAliveTimeout", "60s");
	set(f, "lingerTimeout", "60s");
	listen_on(f);
	idle = connect_to(f);
	assert_int_equal(send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0), 27);
	read_reply(f, idle, "Not found");
	get(f, "/socket.io/?EIO=4&transport=polling", "\"maxPayload\"");
	busy = connect_to(f);
	assert_int_equal(send(busy, "GET / HTTP", 10, 0), 10);
	turn(f);
	began = now();
	sio_close(f->io, on_done, f);
	read_reply(f, idle, NULL);
	read_reply(f, busy, NULL);
	assert_int_equal(f->done, 0); /* the clients have not closed their side yet */
	assert_int_equal(sio_port(f->io), 0);
	close(idle);
	close(busy);
	while (!f->done && now() < began + PATIENCE_S)
		turn(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(sio_clients_count(f->io), 0);
	sio_close(f->io, on_done, f); /* harmless */
	turn(f);
	assert_int_equal(f->done, 1);
}

/* The server waits for a peer that never closes its side no longer than lingerTimeout. */
static void
closing_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	int fd;

	set(f, "lingerTimeout", "50ms");
	listen_on(f);
	fd = connect_to(f);
	turn(f);
	close_server(f);
	close(fd);
}

static void
on_done_free(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	sio_server_free(io);
	f->io = NULL;
	f->done++;
}

static void
freed_from_within_done(void **state)
{
	struct fixture *f = *state;
	double deadline = now() + PATIENCE_S;

	listen_on(f);
	get(f, "/socket.io/?EIO=4&transport=polling", "\"maxPayload\"");
	sio_close(f->io, on_done_free, f);
	while (!f->done && now() < deadline)
		turn(f);
	assert_int_equal(f->done, 1);
	assert_null(f->io);
}

static void
closed_without_listening(void **state)
{
	struct fixture *f = *state;

	close_server(f);
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_STATE);
}

static void
block(void *arg)
{
	(void)arg;
	usleep(20000);
}

static void
count_work(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	assert_ptr_equal(io, f->io);
	assert_int_equal(f->stops, 0);
	assert_int_equal(f->done, 0);
	f->works++;
}

static void
note_stop_after_work(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(f->works, 2);
	assert_int_equal(sio_work(io, block, count_work, f), SIO_ERR_STATE);
	f->stops++;
}

/* A worker must not end while a thread of the application still writes what was received. */
static void
work_ends_before_the_server(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	sio_on_stop(f->io, note_stop_after_work, f);
	assert_int_equal(sio_work(f->io, block, count_work, f), 0);
	assert_int_equal(sio_work(f->io, block, count_work, f), 0);
	close_server(f);
	assert_int_equal(f->stops, 1);
}

static void
note_stop(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	assert_ptr_equal(io, f->io);
	assert_int_equal(f->done, 0);
	assert_int_equal(sio_clients_count(io), 0);
	sio_close(io, on_done, f); /* harmless, and `done` is not called twice */
	sio_on_stop(io, note_stop, f);
	f->stops = f->stops * 10 + 1;
}

static void
note_removed_stop(sio_server *io, void *arg)
{
	(void)io;
	(void)arg;
	fail_msg("a removed function was called");
}

static void
note_second_stop(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(sio_off_stop(io, note_removed_stop, f), 0);
	assert_int_equal(sio_off_stop(io, note_removed_stop, f), SIO_ERR_NOT_FOUND);
	f->stops = f->stops * 10 + 2;
}

static void
stop_listeners_are_called_once_in_order_before_done(void **state)
{
	struct fixture *f = *state;

	sio_on_stop(f->io, note_stop, f);
	sio_on_stop(f->io, note_second_stop, f);
	sio_on_stop(f->io, note_removed_stop, f);
#ifndef SIO_CHECKED
	sio_on_stop(f->io, NULL, f);
	sio_on_stop(NULL, note_stop, f);
#endif
	assert_int_equal(sio_listen(f->io, f->error), SIO_OK);
	turn(f);
	assert_int_equal(f->stops, 0);
	close_server(f);
	turn(f);
	assert_int_equal(f->stops, 12);
}

static void
a_drain_ends_with_the_stop_listeners_too(void **state)
{
	struct fixture *f = *state;
	double deadline = now() + PATIENCE_S;

	sio_on_stop(f->io, note_stop, f);
	assert_int_equal(sio_listen(f->io, f->error), SIO_OK);
	sio_drain(f->io, 10, on_done, f);
	while (!f->done && now() < deadline)
		turn(f);
	assert_int_equal(f->stops, 1);
}

/* Copies the session id from the reply to a handshake. */
static void
copy_sid(const struct fixture *f, char sid[21])
{
	const char *at = strstr(f->reply, "\"sid\":\"");

	assert_non_null(at);
	snprintf(sid, 21, "%s", at + strlen("\"sid\":\""));
}

static bool
is_refused(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), result;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&a, sizeof a);
	close(fd);
	return result < 0;
}

/* On new connections: a session gets its answers, a new client is refused, everything else ends its connection. */
static void
a_draining_server_keeps_its_port_for_its_sessions(void **state)
{
	struct fixture *f = *state;
	double deadline = now() + PATIENCE_S;
	char sid[21], path[100];
	uint16_t port;

	listen_on(f);
	port = sio_port(f->io);
	get(f, "/socket.io/?EIO=4&transport=polling", "\"maxPayload\"");
	copy_sid(f, sid);
	sio_drain(f->io, 60000, on_done, f);
	for (unsigned i = 0; i < 3; i++)
		turn(f);
	assert_int_equal(sio_port(f->io), port);
	get(f, "/socket.io/?EIO=4&transport=polling", NULL);
	assert_non_null(strstr(f->reply, "HTTP/1.1 503 "));
	assert_non_null(strstr(f->reply, "Retry-After: 1\r\n"));
	get(f, "/", NULL);
	assert_non_null(strstr(f->reply, "HTTP/1.1 404 "));
	assert_int_equal(f->done, 0);
	snprintf(path, sizeof path, "/socket.io/?EIO=4&transport=polling&sid=%s", sid);
	get(f, path, NULL);
	assert_non_null(strstr(f->reply, "HTTP/1.1 200 "));
	assert_int_equal(f->reply[strlen(f->reply) - 1], '1'); /* the engine's packet "close" */
	while (!f->done && now() < deadline)
		turn(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(sio_port(f->io), 0);
	assert_true(is_refused(port));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(closing_ends_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_does_not_wait_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(freed_from_within_done, setup, teardown),
		cmocka_unit_test_setup_teardown(work_ends_before_the_server, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_without_listening, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_listeners_are_called_once_in_order_before_done, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drain_ends_with_the_stop_listeners_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_draining_server_keeps_its_port_for_its_sessions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
