/* The pool: targets that come and go, kept connections, waiting requests, second attempts. */
#include "tests/unit/upstream/rig.h"

static void
add_target(const struct target *t)
{
	assert_int_equal(upstream_add(upstream, text_from(t->url), NULL), 0);
}

static void
test_the_pool_is_active_from_the_first_target_on(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	char error[OPTION_ERROR_MAX];
	int up;

	assert_false(upstream_is_active(upstream));
	assert_int_equal(upstream_add(upstream, TEXT("https://h"), error), ERROR_ARGUMENT);
	assert_false(upstream_is_active(upstream));
	add_target(&t);
	assert_true(upstream_is_active(upstream));
	rig_say(g, GET_HEAD("/a"));
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\n");
	assert_memory_equal(heard, "GET /a HTTP/1.1\r\n", 17);

	/* the target is removed: requests under way continue, later ones wait in vain */
	upstream_remove(upstream, text_from(t.url));
	target_say(up, OK("4", "done"));
	rig_expect(g, "done", 1);
	target_end(g, up);
	close(up);
	assert_true(upstream_is_active(upstream));
	options.connect_timeout = 20;
	rig_say(g, GET_HEAD("/b"));
	rig_expect(g, "HTTP/1.1 503 Service Unavailable", 1);
	rig_expect(g, "Retry-After: 1\r\n", 1);

	add_target(&t);
	rig_say(g, GET_HEAD("/c"));
	up = target_accept(g, &t);
	target_expect(g, up, "GET /c");
	target_say(up, OK("5", "again"));
	rig_expect(g, "again", 1);
	close(up);
	close(t.fd);
}

static void
test_a_target_stays_until_each_backend_has_removed_it(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	int up;

	add_target(&t);
	add_target(&t); /* a second backend of the same server */
	upstream_remove(upstream, text_from(t.url));
	upstream_remove(upstream, TEXT("http://unknown:1"));
	rig_say(g, GET_HEAD("/"));
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\n");
	target_say(up, OK("2", "ok"));
	rig_expect(g, "200 OK", 1);
	upstream_remove(upstream, text_from(t.url));
	target_end(g, up); /* the connection that was kept for the next request */
	close(up);
	options.connect_timeout = 20;
	rig_say(g, GET_HEAD("/"));
	rig_expect(g, "503", 1);
	close(t.fd);
}

