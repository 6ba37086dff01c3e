#include "tests/unit/io/io_bench.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/base/error.h"
#include "common/io/listener.h"
#include "common/io/log.h"

static unsigned accepted_count;
static int accepted_fds[64];
static char accepted_address[CONN_ADDRESS_MAX];
static struct listener *open_listener;
static bool free_on_accept;

static void
note_address(int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static struct probe p;
	struct sockaddr_storage back;

	probe_init(&p);
	p.conn = conn_new(&bench.loop, dup(fd), peer, peer_len, NULL, &probe_limits, &probe_ops, &p);
	assert_int_equal(conn_peer(p.conn, &back), peer_len);
	assert_memory_equal(&back, peer, peer_len);
	conn_peer_address(p.conn, accepted_address);
	conn_close(p.conn, REASON_FORCED);
}

static void
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	int on = 0;
	socklen_t len = sizeof(on);

	assert_ptr_equal(arg, &accepted_count);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_true(on);
	note_address(fd, peer, peer_len);
	accepted_fds[accepted_count++] = fd;
	if (free_on_accept)
		listener_free(open_listener);
}

static struct listener *
start(const char *host, uint16_t port, uint32_t max_connections)
{
	struct listener_options o = {.host = host, .port = port, .max_connections = max_connections};
	char error[256] = "";

	accepted_count = 0;
	free_on_accept = false;
	if (listener_open(&open_listener, &bench.loop, &o, on_accept, &accepted_count, error) != 0)
		fail_msg("%s", error);
	assert_int_not_equal(listener_port(open_listener), 0);
	return open_listener;
}

