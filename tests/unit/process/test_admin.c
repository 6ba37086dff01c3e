/* The admin listener on a loop of its own, over stats pages that the test writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/process/admin.h"

#define WORKERS 2
#define PATIENCE_S 20
#define CONNECTIONS_MAX 64 /* admin.c */

static struct fixture {
	struct ev_loop *ev;
	struct loop loop;
	struct stats_page pages[WORKERS];
	struct log_control *control;
	struct stats stats;
	struct admin *admin;
	uint16_t port;
	char log[1024];
	char answer[262144];
} f;

static void
on_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	assert_true(strlen(f.log) + n < sizeof f.log);
	memcpy(f.log + strlen(f.log), line, n);
}

static int
setup(void **state)
{
	struct admin_options options = {.host = "127.0.0.1"};
	struct listener_set set = {.count = 0};
	char error[ADMIN_ERROR_MAX];

	(void)state;
	memset(&f, 0, sizeof f);
	alarm(PATIENCE_S); /* if an answer never comes, SIGALRM ends the test program */
	log_set_sink(on_log, NULL);
	f.ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&f.loop, f.ev);
	if (admin_listen(&set, &options, NULL, error) < 0)
		fail_msg("%s", error);
	f.port = listener_set_port(&set);
	f.control = log_control_new(LOG_INFO, NULL);
	assert_non_null(f.control);
	f.admin = admin_new(&f.loop, &set, f.pages, WORKERS, NULL, f.control, NULL);
	assert_int_equal(set.count, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	admin_free(f.admin);
	log_control_free(f.control);
	log_set_level(LOG_INFO);
	loop_fini(&f.loop);
	ev_loop_destroy(f.ev);
	log_set_sink(NULL, NULL);
	alarm(0);
	return 0;
}

static int
dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(f.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void
on_wake(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)w;
	(void)events;
}

/* One turn, of at most some milliseconds. */
static void
turn(void)
{
	ev_timer wake;

	ev_timer_init(&wake, on_wake, 0.005, 0.);
	ev_timer_start(f.ev, &wake);
	ev_run(f.ev, EVRUN_ONCE);
	ev_timer_stop(f.ev, &wake);
}

/* Reads until the other side closes. */
static const char *
read_all(int fd)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, f.answer + len, sizeof f.answer - 1 - len, MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno == EAGAIN)
			turn();
		else
			fail_msg("%s", strerror(errno));
	}
	f.answer[len] = '\0';
	return f.answer;
}

static const char *
ask(const char *method, const char *path)
{
	char request[256];
	int fd = dial(), n;
	const char *answer;

	n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
	assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
	answer = read_all(fd);
	close(fd);
	return answer;
}

static void
assert_begins(const char *answer, const char *with)
{
	if (strncmp(answer, with, strlen(with)) != 0)
		fail_msg("\"%.100s\" does not begin with \"%s\"", answer, with);
}

static const char *
body(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	assert_non_null(at);
	return at + 4;
}

static void
write_page(unsigned worker, enum stats_state state)
{
	f.stats.state = state;
	f.stats.beat_ms = f.loop.now;
	f.stats.has_broker = true;
	stats_write(&f.pages[worker], &f.stats);
}

/* ------------------------------------------------------------------ tests */

static void
test_paths(void **state)
{
	static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};
	static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"};

	(void)state;
	assert_non_null(strstr(f.log, "event=admin address=127.0.0.1 port="));
	assert_begins(ask("GET", "/healthz"), "HTTP/1.1 200 OK\r\n");
	assert_string_equal(body(f.answer), "ok\n");
	assert_non_null(strstr(f.answer, "Cache-Control: no-store\r\n"));
	assert_begins(ask("GET", "/healthz?now"), "HTTP/1.1 200 OK\r\n");
	assert_begins(ask("GET", "/"), "HTTP/1.1 404 Not Found\r\n");
	assert_begins(ask("GET", "/healthz/"), "HTTP/1.1 404 Not Found\r\n");
	assert_begins(ask("POST", "/socket.io/"), "HTTP/1.1 404 Not Found\r\n");
	for (size_t p = 0; p < 3; p++) {
		for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
			assert_begins(ask(methods[m], paths[p]), "HTTP/1.1 405 Method Not Allowed\r\n");
			assert_non_null(strstr(f.answer, "Allow: GET, HEAD\r\n"));
		}
		assert_begins(ask("HEAD", paths[p]), p == 1 ? "HTTP/1.1 503 " : "HTTP/1.1 200 ");
		assert_string_equal(body(f.answer), "");
		assert_null(strstr(f.answer, "Content-Length: 0"));
	}
}

