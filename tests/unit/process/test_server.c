/* What a whole server answers, what keeps it from starting, and the options and files that it reads. */
#include "tests/unit/process/server_bench.h"

static void
answers_404(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	assert_non_null(strstr(get(f, "/nothing", "Not found"), "HTTP/1.1 404 Not Found\r\n"));
	assert_non_null(strstr(f->reply, "text/plain"));
	assert_non_null(strstr(f->log, "event=listening"));
	assert_non_null(strstr(f->log, "tls=no"));
}

static void
opens_a_session(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	get(f, "/socket.io/?EIO=4&transport=polling", "\"maxPayload\"");
	assert_non_null(strstr(f->reply, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(f->reply, "0{\"sid\":\""));
	assert_int_equal(sio_clients_count(f->io), 1);
	assert_non_null(strstr(get(f, "/engine.io/?EIO=4&transport=polling", "Not found"), " 404 "));
}

static void
serves_under_another_path(void **state)
{
	struct fixture *f = *state;

	set(f, "path", "/live/");
	listen_on(f);
	get(f, "/live/?EIO=4&transport=polling", "\"maxPayload\"");
	assert_non_null(strstr(get(f, "/live/socket.io.js", "\r\n\r\n"), "HTTP/1.1 200 OK\r\n"));
}

static void
serves_the_client(void **state)
{
	struct fixture *f = *state;

	set(f, "corsOrigin", "https://a.example");
	listen_on(f);
	get(f, "/socket.io/socket.io.min.js?x=1", "\r\n\r\n");
	assert_non_null(strstr(f->reply, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(f->reply, "application/javascript"));
	assert_non_null(strstr(f->reply, "https://a.example"));
	assert_non_null(strstr(get(f, "/socket.io/other.js", "Transport unknown"), " 400 "));
}

static void
keeps_the_client_back(void **state)
{
	struct fixture *f = *state;

	set(f, "serveClient", "false");
	listen_on(f);
	assert_non_null(strstr(get(f, "/socket.io/socket.io.js", "Transport unknown"), " 400 "));
}

static void
serves_files(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->scratch, "index.html", "<p>start page</p>");
	set(f, "public", f->scratch.dir);
	listen_on(f);
	assert_non_null(strstr(get(f, "/", "start page"), "text/html"));
	assert_non_null(strstr(get(f, "/missing", "\r\n\r\n"), " 404 "));
}

/* The length of the whole reply. */
static size_t
get_length(struct fixture *f, const char *path)
{
	double deadline = now() + PATIENCE_S;
	char request[512];
	int fd = connect_to(f);
	int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
	size_t length = 0;
	ssize_t got;

	assert_int_equal(send(fd, request, (size_t)n, 0), n);
	while ((got = recv(fd, f->reply, sizeof f->reply, 0)) > 0 || (got < 0 && errno == EAGAIN)) {
		length += got > 0 ? (size_t)got : 0;
		if (got < 0)
			turn(f);
		assert_true(now() < deadline);
	}
	close(fd);
	return length;
}

/* The server's own files arrive however small the output limit is: sent whole, and in pieces. */
static void
serve_large_files(struct fixture *f)
{
	scratch_run(&f->scratch, "head -c 262144 /dev/zero >whole.js && head -c 999999 /dev/zero >large");
	set(f, "public", f->scratch.dir);
	listen_on(f);
	assert_in_range(get_length(f, "/whole.js"), 262144, 263143);
	assert_in_range(get_length(f, "/large"), 999999, 1000998);
	assert_in_range(get_length(f, "/socket.io/socket.io.js"), 65536, 1 << 20);
}

static void
serves_files_beside_small_sessions(void **state)
{
	set(*state, "maxBuffered", "1k");
	serve_large_files(*state);
}

static void
serves_files_with_the_smallest_queue(void **state)
{
	set(*state, "maxQueue", "512k");
	serve_large_files(*state);
}

/* An empty value takes an earlier one back. */
static void
no_directory(void **state)
{
	struct fixture *f = *state;

	set(f, "public", scratch_path(&f->scratch, "nowhere"));
	set(f, "public", "");
	listen_on(f);
	assert_non_null(strstr(f->log, " public=none"));
}

static void
no_such_directory(void **state)
{
	struct fixture *f = *state;

	set(f, "public", scratch_path(&f->scratch, "nowhere"));
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_SYSTEM);
	assert_non_null(strstr(f->error, "nowhere"));
	assert_int_equal(sio_port(f->io), 0);
}

static void
port_taken(void **state)
{
	struct fixture *f = *state;
	sio_server *other = sio_server_new(f->ev);
	char port[16];

	listen_on(f);
	snprintf(port, sizeof port, "%u", sio_port(f->io));
	assert_int_equal(sio_set_option(other, "host", "127.0.0.1", f->error), SIO_OK);
	assert_int_equal(sio_set_option(other, "port", port, f->error), SIO_OK);
	assert_int_equal(sio_listen(other, f->error), SIO_ERR_SYSTEM);
	assert_non_null(strstr(f->error, port));
	assert_null(strchr(f->error, '\n'));
	close_server(f);
	assert_int_equal(sio_listen(other, f->error),
		SIO_OK); /* the port is free again, and the refused server can still be used */
	f->done = 0;
	sio_server_free(f->io);
	f->io = other;
}

static void
bad_redis_url(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_set_option(f->io, "redis", "http://127.0.0.1", f->error), SIO_OK);
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->error, "redis://"));
	assert_null(strchr(f->error, '\n'));
	assert_int_equal(sio_port(f->io), 0);
	/* nothing of the attempt is left */
	assert_int_equal(sio_set_option(f->io, "redis", "redis://127.0.0.1:1", f->error), SIO_OK);
	listen_on(f);
}