static void
test_a_request_waits_for_a_target_that_is_started_again(void **state)
{
	struct rig *g = *state;
	struct target first = target_open(), second = target_open();
	int up;

	add_target(&first);
	upstream_remove(upstream, text_from(first.url));
	rig_say(g, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
	rig_settle(g);
	assert_int_equal(counted(g, COUNT_UPSTREAM_BUSY), 0);
	add_target(&second);
	up = target_accept(g, &second);
	target_expect(g, up, "\r\n\r\nbody");
	target_say(up, OK("2", "ok"));
	rig_expect(g, "200 OK", 1);
	close(up);
	close(first.fd);
	close(second.fd);
}

/* While the server drains, nothing will serve a request that comes after the last target has gone. */
static void
test_no_request_waits_for_a_target_in_a_drain(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	int up;

	options.connect_timeout = 3600000;
	add_target(&t);
	upstream_drain(upstream);
	rig_say(g, GET_HEAD("/a"));
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\n");
	target_say(up, OK("2", "ok"));
	rig_expect(g, "200 OK", 1);
	upstream_remove(upstream, text_from(t.url));
	rig_say(g, GET_HEAD("/b"));
	rig_expect(g, "HTTP/1.1 503 Service Unavailable", 1);
	rig_expect(g, "Retry-After: 1\r\n", 1);
	assert_int_equal(upstream_running(upstream), 0);
	close(up);
	close(t.fd);
}

static void
test_a_drain_ends_the_wait_for_a_target(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();

	options.connect_timeout = 3600000;
	add_target(&t);
	upstream_remove(upstream, text_from(t.url));
	rig_say(g, GET_HEAD("/"));
	rig_settle(g);
	assert_int_equal(upstream_running(upstream), 1);
	upstream_drain(upstream);
	rig_expect(g, "HTTP/1.1 503 Service Unavailable", 1);
	assert_int_equal(upstream_running(upstream), 0);
	close(t.fd);
}

static void
test_the_next_target_after_one_that_refuses(void **state)
{
	struct rig *g = *state;
	struct target dead = target_open(), t = target_open();
	int up;

	close(dead.fd);
	add_target(&dead);
	add_target(&t);
	/* a request with a body that has not been sent yet */
	rig_say(g, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\nbody");
	target_say(up, OK("2", "ok"));
	rig_expect(g, "200 OK", 1);
	assert_int_equal(counted(g, COUNT_UPSTREAM_UNREACHABLE), 1);
	for (int i = 0; i < 3; i++) { /* the dead target is skipped for a while */
		rig_say(g, GET_HEAD("/"));
		target_expect(g, up, "\r\n\r\n");
		target_say(up, OK("2", "ok"));
		rig_expect(g, "200 OK", 2 + (unsigned)i);
	}
	assert_int_equal(counted(g, COUNT_UPSTREAM_UNREACHABLE), 1);
	upstream_remove(upstream, text_from(t.url));
	rig_say(g, GET_HEAD("/"));
	rig_expect(g, "502 Bad Gateway", 1);
	close(up);
	close(t.fd);
}

static void
test_a_connection_is_kept_only_if_both_sides_are_done(void **state)
{
	static const struct {
		const char *ask, *answer;
		bool kept;
	} cases[] = {
		{GET_HEAD("/"), OK("2", "ok"), true},
		{GET_HEAD("/"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true},
		{"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true},
		{GET_HEAD("/"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", true},
		{GET_HEAD("/"), "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true},
		{GET_HEAD("/"), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false},
		{GET_HEAD("/"), "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok", false},
		{GET_HEAD("/"), "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
		{GET_HEAD("/"), OK("2", "ok and more"), false},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", OK("2", "ok"), false},
	};
	struct rig *g = *state;
	struct target t = target_open();
	int up;

	add_target(&t);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rig_disconnect(g);
		rig_connect(g);
		rig_say(g, cases[i].ask);
		up = target_accept(g, &t);
		target_expect(g, up, "\r\n\r\n");
		target_say(up, cases[i].answer);
		rig_expect(g, "HTTP/1.1 ", 1);
		if (cases[i].kept) {
			rig_say(g, GET_HEAD("/second"));
			target_expect(g, up, "GET /second");
			target_say(up, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
			rig_expect(g, "HTTP/1.1 204", 1);
		}
		target_end(g, up);
		close(up);
	}
	close(t.fd);
}

static void
test_a_second_try(void **state)
{
	static const struct {
		const char *ask;
		bool again;
	} cases[] = {
		{GET_HEAD("/x"), true},
		{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", true},
		{"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", false},
		{"PATCH /x HTTP/1.1\r\nHost: h\r\n\r\n", false},
		{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", false},
	};
	struct rig *g = *state;
	struct target t = target_open();
	int up, fresh;

	add_target(&t);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rig_disconnect(g);
		rig_connect(g);
		rig_say(g, GET_HEAD("/"));
		up = target_accept(g, &t);
		target_expect(g, up, "\r\n\r\n");
		target_say(up, OK("5", "first"));
		rig_expect(g, "first", 1);
		rig_say(g, cases[i].ask);
		target_expect(g, up, strstr(cases[i].ask, "\r\n\r\nbody") ? "body" : "/x");
		close(up); /* without sending a byte */
		if (cases[i].again) {
			fresh = target_accept(g, &t);
			target_expect(g, fresh, "/x HTTP/1.1");
			close(fresh); /* there is no third attempt */
		}
		rig_expect(g, "502 Bad Gateway", 1);
		assert_false(target_has_more(g, &t));
	}
	assert_int_equal(counted(g, COUNT_UPSTREAM_RETRIES), 2);
	close(t.fd);
}

/* A new connection that ends without a byte counts as an answer, so there is no second attempt. */
static void
test_no_second_try_of_a_new_connection(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();

	add_target(&t);
	rig_say(g, GET_HEAD("/"));
	close(target_accept(g, &t));
	rig_expect(g, "502 Bad Gateway", 1);
	assert_false(target_has_more(g, &t));
	close(t.fd);
}

/* Another client sends a request; returns its end of the connection. */
static int
another_client(struct rig *g)
{
	struct sockaddr_un nameless = {.sun_family = AF_UNIX};
	unsigned before = g->requests;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	http_conn_start(conn_new(&g->loop, pair[0], (struct sockaddr *)&nameless, sizeof nameless.sun_family, NULL,
				&g->conn_limits, &rig_nobody, NULL),
		&g->server);
	assert_true(write(pair[1], GET_HEAD("/"), strlen(GET_HEAD("/"))) > 0);
	rig_until(g, g->requests > before);
	return pair[1];
}

static void
expect_status(struct rig *g, int client, const char *status)
{
	char bytes[1024];

	while (read(client, bytes, sizeof bytes) < 0)
		ev_run(g->ev, EVRUN_ONCE);
	assert_memory_equal(bytes + 9, status, 3);
}

static void
test_requests_wait_for_a_connection(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	int ends[3], up;

	options.max_connections = 1;
	add_target(&t);
	for (int i = 0; i < 3; i++) /* one is served, one waits, one is too many */
		ends[i] = another_client(g);
	expect_status(g, ends[2], "503");
	up = target_accept(g, &t);
	for (int i = 0; i < 2; i++) {
		target_expect(g, up, "\r\n\r\n");
		target_say(up, OK("2", "ok"));
		expect_status(g, ends[i], "200");
	}
	assert_int_equal(counted(g, COUNT_UPSTREAM_CONNECTS), 1);
	for (int i = 0; i < 3; i++)
		close(ends[i]);
	close(up);
	close(t.fd);
}

/* The only connection moves from a target where it is idle to a target that is requested. */
static void
test_an_idle_connection_makes_place(void **state)
{
	struct rig *g = *state;
	struct target a = target_open(), b = target_open();
	int up, next;

	options.max_connections = 1;
	add_target(&a);
	rig_say(g, GET_HEAD("/"));
	up = target_accept(g, &a);
	target_expect(g, up, "\r\n\r\n");
	add_target(&b);
	target_say(up, OK("5", "first"));
	rig_expect(g, "first", 1);
	rig_say(g, GET_HEAD("/"));
	target_expect(g, up, "\r\n\r\n");
	target_say(up, OK("6", "second"));
	rig_expect(g, "second", 1);
	rig_say(g, GET_HEAD("/"));
	target_end(g, up); /* the next turn is b's, or was when the connection was opened */
	while ((next = accept4(b.fd, NULL, NULL, SOCK_NONBLOCK)) < 0 &&
		(next = accept4(a.fd, NULL, NULL, SOCK_NONBLOCK)) < 0)
		ev_run(g->ev, EVRUN_ONCE);
	target_expect(g, next, "\r\n\r\n");
	target_say(next, OK("5", "third"));
	rig_expect(g, "third", 1);
	close(up);
	close(next);
	close(a.fd);
	close(b.fd);
}

static void
test_a_wait_ends(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	int up, late;

	options.max_connections = 1;
	options.connect_timeout = 30;
	add_target(&t);
	rig_say(g, GET_HEAD("/"));
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\n");
	late = another_client(g);
	expect_status(g, late, "503");
	close(late);
	target_say(up, OK("2", "ok"));
	rig_expect(g, "200 OK", 1);
	close(up);
	close(t.fd);
}

/* The target does not accept and its backlog is full: connections are neither made nor refused. */
static void
test_no_connection_in_time(void **state)
{
	struct rig *g = *state;
	struct target deaf = target_open();
	struct sockaddr_in at;
	socklen_t len = sizeof at;
	int filling[8];

	options.connect_timeout = 40;
	assert_int_equal(listen(deaf.fd, 0), 0);
	assert_int_equal(getsockname(deaf.fd, (struct sockaddr *)&at, &len), 0);
	for (int i = 0; i < 8; i++) {
		filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(filling[i], (struct sockaddr *)&at, sizeof at);
	}
	add_target(&deaf);
	rig_say(g, GET_HEAD("/"));
	rig_expect(g, "HTTP/1.1 504 Gateway Timeout", 1);
	rig_expect(g, "the application server cannot be reached\n", 1);
	assert_int_equal(counted(g, COUNT_UPSTREAM_TIMEOUTS), 1);
	for (int i = 0; i < 8; i++)
		close(filling[i]);
	close(deaf.fd);
}

static void
test_a_client_that_leaves_takes_its_connection_along(void **state)
{
	struct rig *g = *state;
	struct target t = target_open();
	int up;

	add_target(&t);
	rig_say(g, GET_HEAD("/"));
	up = target_accept(g, &t);
	target_expect(g, up, "\r\n\r\n");
	rig_disconnect(g);
	target_end(g, up);
	close(up);
	rig_connect(g); /* the client disconnects before there is a connection */
	rig_say(g, GET_HEAD("/"));
	rig_until(g, g->requests == 2);
	rig_disconnect(g);
	assert_int_equal(upstream_running(upstream), 0);
	assert_int_equal(counted(g, COUNT_UPSTREAM_ABORTED), 2);
	close(t.fd);
}

/* Bytes that wait for the upstream count as memory of the client. */
static void
test_memory_is_the_clients(void **state)
{
	static char body[600000];
	struct rig *g = *state;
	struct target t = target_open();
	uint64_t before, most = 0;
	size_t sent = 0;
	int up, small = 4096;

	memset(body, 'b', sizeof body);
	add_target(&t);
	setsockopt(t.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	before = g->loop.budget.held;
	rig_say(g, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
	up = target_accept(g, &t);
	for (int idle = 0; idle < 50; idle++) { /* as much as all buffers in between can take */
		ssize_t n = write(g->client, body, sizeof body);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		rig_settle(g);
		if (g->loop.budget.held - before > most)
			most = g->loop.budget.held - before;
	}
	assert_true(most > 200000);
	assert_true(most < 1000000);
	assert_true(sent < 20000000);
	rig_disconnect(g);
	target_end(g, up);
	assert_int_equal(g->loop.budget.held, before);
	close(up);
	close(t.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_pool_is_active_from_the_first_target_on),
		T(test_a_target_stays_until_each_backend_has_removed_it),
		T(test_a_request_waits_for_a_target_that_is_started_again),
		T(test_no_request_waits_for_a_target_in_a_drain),
		T(test_a_drain_ends_the_wait_for_a_target),
		T(test_the_next_target_after_one_that_refuses),
		T(test_a_connection_is_kept_only_if_both_sides_are_done),
		T(test_a_second_try),
		T(test_no_second_try_of_a_new_connection),
		T(test_requests_wait_for_a_connection),
		T(test_an_idle_connection_makes_place),
		T(test_a_wait_ends),
		T(test_no_connection_in_time),
		T(test_a_client_that_leaves_takes_its_connection_along),
		T(test_memory_is_the_clients),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