static void
test_metrics(void **state)
{
	(void)state;
	f.stats.connections = 42;
	write_page(1, STATS_ACCEPTING);
	assert_begins(ask("GET", "/metrics"), "HTTP/1.1 200 OK\r\n");
	assert_non_null(strstr(f.answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_begins(body(f.answer), "# HELP sockeye_");
	assert_non_null(strstr(f.answer, "\nsockeye_connections{worker=\"1\"} 42\n"));
	assert_null(strstr(f.answer, "worker=\"0\""));
}

static void
expect_ready(int status, const char *json)
{
	char line[32];

	snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
	assert_begins(ask("GET", "/readyz"), line);
	assert_non_null(strstr(f.answer, "Content-Type: application/json\r\n"));
	assert_string_equal(body(f.answer), json);
}

static void
test_ready(void **state)
{
	(void)state;
	expect_ready(503, "{\"ready\":false,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":0,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":0}\n");
	write_page(0, STATS_STARTING);
	expect_ready(503, "{\"ready\":false,\"degraded\":true,\"workers\":2,\"starting\":1,\"accepting\":0,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":0}\n");
	write_page(0, STATS_ACCEPTING); /* one worker that accepts is enough */
	expect_ready(200, "{\"ready\":true,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":1,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":1}\n");
	write_page(1, STATS_ACCEPTING);
	expect_ready(200, "{\"ready\":true,\"degraded\":false,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":2}\n");
	write_page(0, STATS_DRAINING);
	write_page(1, STATS_DRAINING);
	expect_ready(503, "{\"ready\":false,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":0,"
			  "\"draining\":2,\"bus\":\"none\",\"busUp\":0}\n");
}

/*
 * Before the first backend comes, no client is answered, so the node is not ready. Later, clients wait for the next
 * backend.
 */
static void
test_backends(void **state)
{
	(void)state;
	f.stats.has_backends = true;
	write_page(0, STATS_ACCEPTING);
	write_page(1, STATS_ACCEPTING);
	expect_ready(503, "{\"ready\":false,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":2,\"backends\":0,\"orphans\":0}\n");
	f.stats.behind.ever = true;
	f.stats.backends.ready = 1;
	write_page(0, STATS_ACCEPTING);
	write_page(1, STATS_ACCEPTING);
	expect_ready(200, "{\"ready\":true,\"degraded\":false,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":2,\"backends\":2,\"orphans\":0}\n");
	f.stats.backends.ready = 0;
	f.stats.behind.orphans = 7;
	write_page(1, STATS_ACCEPTING);
	expect_ready(200, "{\"ready\":true,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":2,\"backends\":1,\"orphans\":7}\n");
	f.stats.behind.instance_count = 1;
	strcpy(f.stats.behind.instances[0].name, "i1");
	f.stats.behind.instances[0].sessions = 3;
	f.stats.behind.attach.bucket[0] = 2;
	f.stats.behind.attach.bucket[BACKEND_SECONDS - 1] = 1;
	f.stats.behind.attach.ms = 60500;
	write_page(1, STATS_ACCEPTING);
	(void)ask("GET", "/metrics");
	assert_non_null(strstr(f.answer, "\nsockeye_backend_sessions{worker=\"1\",instance=\"i1\"} 3\n"));
	assert_non_null(strstr(f.answer, "\nsockeye_backend_orphans{worker=\"1\"} 7\n"));
	assert_non_null(strstr(f.answer, "_attach_seconds_bucket{worker=\"1\",le=\"0.005\"} 2\n"));
	assert_non_null(strstr(f.answer, "_attach_seconds_bucket{worker=\"1\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(f.answer, "_attach_seconds_sum{worker=\"1\"} 60.500\n"));
	assert_non_null(strstr(f.answer, "_attach_seconds_count{worker=\"1\"} 3\n"));
}

/* Redis is unreachable: the page reports this, but the node stays ready, because it still serves its clients. */
static void
test_bus_away(void **state)
{
	(void)state;
	f.stats.broker.form = BUS_FORM_REDIS;
	write_page(0, STATS_ACCEPTING);
	f.stats.broker.bus.up = true;
	write_page(1, STATS_ACCEPTING);
	expect_ready(200, "{\"ready\":true,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"redis\",\"busUp\":1}\n");
	write_page(0, STATS_ACCEPTING);
	expect_ready(200, "{\"ready\":true,\"degraded\":false,\"workers\":2,\"starting\":0,\"accepting\":2,"
			  "\"draining\":0,\"bus\":\"redis\",\"busUp\":2}\n");
}

/*
 * A worker that has not written for long does not count, nor does one that died while writing. The reader does not
 * wait for either.
 */
static void
test_hung(void **state)
{
	(void)state;
	f.stats.state = STATS_ACCEPTING;
	f.stats.beat_ms = f.loop.now - STATS_HUNG_MS;
	stats_write(&f.pages[0], &f.stats);
	write_page(1, STATS_ACCEPTING);
	atomic_fetch_add(&f.pages[1].sequence, 1);
	expect_ready(503, "{\"ready\":false,\"degraded\":true,\"workers\":2,\"starting\":0,\"accepting\":0,"
			  "\"draining\":0,\"bus\":\"none\",\"busUp\":0}\n");
}

/* The admin connections are not counted as clients. */
static void
test_admin_connections_are_not_clients(void **state)
{
	struct counters none = {{0}};

	(void)state;
	ask("GET", "/metrics");
	ask("GET", "nonsense");
	assert_begins(f.answer, "HTTP/1.1 400 ");
	assert_memory_equal(&f.loop.counters, &none, sizeof none);
	assert_int_equal(f.loop.service_counters.value[COUNT_ACCEPTED], 2);
	assert_int_equal(f.loop.service_counters.value[COUNT_HTTP_REQUESTS], 1);
	for (unsigned i = 0; i < NAMES_MAX; i++)
		assert_int_equal(f.loop.closed[i], 0);
	assert_int_equal(f.loop.connections, 0);
}

/* Connections have a limit; when some close, there is room again. */
static void
test_connections_bounded(void **state)
{
	int fds[CONNECTIONS_MAX], more;

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		fds[i] = dial();
		while (f.loop.services <= i)
			turn();
	}
	more = dial();
	assert_string_equal(read_all(more), "");
	assert_int_equal(
		f.loop.services, CONNECTIONS_MAX); /* at once, not after the time limit of silent connections */
	close(more);
	close(fds[0]);
	while (f.loop.services == CONNECTIONS_MAX)
		turn();
	assert_begins(ask("GET", "/healthz"), "HTTP/1.1 200 ");
	for (unsigned i = 1; i < CONNECTIONS_MAX; i++)
		close(fds[i]);
}

static void
test_log_is_switched_by_put(void **state)
{
	static const char *const wrong[] = {"/log?level=loud", "/log?level=", "/log?filter=x",
		"/log?filter=sid=short", "/log?level=debug&filter=x", "/log?level=%00"};

	(void)state;
	ask("GET", "/log?level=debug");
	assert_string_equal(body(f.answer), "{\"level\":\"info\",\"filter\":\"\"}\n");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_begins(ask("PUT", wrong[i]), "HTTP/1.1 400 Bad Request\r\n");
		assert_false(log_debug());
	}
	assert_begins(ask("PUT", "/log?level=debug&filter=namespace%3D/a%22"), "HTTP/1.1 200 OK\r\n");
	assert_string_equal(body(f.answer), "{\"level\":\"debug\",\"filter\":\"namespace=/a\\\"\"}\n");
	assert_true(log_debug());
	assert_true(log_filter_passes(&(struct log_subject){.nsp = TEXT("/a\"")}));
	assert_false(log_filter_passes(&(struct log_subject){.nsp = TEXT("/b")}));
	ask("PUT", "/log?filter=");
	assert_string_equal(body(f.answer), "{\"level\":\"debug\",\"filter\":\"\"}\n");
	assert_true(log_filter_passes(&(struct log_subject){.nsp = TEXT("/b")}));
	ask("PUT", "/log?level=error");
	assert_string_equal(body(f.answer), "{\"level\":\"error\",\"filter\":\"\"}\n");
	assert_begins(ask("POST", "/log?level=debug"), "HTTP/1.1 405 Method Not Allowed\r\n");
	assert_non_null(strstr(f.answer, "Allow: GET, HEAD, PUT\r\n"));
	assert_false(log_enabled(LOG_WARN));
}

static void
test_the_cycle_leads_to_debug_and_back(void **state)
{
	static const char *const levels[] = {"debug", "info", "debug", "info"};

	(void)state;
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		log_control_cycle(f.control);
		assert_string_equal(log_control_level(f.control), levels[i]);
		assert_int_equal(log_debug(), i % 2 == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_is_switched_by_put, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_cycle_leads_to_debug_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_admin_connections_are_not_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
