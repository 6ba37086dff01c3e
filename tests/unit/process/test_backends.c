/* A server with backends: when it opens their addresses, what prevents that, and that nothing is left afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io/log.h"
#include "node/process/server.h"
#include "node/sockeye.h"

static char folder[] = "/tmp/sockeye-backends-XXXXXX", path[sizeof folder + 8], url[sizeof path + 8];
static char error[SIO_ERROR_LINE];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/s", folder);
	snprintf(url, sizeof url, "unix://%s", path);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if the directory is not empty */
}

static int
dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

static sio_server *
a_server(struct ev_loop *ev)
{
	sio_server *io = sio_server_new(ev);

	assert_int_equal(sio_set_option(io, "host", "127.0.0.1", error), SIO_OK);
	assert_int_equal(sio_set_option(io, "port", "0", error), SIO_OK);
	assert_int_equal(sio_set_option(io, "backend", url, error), SIO_OK);
	return io;
}

static void
on_closed(sio_server *io, void *arg)
{
	(void)io;
	*(bool *)arg = true;
}

static void
close_server(struct ev_loop *ev, sio_server *io)
{
	bool closed = false;

	sio_close(io, on_closed, &closed);
	while (!closed)
		ev_run(ev, EVRUN_ONCE);
	sio_server_free(io);
}

static void
a_server_opens_its_addresses_and_removes_them(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	sio_server *io = a_server(ev);
	struct server_parts parts;
	uint8_t challenge[256];
	int backend;

	(void)state;
	assert_int_equal(access(path, F_OK), -1);
	assert_true(server_has_backends(io));
	assert_int_equal(sio_listen(io, error), SIO_OK);
	server_parts(io, &parts);
	assert_non_null(parts.backends);
	backend = dial();
	assert_true(backend >= 0);
	while (recv(backend, challenge, sizeof challenge, MSG_DONTWAIT) <= 0)
		ev_run(ev, EVRUN_NOWAIT);
	close_server(ev, io); /* although a backend has not sent HELLO */
	assert_int_equal(access(path, F_OK), -1);
	close(backend);
	ev_loop_destroy(ev);
}

static void
an_address_that_is_taken_is_an_error(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	sio_server *first = a_server(ev), *second = a_server(ev);

	(void)state;
	assert_int_equal(sio_listen(first, error), SIO_OK);
	assert_int_equal(sio_listen(second, error), SIO_ERR_SYSTEM);
	assert_non_null(strstr(error, "another program listens"));
	sio_server_free(second);
	assert_int_equal(access(path, F_OK), 0); /* the file belongs to the first server */
	close_server(ev, first);
	ev_loop_destroy(ev);
}

static void
wrong_addresses_are_refused(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	sio_server *io = a_server(ev);

	(void)state;
	assert_int_equal(sio_set_option(io, "backend", "http://edge", error), SIO_OK);
	assert_int_equal(sio_listen(io, error), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(error, "not an address"));
	sio_server_free(io);
	ev_loop_destroy(ev);
}

static void
no_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level, (void)line, (void)n;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_opens_its_addresses_and_removes_them),
		cmocka_unit_test(an_address_that_is_taken_is_an_error),
		cmocka_unit_test(wrong_addresses_are_refused),
	};

	log_set_sink(no_log, NULL);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
