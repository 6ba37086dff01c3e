/* A small server of one bus, which misbehaves as the test asks, and the lines that the bus logs. */
#ifndef TESTS_UNIT_BROKER_BUS_SERVER_H
#define TESTS_UNIT_BROKER_BUS_SERVER_H

#include "tests/unit/broker/broker_bench.h"

#include "broker/hub_command.h"
#include "common/base/error.h"
#include "common/io/listener.h"
#include "common/io/log.h"

static struct buffer lines;

static inline void
on_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	buffer_add(&lines, line, n);
}

static inline bool
logged(const char *what)
{
	return lines.len > 0 && memmem(lines.data, lines.len, what, strlen(what)) != NULL;
}

static inline unsigned
count_of(const char *what)
{
	unsigned n = 0;

	for (size_t at = 0; at + strlen(what) <= lines.len; at++)
		n += memcmp(lines.data + at, what, strlen(what)) == 0;
	return n;
}

/* Serves one bus as Redis would, except for the faults that the test sets. */
static struct server {
	struct listener *listener;
	const char *refused; /* the channel that nobody may publish to; NULL: none */
	char url[64];
	struct conn *commands, *subscriptions, *logging_in; /* the latest connection of each kind */
	struct conn *watched;				    /* `logged_in` says that it has sent AUTH; NULL: none */
	bool logged_in;
	unsigned open, subscribed, published, logins, roles;
	char last[64];	      /* the channel that was subscribed to last */
	const char *greeting; /* sent at once; then the server closes */
	const char *auth;     /* the answer to AUTH */
	const char *role;     /* to INFO */
	const char *hello;    /* to HELLO */
	unsigned hellos;
	bool silent; /* does not confirm subscriptions */
	bool deaf;   /* accepts publishes but delivers nothing */
	/* answers the commands that the server does not know; NULL: they are ignored */
	void (*other)(struct conn *c, const struct hub_command *command);
	void (*closed)(struct conn *c); /* a connection has ended; NULL: nothing to do */
} server;

static const struct conn_limits server_limits = {
	.max_queue = 64 << 20, .max_kept = 32 * 1024, .stall_ms = 20000, .linger_ms = 20000};

static inline __attribute__((format(printf, 2, 3))) void
say(struct conn *c, const char *format, ...)
{
	char out[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, sizeof out, format, args);
	va_end(args);
	assert_in_range(n, 0, sizeof out - 1);
	if (n > 0)
		conn_send_copy(c, out, (size_t)n);
}

static inline void
serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("AUTH"))) {
		server.logging_in = c;
		server.logins++;
		server.logged_in |= c == server.watched;
		say(c, "%s", server.auth);
	} else if (text_is(args[0], TEXT("HELLO"))) {
		server.hellos++;
		say(c, "%s", server.hello);
	} else if (text_is(args[0], TEXT("SUBSCRIBE"))) {
		server.subscriptions = c;
		server.subscribed++;
		snprintf(server.last, sizeof server.last, "%.*s", (int)args[1].n, args[1].at);
		if (!server.silent)
			say(c, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", args[1].n, (int)args[1].n,
				args[1].at);
	} else if (text_is(args[0], TEXT("INFO")) && text_is(args[1], TEXT("replication"))) {
		server.roles++;
		say(c, "%s", server.role);
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		server.commands = c;
		server.published++;
		if (server.refused != NULL && text_is(args[1], text_from(server.refused))) {
			say(c, "-NOPERM this user has no permissions to access the channel\r\n");
			return;
		}
		say(c, ":1\r\n");
		if (server.deaf)
			return;
		say(server.subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", args[1].n,
			(int)args[1].n, args[1].at, args[2].n, (int)args[2].n, args[2].at);
	} else if (server.other != NULL) {
		server.other(c, command);
	}
}

static inline size_t
server_data(struct conn *c, uint8_t *data, size_t n)
{
	static struct hub_command command;
	size_t at = 0;

	for (;;) {
		uint64_t needed;
		int64_t taken = hub_command_parse(&command, text_of((char *)data + at, n - at), 1 << 20, &needed);

		assert_true(taken >= 0);
		if (taken == 0)
			return at;
		at += (size_t)taken;
		serve(c, &command);
	}
}

static inline void
server_closed(struct conn *c, unsigned reason)
{
	(void)reason;
	server.open--;
	if (server.closed != NULL)
		server.closed(c);
	if (server.commands == c)
		server.commands = NULL;
	if (server.subscriptions == c)
		server.subscriptions = NULL;
}

static inline void
server_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = server_data, .on_closed = server_closed};
	struct conn *c = conn_new(&bench.loop, fd, peer, peer_len, NULL, &server_limits, &ops, NULL);

	(void)arg;
	server.open++;
	if (server.greeting != NULL) {
		say(c, "%s", server.greeting);
		conn_finish(c, REASON_FINISHED);
	}
}

static inline int
start(void **state)
{
	struct listener_options o = {.host = "127.0.0.1"};
	char error[256];

	buffer_init(&lines, 16 << 20);
	log_set_sink(on_line, NULL);
	bench_start(state);
	memset(&server, 0, sizeof server);
	server.auth = "+OK\r\n";
	server.role = "$11\r\nrole:master\r\n";
	server.hello = "-ERR unknown command 'HELLO'\r\n";
	if (listener_open(&server.listener, &bench.loop, &o, server_accept, NULL, error) < 0)
		fail_msg("%s", error);
	snprintf(server.url, sizeof server.url, "redis://127.0.0.1:%u", listener_port(server.listener));
	return 0;
}

static inline int
stop(void **state)
{
	RUN_UNTIL(server.open == 0);
	listener_free(server.listener);
	log_set_sink(NULL, NULL);
	buffer_fini(&lines);
	return bench_stop(state);
}

#define SERVER_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
