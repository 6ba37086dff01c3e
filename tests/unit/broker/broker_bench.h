/* What the tests of buses share: a hub in the same loop, a real redis-server, and a bus that records its messages. */
#ifndef TESTS_UNIT_BROKER_BENCH_H
#define TESTS_UNIT_BROKER_BENCH_H

#include "tests/unit/io/io_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "broker/bus.h"
#include "broker/hub.h"
#include "common/io/tls.h"

/* -------------------------------------------------------------------- hub */

struct hub_bench {
	struct hub *hub;
	int fd;
	char url[HUB_NAME_MAX];
};

UNUSED static void
hub_start(struct hub_bench *h)
{
	static const struct hub_options options = {.max_queue = 16 << 20, .max_message = 16 << 20};

	if (h->fd == 0)
		h->fd = hub_listen(h->url);
	assert_true(h->fd >= 0);
	h->hub = hub_new(&bench.loop, dup(h->fd), &options); /* h->fd keeps listening while the hub is down */
}

UNUSED static void
hub_stop(struct hub_bench *h)
{
	hub_free(h->hub);
	h->hub = NULL;
}

UNUSED static void
hub_end(struct hub_bench *h)
{
	hub_free(h->hub);
	close(h->fd);
	h->fd = 0;
}

/* ------------------------------------------------------------------ redis */

struct redis_bench {
	pid_t pid;
	uint16_t port;
	char url[64];
};

/*
 * A port for a program that cannot choose its own. It is below the range from which the kernel picks ports for
 * outgoing connections, so no connection can take it before the program does. It is also below 10,000, where the
 * ports of the end-to-end tests begin (tests/clients/support/port.mjs).
 */
UNUSED static uint16_t
free_port(void)
{
	static unsigned state;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	int fd, rc;

	if (state == 0)
		state = (unsigned)getpid() * 2654435761u ^ (unsigned)bench_clock();
	do {
		a.sin_port = htons((uint16_t)(7000 + (unsigned)rand_r(&state) % 3000));
		fd = socket(AF_INET, SOCK_STREAM, 0);
		rc = bind(fd, (struct sockaddr *)&a, sizeof a);
		close(fd);
	} while (rc < 0);
	return ntohs(a.sin_port);
}

/* `more`: further arguments, ended by NULL. Returns once the server answers. */
UNUSED static void
redis_start(struct redis_bench *r, const char *const *more)
{
	const char *argv[32] = {"redis-server", "--port", NULL, "--bind", "127.0.0.1", "--save", "", "--appendonly",
		"no", "--daemonize", "no"};
	char port[8];
	int out[2], n = 11;
	FILE *log;
	char line[512];

	if (r->port == 0)
		r->port = free_port();
	snprintf(port, sizeof port, "%u", r->port);
	snprintf(r->url, sizeof r->url, "redis://127.0.0.1:%u", r->port);
	argv[2] = port;
	for (; more != NULL && *more != NULL && n < 31; more++)
		argv[n++] = *more;
	assert_int_equal(pipe(out), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	log = fdopen(out[0], "r");
	do {
		if (fgets(line, sizeof line, log) == NULL)
			fail_msg("redis-server did not start");
	} while (strstr(line, "eady to accept connections") == NULL);
	fclose(log);
}

UNUSED static void
redis_stop(struct redis_bench *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	r->pid = 0;
}

/* -------------------------------------------------------------------- bus */

struct listener {
	struct bus_subscription s;
	unsigned messages;
	struct buffer got; /* the payloads, each followed by a blank */
	char channel[128];
};

struct bus_bench {
	struct bus *bus;
	unsigned failures, closings;
};

/* How often the bus has come up, and how often it has gone down. */
UNUSED static uint64_t
ups(const struct bus_bench *b)
{
	struct bus_stats stats;

	bus_stats(b->bus, &stats);
	return stats.ups;
}

UNUSED static uint64_t
downs(const struct bus_bench *b)
{
	struct bus_stats stats;

	bus_stats(b->bus, &stats);
	return stats.downs;
}

UNUSED static void
on_bus_hopeless(void *arg)
{
	struct bus_bench *b = arg;

	b->failures++;
}

UNUSED static void
on_bus_closed(void *arg)
{
	struct bus_bench *b = arg;

	b->closings++;
	b->bus = NULL;
}

UNUSED static void
bus_start_as(struct bus_bench *b, const char *url, const struct bus_access *access, uint64_t max_queue,
	uint64_t check_ms, uint64_t timeout_ms)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.access = access,
		.key = "socket.io",
		.max_queue = max_queue,
		.check_ms = check_ms,
		.timeout_ms = timeout_ms};
	char error[BUS_ERROR_MAX];

	memset(b, 0, sizeof *b);
	if (strstr(url, "://") == NULL)
		bus_url_of_hub(&server, url);
	else if (bus_url_parse(&server, url, error) < 0)
		fail_msg("%s", error);
	o.replicated = strstr(url, "://") != NULL;
	b->bus = bus_open(&bench.loop, &o, &ops, b);
}

