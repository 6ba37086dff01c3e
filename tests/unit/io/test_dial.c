/*
 * Outgoing connections: every kind of address, names that are slow, unknown or have many addresses, every kind of
 * failure, and cancelling.
 */
#include "tests/unit/io/io_bench.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/un.h>

#include "common/io/dial.h"

/* ------------------------------------------------------------------- names */

/* The names that the tests define; the system resolves all others. */
static struct {
	uint16_t silent_port, port; /* two.test: its first address does not answer */
	sem_t slow;		    /* slow.test: resolves once this is posted */
	atomic_int looked_up, freed;
} names;

static struct sockaddr_in two_addresses[2];
static struct addrinfo two[2];

/* Replaces the C library's function: resolves the names of the tests. */
int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (host == NULL || strstr(host, ".test") == NULL)
		return real(host, service, hints, out);
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	if (strcmp(host, "slow.test") == 0)
		sem_wait(&names.slow);
	if (strcmp(host, "unknown.test") == 0)
		return EAI_NONAME;
	for (unsigned i = 0; i < 2; i++) {
		two_addresses[i] = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons(i == 0 ? names.silent_port : names.port)};
		two[i] = (struct addrinfo){.ai_family = AF_INET,
			.ai_addr = (struct sockaddr *)&two_addresses[i],
			.ai_addrlen = sizeof two_addresses[i],
			.ai_next = i == 0 ? &two[1] : NULL};
	}
	*out = strcmp(host, "two.test") == 0 ? two : &two[1];
	names.looked_up++;
	return 0;
}

void
freeaddrinfo(struct addrinfo *all)
{
	void (*real)(struct addrinfo *) = dlsym(RTLD_NEXT, "freeaddrinfo");

	if (all == &two[0] || all == &two[1])
		names.freed++;
	else
		real(all);
}

/* ------------------------------------------------------------------- bench */