static int
connect_to(const char *host, uint16_t port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_six = strchr(host, ':') != NULL;
	int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (is_six)
		inet_pton(AF_INET6, host, &six.sin6_addr);
	else
		inet_pton(AF_INET, host, &four.sin_addr);
	if (fd < 0 || (is_six ? connect(fd, (struct sockaddr *)&six, sizeof(six))
			      : connect(fd, (struct sockaddr *)&four, sizeof(four))) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void
close_accepted(void)
{
	for (unsigned i = 0; i < accepted_count; i++)
		close(accepted_fds[i]);
}

static bool
machine_has_ipv6(void)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&six, sizeof(six)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static bool
name_has_ipv6(const char *name)
{
	struct addrinfo hints = {.ai_family = AF_INET6, .ai_socktype = SOCK_STREAM}, *all;

	if (!machine_has_ipv6() || getaddrinfo(name, NULL, &hints, &all) != 0)
		return false;
	freeaddrinfo(all);
	return true;
}

static void
without_a_host_both_families_are_served(void **state)
{
	struct listener *li = start(NULL, 0, 0);
	bool six = machine_has_ipv6();
	int client = connect_to("127.0.0.1", listener_port(li));

	(void)state;
	assert_true(client >= 0);
	RUN_UNTIL(accepted_count == 1);
	assert_string_equal(accepted_address, six ? "::ffff:127.0.0.1" : "127.0.0.1");
	assert_int_equal(bench.loop.counters.value[COUNT_ACCEPTED], 1);
	close(client);
	if (six) {
		client = connect_to("::1", listener_port(li));
		assert_true(client >= 0);
		RUN_UNTIL(accepted_count == 2);
		assert_string_equal(accepted_address, "::1");
		close(client);
	}
	close_accepted();
	listener_free(li);
}

static void
a_name_is_served_at_its_addresses_and_no_other(void **state)
{
	struct listener *li = start("localhost", 0, 0);
	int client = connect_to("127.0.0.1", listener_port(li));

	(void)state;
	assert_true(client >= 0);
	RUN_UNTIL(accepted_count == 1);
	assert_string_equal(accepted_address, "127.0.0.1");
	close(client);
	if (name_has_ipv6("localhost")) { /* on the same port */
		client = connect_to("::1", listener_port(li));
		assert_true(client >= 0);
		RUN_UNTIL(accepted_count == 2);
		assert_string_equal(accepted_address, "::1");
		close(client);
	}
	close_accepted();
	listener_free(li);

	li = start("127.0.0.1", 0, 0);
	assert_int_equal(connect_to("127.0.0.2", listener_port(li)), -1);
	listener_free(li);
}

/* Connections that arrive while accepting is off wait until it is on again. */
static void
accepting_can_be_switched_off_and_on(void **state)
{
	struct listener *li = start("127.0.0.1", 0, 0);
	int client;

	(void)state;
	listener_set_accepting(li, false);
	listener_set_accepting(li, false);
	client = connect_to("127.0.0.1", listener_port(li));
	assert_true(client >= 0);
	for (unsigned i = 0; i < 10; i++)
		ev_run(bench.ev, EVRUN_NOWAIT);
	assert_int_equal(accepted_count, 0);
	listener_set_accepting(li, true);
	RUN_UNTIL(accepted_count == 1);
	close(client);
	close_accepted();
	listener_free(li);
}

static void
expect_error(const char *host, uint16_t port, int result, const char *word)
{
	struct listener_options o = {.host = host, .port = port};
	struct listener *li = NULL;
	char error[256] = "";

	assert_int_equal(listener_open(&li, &bench.loop, &o, on_accept, NULL, error), result);
	assert_null(li);
	if (strstr(error, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, word);
	assert_null(strchr(error, '\n'));
	assert_true(strlen(error) < 200);
}

static void
errors_say_what_is_wrong(void **state)
{
	struct listener *li = start("127.0.0.1", 0, 0);
	char word[64];

	(void)state;
	snprintf(word, sizeof(word), "port %u is in use by another program", listener_port(li));
	expect_error("127.0.0.1", listener_port(li), ERROR_SYSTEM, word);
	expect_error(NULL, listener_port(li), ERROR_SYSTEM, word);
	listener_free(li);
	expect_error("no such host", 0, ERROR_SYSTEM, "cannot resolve host \"no such host\"");
	expect_error("192.0.2.77", 0, ERROR_SYSTEM, "\"192.0.2.77\" is not an address of this machine");
}

/* The port can be taken again at once although connections of the former listener are in TIME_WAIT. */
static void
a_port_can_be_taken_again_at_once(void **state)
{
	struct listener *li = start("127.0.0.1", 0, 0);
	uint16_t port = listener_port(li);
	int client = connect_to("127.0.0.1", port);

	(void)state;
	RUN_UNTIL(accepted_count == 1);
	close_accepted(); /* the server closes first, so that TIME_WAIT is on its side */
	close(client);
	listener_free(li);
	li = start("127.0.0.1", port, 0);
	assert_int_equal(listener_port(li), port);
	listener_free(li);
}

/* Like a master: one set of sockets per worker, on a port that the kernel chose. Other listeners accept from them. */
static void
a_port_can_be_shared_by_workers(void **state)
{
	struct listener_options o = {.host = "127.0.0.1", .share_port = true};
	struct listener_set sets[3];
	struct listener *workers[3];
	int clients[32];
	char error[256];

	(void)state;
	accepted_count = 0;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(listener_set_open(&sets[i], &o, error), 0);
		assert_int_equal(sets[i].count, 1);
		o.port = listener_set_port(&sets[i]);
		o.join_port = true;
	}
	for (unsigned i = 0; i < 3; i++) {
		workers[i] = listener_start(&bench.loop, &sets[i], 0, on_accept, &accepted_count);
		assert_int_equal(sets[i].count, 0);
		assert_int_equal(listener_port(workers[i]), o.port);
	}
	for (unsigned i = 0; i < 32; i++)
		assert_true((clients[i] = connect_to("127.0.0.1", o.port)) >= 0);
	RUN_UNTIL(accepted_count == 32);
	close_accepted();
	for (unsigned i = 0; i < 32; i++)
		close(clients[i]);
	for (unsigned i = 0; i < 3; i++)
		listener_free(workers[i]);
}

/* With SO_REUSEPORT alone, a second program of the same user would silently take half of the connections. */
static void
a_shared_port_is_refused_to_another_program(void **state)
{
	struct listener_options o = {.host = "127.0.0.1", .share_port = true};
	struct listener_set set, other;
	char error[256] = "";

	(void)state;
	assert_int_equal(listener_set_open(&set, &o, error), 0);
	o.port = listener_set_port(&set);
	assert_int_equal(listener_set_open(&other, &o, error), ERROR_SYSTEM);
	assert_int_equal(other.count, 0);
	assert_non_null(strstr(error, "in use"));
	listener_set_close(&set);
	assert_int_equal(listener_set_open(&other, &o, error), 0);
	listener_set_close(&other);
}

/* Another process holds the socket too. The freed listener must leave the poll, which would otherwise never wait. */
static void
a_freed_listener_is_forgotten_though_its_socket_lives_on(void **state)
{
	struct listener_options o = {.host = "127.0.0.1"};
	struct listener_set set;
	char error[256];
	int kept, client;

	(void)state;
	assert_int_equal(listener_set_open(&set, &o, error), 0);
	kept = dup(set.fds[0]);
	o.port = listener_set_port(&set);
	open_listener = listener_start(&bench.loop, &set, 0, on_accept, &accepted_count);
	run_turn();
	assert_int_equal(bench.loop.poll_fd, -1);
	listener_free(open_listener);
	assert_true(bench.loop.poll_fd >= 0);
	client = connect_to("127.0.0.1", o.port);
	assert_true(client >= 0);
	struct epoll_event event;
	assert_int_equal(epoll_wait(bench.loop.poll_fd, &event, 1, 0), 0);
	close(client);
	close(kept);
}

static void
a_listener_may_be_freed_in_on_accept(void **state)
{
	struct listener *li = start("127.0.0.1", 0, 0);
	int one = connect_to("127.0.0.1", listener_port(li)), two = connect_to("127.0.0.1", listener_port(li));

	(void)state;
	free_on_accept = true;
	RUN_UNTIL(accepted_count > 0);
	run_turn();
	assert_int_equal(accepted_count, 1);
	close_accepted();
	close(one);
	close(two);
	listener_free(NULL);
}

static bool
is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void
drop_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)level;
	(void)line;
	(void)n;
	++*(unsigned *)arg;
}

