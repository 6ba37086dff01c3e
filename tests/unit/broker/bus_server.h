/* A small server of one bus, which misbehaves as the test asks, and the lines that the bus logs. */
#ifndef TESTS_UNIT_BROKER_BUS_SERVER_H
#define TESTS_UNIT_BROKER_BUS_SERVER_H

#include "tests/unit/broker/fake_server.h"
#include "tests/unit/log_lines.h"

#include "common/base/error.h"

/* Serves one bus as Redis would, except for the faults that the test sets. */
static struct server {
	struct listener *listener;
	const char *refused; /* the server refuses publishes to this channel; NULL: to none */
	char url[64];
	struct conn *commands, *subscriptions, *logging_in; /* the latest connection of each kind */
	struct conn *watched;				    /* `logged_in`: it has sent AUTH; may be NULL */
	bool logged_in;
	unsigned open, subscribed, published, logins, roles;
	char last[64];	      /* the channel that was subscribed to last */
	const char *greeting; /* sent at once; then the server closes */
	const char *auth;     /* the answer to AUTH */
	const char *role;     /* the answer to INFO */
	const char *hello;    /* the answer to HELLO */
	unsigned hellos;
	bool silent; /* does not confirm subscriptions */
	bool deaf;   /* accepts publishes but delivers nothing */
	/* serves the commands that this server does not know; NULL: they are ignored */
	void (*other)(struct conn *c, const struct hub_command *command);
	void (*closed)(struct conn *c); /* a connection has ended; NULL: nothing to do */
} server;

/* Returns true if it has answered the command; NULL: the server answers. */
static bool (*serve_first)(struct conn *c, const struct hub_command *command);

static inline void
serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (serve_first != NULL && serve_first(c, command))
		return;
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
		if (server.deaf || server.subscriptions == NULL) /* the subscriber may have left already */
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
	return fake_read(c, data, n, serve);
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
	struct conn *c = conn_new(&bench.loop, fd, peer, peer_len, NULL, &fake_limits, &ops, NULL);

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
	log_lines_start();
	bench_start(state);
	memset(&server, 0, sizeof server);
	server.auth = "+OK\r\n";
	server.role = "$11\r\nrole:master\r\n";
	server.hello = "-ERR unknown command 'HELLO'\r\n";
	server.listener = fake_listen_at(0, server_accept, NULL);
	snprintf(server.url, sizeof server.url, "redis://127.0.0.1:%u", listener_port(server.listener));
	return 0;
}

static inline int
stop(void **state)
{
	RUN_UNTIL(server.open == 0);
	listener_free(server.listener);
	log_lines_stop();
	return bench_stop(state);
}

#define SERVER_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