static int
listen_tcp(int backlog, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* A port whose backlog is full, so that the kernel answers no further connection. */
static struct {
	int listening, in_queue[4];
} silence;

static int listening;

static int
start(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	memset(&names, 0, sizeof names);
	sem_init(&names.slow, 0, 0);
	listening = listen_tcp(16, &names.port);
	silence.listening = listen_tcp(0, &names.silent_port);
	to.sin_port = htons(names.silent_port);
	for (unsigned i = 0; i < 4; i++) {
		silence.in_queue[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(silence.in_queue[i], (struct sockaddr *)&to, sizeof to);
	}
	return bench_start(state);
}

static int
stop(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		close(silence.in_queue[i]);
	close(silence.listening);
	close(listening);
	return bench_stop(state);
}

struct call {
	int fd;
	unsigned calls;
	char error[256];
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

static void
on_done(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct call *c = arg;

	c->calls++;
	c->fd = fd;
	c->peer_len = peer_len;
	memcpy(&c->peer, peer, peer_len);
	assert_true((fd >= 0) == (error == NULL));
	snprintf(c->error, sizeof c->error, "%s", error != NULL ? error : "");
}

static struct dial *
begin(struct call *c, const struct dial_to *to)
{
	struct dial *d;

	memset(c, 0, sizeof *c);
	d = dial_start(&bench.loop, to, on_done, c);
	assert_int_equal(c->calls, 0); /* never from within the call */
	return d;
}

static void
expect_connected(const struct dial_to *to)
{
	struct call c;

	begin(&c, to);
	RUN_UNTIL(c.calls > 0);
	if (c.fd < 0)
		fail_msg("%s", c.error);
	assert_true(fcntl(c.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(c.fd, F_GETFD) & FD_CLOEXEC);
	if (to->host != NULL) {
		const struct sockaddr_in *peer = (const struct sockaddr_in *)&c.peer;
		int one = 0;
		socklen_t len = sizeof one;

		assert_int_equal(getsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
		assert_true(one);
		assert_int_equal(ntohs(peer->sin_port), names.port);
	}
	assert_int_equal(send(c.fd, "x", 1, MSG_NOSIGNAL), 1);
	close(c.fd);
}

static void
expect_failure(const struct dial_to *to, const char *why)
{
	struct call c;

	begin(&c, to);
	RUN_UNTIL(c.calls > 0);
	assert_int_equal(c.fd, -1);
	if (strstr(c.error, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", c.error, why);
}

/* ------------------------------------------------------------------- tests */

static void
tcp_by_address_and_by_name(void **state)
{
	(void)state;
	expect_connected(&(struct dial_to){.host = "127.0.0.1", .port = names.port, .timeout_ms = 10000});
	assert_int_equal(names.looked_up, 0);
	expect_connected(&(struct dial_to){.host = "localhost", .port = names.port, .timeout_ms = 10000});
	expect_connected(&(struct dial_to){.host = "one.test", .port = names.port, .timeout_ms = 10000});
	assert_int_equal(names.looked_up, 1);
	RUN_UNTIL(names.freed == 1);
}

static void
unix_sockets(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[64], abstract[64], long_path[200];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(path, sizeof path, "/tmp/sockeye-dial-%d", (int)getpid());
	snprintf(abstract, sizeof abstract, "sockeye-dial-%d", (int)getpid());
	expect_failure(&(struct dial_to){.path = path, .timeout_ms = 10000}, "No such file");
	memcpy(a.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	expect_failure(&(struct dial_to){.path = path, .timeout_ms = 10000}, "refused");
	assert_int_equal(listen(fd, 4), 0);
	expect_connected(&(struct dial_to){.path = path, .timeout_ms = 10000});
	memset(a.sun_path, 0, sizeof a.sun_path);
	memcpy(a.sun_path + 1, abstract, strlen(abstract));
	assert_int_equal(bind(other, (struct sockaddr *)&a,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract))),
		0);
	assert_int_equal(listen(other, 4), 0);
	expect_connected(&(struct dial_to){.path = abstract, .abstract = true, .timeout_ms = 10000});
	memset(long_path, 'x', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = '\0';
	expect_failure(&(struct dial_to){.path = long_path, .timeout_ms = 10000}, "too long");
	close(fd);
	close(other);
	unlink(path);
}

static void
failures_say_what_failed(void **state)
{
	uint16_t port;

	(void)state;
	close(listen_tcp(1, &port));
	expect_failure(&(struct dial_to){.host = "127.0.0.1", .port = port, .timeout_ms = 10000}, "refused");
	expect_failure(&(struct dial_to){.host = "unknown.test", .port = port, .timeout_ms = 10000},
		"cannot resolve host \"unknown.test\"");
	expect_failure(
		&(struct dial_to){.host = "127.0.0.1", .port = names.silent_port, .timeout_ms = 100}, "timed out");
	expect_failure(&(struct dial_to){.host = "slow.test", .port = 1, .timeout_ms = 100}, "timed out resolving");
	/* the resolver's thread runs on for as long as the system takes, then frees the rest */
	sem_post(&names.slow);
	RUN_UNTIL(names.freed == 1);
}

static void
a_silent_address_does_not_hide_the_next(void **state)
{
	uint64_t began = bench_clock();

	(void)state;
	expect_connected(&(struct dial_to){.host = "two.test", .port = 1, .timeout_ms = 8000});
	assert_in_range(bench_clock() - began, 3900, 7999);
	RUN_UNTIL(names.freed == 1);
	/* an address that refuses connections does not hide the next one either */
	close(silence.listening);
	began = bench_clock();
	expect_connected(&(struct dial_to){.host = "two.test", .port = 1, .timeout_ms = 1000});
	RUN_UNTIL(names.freed == 2);
	silence.listening = dup(listening);
}

/* The loop turns while a name is being resolved. */
static void
a_slow_name_does_not_block_the_loop(void **state)
{
	struct call slow;

	(void)state;
	begin(&slow, &(struct dial_to){.host = "slow.test", .port = 1, .timeout_ms = 10000});
	expect_connected(&(struct dial_to){.host = "one.test", .port = 1, .timeout_ms = 10000});
	assert_int_equal(slow.calls, 0);
	sem_post(&names.slow);
	RUN_UNTIL(slow.calls == 1);
	assert_true(slow.fd >= 0);
	close(slow.fd);
	RUN_UNTIL(names.freed == 2);
}

static void
a_dial_can_be_cancelled_at_any_time(void **state)
{
	struct call c;
	struct dial *d;

	(void)state;
	dial_cancel(NULL);
	dial_cancel(begin(&c, &(struct dial_to){.host = "127.0.0.1", .port = names.port, .timeout_ms = 10}));
	d = begin(&c, &(struct dial_to){.host = "127.0.0.1", .port = names.silent_port, .timeout_ms = 100});
	run_turn();
	loop_finish_turn(&bench.loop);
	dial_cancel(d);
	d = begin(&c, &(struct dial_to){.host = "slow.test", .port = 1, .timeout_ms = 100});
	run_turn();
	loop_finish_turn(&bench.loop);
	dial_cancel(d);
	sem_post(&names.slow);
	RUN_UNTIL(names.freed == 1);
	/* takes long enough for the cancelled attempt to call, if it did */
	expect_failure(&(struct dial_to){.host = "127.0.0.1", .port = names.silent_port, .timeout_ms = 200}, "time");
	assert_int_equal(c.calls, 0);
}

#define DIAL_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DIAL_CASE(tcp_by_address_and_by_name),
		DIAL_CASE(unix_sockets),
		DIAL_CASE(failures_say_what_failed),
		DIAL_CASE(a_silent_address_does_not_hide_the_next),
		DIAL_CASE(a_slow_name_does_not_block_the_loop),
		DIAL_CASE(a_dial_can_be_cancelled_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