static void
connections_beyond_the_maximum_are_closed_at_once(void **state)
{
	struct probe p;
	int peer = probe_open(&p, &probe_limits, &probe_ops), clients[3];
	struct listener *li = start("127.0.0.1", 0, 1);
	unsigned lines = 0;

	(void)state;
	log_set_sink(drop_line, &lines);
	for (int i = 0; i < 3; i++)
		clients[i] = connect_to("127.0.0.1", listener_port(li));
	RUN_UNTIL(bench.loop.closed[REASON_TOO_MANY] == 3);
	for (int i = 0; i < 3; i++) {
		RUN_UNTIL(is_closed(clients[i]));
		close(clients[i]);
	}
	assert_int_equal(accepted_count, 0);
	assert_int_equal(lines, 1);
	log_set_sink(NULL, NULL);
	conn_close(p.conn, REASON_FORCED);
	run_turn();
	int client = connect_to("127.0.0.1", listener_port(li));
	RUN_UNTIL(accepted_count == 1);
	close(client);
	close_accepted();
	close(peer);
	listener_free(li);
	probe_fini(&p);
}

/* ------------------------------------------------- descriptors run out */

static unsigned taken;
static int taken_fds[64];

static void
collect_fd(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	(void)arg;
	(void)peer;
	(void)peer_len;
	taken_fds[taken++] = fd;
}