UNUSED static void
bus_start_with(struct bus_bench *b, const char *url, uint64_t max_queue, uint64_t timeout_ms)
{
	static const struct bus_access none;

	bus_start_as(b, url, &none, max_queue, 200, timeout_ms);
}

UNUSED static void
bus_start_checking(struct bus_bench *b, const char *url, uint64_t check_ms)
{
	static const struct bus_access none;

	bus_start_as(b, url, &none, 1 << 20, check_ms, 1000);
}

/* Uses short times, because the tests wait until faults are noticed. */
UNUSED static void
bus_start(struct bus_bench *b, const char *url, uint64_t max_queue)
{
	bus_start_with(b, url, max_queue, 1000);
}

UNUSED static void
bus_start_sharded(struct bus_bench *b, const char *url)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.replicated = true,
		.sharded = true,
		.key = "socket.io",
		.max_queue = 1 << 20,
		.check_ms = 200,
		.timeout_ms = 1000};
	char error[BUS_ERROR_MAX];

	memset(b, 0, sizeof *b);
	if (bus_url_parse(&server, url, error) < 0)
		fail_msg("%s", error);
	b->bus = bus_open(&bench.loop, &o, &ops, b);
}

UNUSED static void
bus_end(struct bus_bench *b)
{
	bus_close(b->bus, 1000, on_bus_closed, b);
	RUN_UNTIL(b->closings == 1);
}

struct counted {
	struct bus_count query;
	int64_t n;
	bool answered;
};

UNUSED static void
on_counted(struct bus_count *query, int64_t n)
{
	struct counted *counted = container_of(query, struct counted, query);

	counted->n = n;
	counted->answered = true;
}

/* Asks the server how many clients subscribe to the channel. */
UNUSED static int64_t
bus_subscribers(struct bus_bench *b, const char *channel)
{
	struct counted counted = {.n = 0};

	bus_count_init(&counted.query, on_counted);
	bus_count(b->bus, &counted.query, text_from(channel));
	RUN_UNTIL(counted.answered);
	return counted.n;
}

/* Waits until so many clients subscribe to the channel. */
UNUSED static void
bus_await_subscribers(struct bus_bench *b, const char *channel, int64_t n)
{
	ev_tstamp until = ev_time() + 10;

	while (bus_subscribers(b, channel) != n) {
		if (ev_time() > until)
			fail_msg("%s does not get %d subscribers", channel, (int)n);
	}
}

UNUSED static void
on_heard(struct bus_subscription *s, struct text channel, struct text payload)
{
	struct listener *l = container_of(s, struct listener, s);

	l->messages++;
	snprintf(l->channel, sizeof l->channel, "%.*s", (int)channel.n, channel.at);
	buffer_add_text(&l->got, payload);
	buffer_add_byte(&l->got, ' ');
}

UNUSED static void
listen_to(struct bus_bench *b, struct listener *l, const char *name, bool prefix)
{
	memset(l, 0, sizeof *l);
	l->s = (struct bus_subscription){.name = text_from(name), .prefix = prefix, .on_message = on_heard};
	buffer_init(&l->got, 64 << 20);
	bus_subscribe(b->bus, &l->s);
}

UNUSED static void
listen_no_more(struct bus_bench *b, struct listener *l)
{
	bus_unsubscribe(b->bus, &l->s);
	buffer_fini(&l->got);
}

UNUSED static int
publish(struct bus_bench *b, const char *channel, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));
	int rc = bus_publish(b->bus, text_from(channel), block);

	block_unref(block);
	return rc;
}

#define assert_heard(l, expected)                                                                                    \
	do {                                                                                                         \
		if (!text_is(buffer_text(&(l)->got), text_from(expected)))                                           \
			fail_msg("heard \"%.*s\", not \"%s\"", (int)(l)->got.len, (l)->got.data, expected);          \
		buffer_reset(&(l)->got);                                                                             \
	} while (0)

#endif