/*
 * An unreachable Redis delays no one: the server serves clients, and closes with messages for other nodes still
 * unsent.
 */
static void
redis_out_of_reach(void **state)
{
	struct fixture *f = *state;
	double began;

	assert_int_equal(sio_set_option(f->io, "redis", "redis://127.0.0.1:1", f->error), SIO_OK);
	listen_on(f);
	assert_int_equal(sio_emit(sio_all(sio_of(f->io, "/")), "x", ""), SIO_OK);
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_non_null(strstr(f->log, "event=bus state=down"));
	began = now();
	close_server(f);
	assert_true(now() - began < 5);
}

static void
make_cert(struct fixture *f, const char *name)
{
	char command[512];

	snprintf(command, sizeof command,
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=%s "
		"-keyout key.pem -out cert.pem 2>/dev/null",
		name);
	scratch_run(&f->scratch, command);
}

static void
bad_certificates(void **state)
{
	struct fixture *f = *state;

	set(f, "tlsCert", scratch_path(&f->scratch, "cert.pem"));
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->error, "--tls-key"));
	set(f, "tlsKey", scratch_path(&f->scratch, "key.pem"));
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_SYSTEM);
	assert_non_null(strstr(f->error, "cert.pem"));
	make_cert(f, "one");
	scratch_write(&f->scratch, "key.pem", "no key\n");
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_SYSTEM);
	assert_non_null(strstr(f->error, "key.pem"));
	assert_null(strchr(f->error, '\n'));
	make_cert(f, "two");
	listen_on(f);
}

/* The subject that a TLS client sees. The openssl program asks in the background while the loop turns. */
static const char *
subject(struct fixture *f)
{
	double deadline = now() + PATIENCE_S;
	char command[512];
	FILE *out;
	size_t n;

	snprintf(command, sizeof command,
		"openssl s_client -connect 127.0.0.1:%u </dev/null 2>/dev/null | grep -m1 CN", sio_port(f->io));
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fcntl(fileno(out), F_SETFL, O_NONBLOCK), 0);
	f->reply[0] = 0;
	while (!strchr(f->reply, '\n') && now() < deadline) {
		clearerr(out);
		n = fread(f->reply, 1, sizeof f->reply - 1, out);
		f->reply[n] = 0;
		turn(f);
	}
	pclose(out);
	return f->reply;
}

static void
reads_certificates_again(void **state)
{
	struct fixture *f = *state;

	make_cert(f, "first");
	set(f, "tlsCert", scratch_path(&f->scratch, "cert.pem"));
	set(f, "tlsKey", scratch_path(&f->scratch, "key.pem"));
	listen_on(f);
	assert_non_null(strstr(f->log, "tls=yes"));
	assert_non_null(strstr(subject(f), "first"));
	make_cert(f, "second");
	assert_int_equal(server_reload_tls(f->io, f->error), 0);
	assert_non_null(strstr(subject(f), "second"));
	scratch_write(&f->scratch, "cert.pem", "broken\n");
	assert_true(server_reload_tls(f->io, f->error) < 0);
	assert_non_null(strstr(f->error, "cert.pem"));
	assert_non_null(strstr(subject(f), "second"));
}

static void
nothing_to_read_again(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	assert_true(server_reload_tls(f->io, f->error) < 0);
	assert_non_null(strstr(f->error, "TLS is off"));
}

static void
options_end_with_listening(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_set_option(f->io, "pingInterwal", "1", f->error), SIO_ERR_NOT_FOUND);
	assert_non_null(strstr(f->error, "pingInterval"));
	assert_int_equal(sio_set_option(f->io, "ping-interval", "soon", f->error), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_set_option(f->io, "ping-interval", "10s", NULL), SIO_OK);
	assert_int_equal(sio_set_option(f->io, "ping-interval", NULL, f->error), SIO_ERR_ARGUMENT);
	listen_on(f);
	assert_int_equal(sio_set_option(f->io, "ping-interval", "1s", f->error), SIO_ERR_STATE);
	assert_int_equal(sio_listen(f->io, f->error), SIO_ERR_STATE);
	get(f, "/socket.io/?EIO=4&transport=polling", "\"pingInterval\":10000");
}

static void
log_lines(void **state)
{
	struct fixture *f = *state;

	sio_log(f->io, "joined", "id", "abc", "room", "a room", NULL);
	assert_non_null(strstr(f->log, "event=joined id=abc room=\"a room\"\n"));
	sio_log(f->io, "bare", NULL);
	assert_non_null(strstr(f->log, "event=bare\n"));
	sio_log(f->io, "many", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i",
		"9", NULL);
	assert_non_null(strstr(f->log, "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8\n"));
	/* a key without a value, with and without a following key; a number as a value */
	assert_int_equal(sio_log(f->io, "none", "x", (char *)NULL, NULL), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->log, "event=none x="));
	assert_non_null(strstr(f->log, "event=call_failed function=sio_log name=x "));
	assert_int_equal(sio_log(f->io, "odd", "a", "1", "x", NULL), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->log, "event=odd a=1 x="));
	assert_int_equal(sio_log(f->io, "number", "n", (char *)(uintptr_t)5, "m", "2", NULL), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->log, "event=number n="));
	assert_ptr_equal(sio_loop(f->io), f->ev);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_404, setup, teardown),
		cmocka_unit_test_setup_teardown(opens_a_session, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_under_another_path, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_the_client, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_the_client_back, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_files, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_files_beside_small_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_files_with_the_smallest_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(no_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(no_such_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(port_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_redis_url, setup, teardown),
		cmocka_unit_test_setup_teardown(redis_out_of_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_certificates, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_certificates_again, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(options_end_with_listening, setup, teardown),
		cmocka_unit_test_setup_teardown(log_lines, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