#define EXPECT(condition)                                                                                            \
	do {                                                                                                         \
		if (!(condition)) {                                                                                  \
			dprintf(2, "in the child: %s is false (line %d)\n", #condition, __LINE__);                   \
			_exit(1);                                                                                    \
		}                                                                                                    \
	} while (0)

/* In a process of its own, because it lowers the limit. */
static void
run_out_of_descriptors(void)
{
	struct listener_options o = {.host = "127.0.0.1"};
	struct rlimit limit;
	struct listener *li;
	char error[256];
	int clients[10];
	unsigned lines = 0;

	log_set_sink(drop_line, &lines);
	EXPECT(listener_open(&li, &bench.loop, &o, collect_fd, NULL, error) == 0);
	for (int i = 0; i < 10; i++) {
		clients[i] = connect_to("127.0.0.1", listener_port(li));
		EXPECT(clients[i] >= 0);
	}
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)clients[9] + 1 + 3; /* room for three more */
	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);

	ev_run(bench.ev, EVRUN_ONCE);
	while (taken == 0)
		ev_run(bench.ev, EVRUN_ONCE);
	EXPECT(taken == 3);
	EXPECT(bench.loop.closed[REASON_NO_FDS] == 7);
	EXPECT(bench.loop.counters.value[COUNT_ACCEPT_NO_FDS] == 1);
	EXPECT(lines == 1);
	for (int i = 3; i < 10; i++)
		EXPECT(is_closed(clients[i]));
	for (int i = 0; i < 3; i++)
		EXPECT(!is_closed(clients[i]));

	/* two more connect during the pause, without busy-waiting; one is accepted once descriptors are free again */
	close(clients[9]);
	clients[9] = socket(AF_INET, SOCK_STREAM, 0);
	close(clients[9]);
	clients[9] = connect_to("127.0.0.1", listener_port(li));
	EXPECT(clients[9] >= 0);
	close(taken_fds[0]);
	uint64_t start = bench_clock();
	while (taken == 3 && bench_clock() < start + 10000)
		ev_run(bench.ev, EVRUN_ONCE);
	EXPECT(taken == 4);
	EXPECT(bench_clock() >= start + 50);
	EXPECT(bench.loop.closed[REASON_NO_FDS] == 7);

	/* the reserve is restored, so the next shortage of descriptors is handled the same way */
	int client = clients[8];
	close(client);
	client = connect_to("127.0.0.1", listener_port(li));
	EXPECT(client >= 0);
	start = bench_clock();
	while (!is_closed(client) && bench_clock() < start + 10000)
		ev_run(bench.ev, EVRUN_ONCE);
	EXPECT(is_closed(client));
	EXPECT(bench.loop.closed[REASON_NO_FDS] == 8);
	/* few attempts: accept4() fails even when no client waits, and each failure starts a pause */
	EXPECT(bench.loop.counters.value[COUNT_ACCEPT_NO_FDS] >= 2);
	EXPECT(bench.loop.counters.value[COUNT_ACCEPT_NO_FDS] <= 4);
	listener_free(li);
	_exit(0);
}

static void
running_out_of_descriptors_closes_the_waiting_and_pauses(void **state)
{
	int status = 0;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		ev_loop_fork(bench.ev);
		run_out_of_descriptors();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
the_descriptor_limit_is_raised(void **state)
{
	struct rlimit before, after;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit low = {64, before.rlim_max};

		EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
		uint64_t raised = listener_raise_fd_limit();
		EXPECT(getrlimit(RLIMIT_NOFILE, &after) == 0);
		EXPECT(raised == after.rlim_cur);
		EXPECT(raised >= before.rlim_max || raised >= 1048576);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_a_host_both_families_are_served),
		CASE(a_name_is_served_at_its_addresses_and_no_other),
		CASE(errors_say_what_is_wrong),
		CASE(a_port_can_be_taken_again_at_once),
		CASE(a_port_can_be_shared_by_workers),
		CASE(a_shared_port_is_refused_to_another_program),
		CASE(a_freed_listener_is_forgotten_though_its_socket_lives_on),
		CASE(a_listener_may_be_freed_in_on_accept),
		CASE(connections_beyond_the_maximum_are_closed_at_once),
		CASE(accepting_can_be_switched_off_and_on),
		CASE(running_out_of_descriptors_closes_the_waiting_and_pauses),
		CASE(the_descriptor_limit_is_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
