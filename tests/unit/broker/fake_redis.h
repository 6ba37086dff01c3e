/*
 * A Redis server in the loop of the test, as far as publishing and subscribing go, which withholds confirmations and
 * loses connections as the test asks.
 */
#ifndef TESTS_UNIT_BROKER_FAKE_REDIS_H
#define TESTS_UNIT_BROKER_FAKE_REDIS_H

#include "tests/unit/broker/fake_server.h"

#define FAKE_NAMES 64
#define FAKE_NAME 96

/* A connection to the server. */
struct fake_client {
	struct list link;
	struct conn *conn;
	bool commands;			   /* it has published */
	char names[FAKE_NAMES][FAKE_NAME]; /* channels, and patterns with their "*" */
	unsigned count;
	struct buffer held; /* confirmations */
	bool checks;	    /* subscribes to the channel of check messages */
};

static struct fake_redis {
	struct listener *listener;
	uint16_t port;
	char url[64];
	struct list clients;
	unsigned open, accepted, subscribes, unsubscribes, publishes;
	bool hold;	      /* withhold confirmations, but for the first channel of check messages */
	const char *refused;  /* a name whose subscription is not allowed; NULL: none */
	const char *greeting; /* sent at once; then the server closes */
} fake;

static inline bool
fake_matches(const char *name, struct text channel)
{
	size_t n = strlen(name);

	if (name[n - 1] == '*')
		return channel.n >= n - 1 && memcmp(name, channel.at, n - 1) == 0;
	return text_is(channel, text_from(name));
}

/* Sends a message to the subscribers. Returns their number. */
static inline unsigned
fake_publish(struct text channel, struct text payload)
{
	struct list *it, *next;
	unsigned receivers = 0;

	list_each(it, next, &fake.clients)
	{
		struct fake_client *client = container_of(it, struct fake_client, link);

		for (unsigned i = 0; i < client->count; i++) {
			const char *name = client->names[i];

			if (!fake_matches(name, channel))
				continue;
			receivers++;
			if (name[strlen(name) - 1] == '*')
				say(client->conn, "*4\r\n$8\r\npmessage\r\n$%zu\r\n%s\r\n", strlen(name), name);
			else
				say(client->conn, "*3\r\n$7\r\nmessage\r\n");
			say(client->conn, "$%zu\r\n%.*s\r\n$%zu\r\n", channel.n, (int)channel.n, channel.at,
				payload.n);
			conn_send_copy(client->conn, payload.at, payload.n);
			say(client->conn, "\r\n");
		}
	}
	return receivers;
}

static inline void
fake_subscribe(struct fake_client *client, struct text command, struct text name)
{
	bool check = memmem(name.at, name.n, "-check#", 7) != NULL, own = check && !client->checks;
	char kind[16], line[256];
	int n;

	fake.subscribes++;
	client->checks |= check;
	if (fake.refused != NULL && text_is(name, text_from(fake.refused))) {
		say(client->conn, "-NOPERM no permissions to access a channel\r\n");
		return;
	}
	for (unsigned i = 0; i <= client->count; i++) {
		assert_true(i < FAKE_NAMES && name.n < FAKE_NAME);
		if (i < client->count && text_is(name, text_from(client->names[i])))
			break;
		if (i == client->count) {
			snprintf(client->names[client->count++], FAKE_NAME, "%.*s", (int)name.n, name.at);
			break;
		}
	}
	snprintf(kind, sizeof kind, "%s", command.at[0] == 'P' ? "psubscribe" : "subscribe");
	n = snprintf(line, sizeof line, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%.*s\r\n:%u\r\n", strlen(kind), kind, name.n,
		(int)name.n, name.at, client->count);
	buffer_add(&client->held, line, (size_t)n);
	if (fake.hold && !own)
		return;
	conn_send_copy(client->conn, client->held.data, client->held.len);
	buffer_reset(&client->held);
}

static inline void
fake_unsubscribe(struct fake_client *client, struct text name)
{
	fake.unsubscribes++;
	for (unsigned i = 0; i < client->count; i++) {
		if (text_is(name, text_from(client->names[i])))
			memmove(client->names[i], client->names[--client->count], FAKE_NAME);
	}
	say(client->conn, "*3\r\n$11\r\nunsubscribe\r\n$%zu\r\n%.*s\r\n:%u\r\n", name.n, (int)name.n, name.at,
		client->count);
}

static inline void
fake_serve(struct conn *conn, const struct hub_command *command)
{
	struct fake_client *client = conn_owner(conn);
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("INFO"))) {
		say(client->conn, "$11\r\nrole:master\r\n");
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		client->commands = true;
		fake.publishes++;
		say(client->conn, ":%u\r\n", fake_publish(args[1], args[2]));
	} else if (text_is(args[0], TEXT("SUBSCRIBE")) || text_is(args[0], TEXT("PSUBSCRIBE"))) {
		fake_subscribe(client, args[0], args[1]);
	} else if (text_is(args[0], TEXT("UNSUBSCRIBE")) || text_is(args[0], TEXT("PUNSUBSCRIBE"))) {
		fake_unsubscribe(client, args[1]);
	} else {
		fail_msg("unknown command %.*s", (int)args[0].n, args[0].at);
	}
}

static inline size_t
fake_on_data(struct conn *conn, uint8_t *data, size_t n)
{
	return fake_read(conn, data, n, fake_serve);
}

static inline void
fake_on_closed(struct conn *conn, unsigned reason)
{
	struct fake_client *client = conn_owner(conn);

	(void)reason;
	fake.open--;
	list_remove(&client->link);
	buffer_fini(&client->held);
	free(client);
}

static inline void
fake_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = fake_on_data, .on_closed = fake_on_closed};
	struct fake_client *client = calloc(1, sizeof *client);

	(void)arg;
	assert_non_null(client);
	buffer_init(&client->held, 1 << 20);
	client->conn = conn_new(&bench.loop, fd, peer, peer_len, NULL, &fake_limits, &ops, client);
	list_add_tail(&fake.clients, &client->link);
	fake.open++;
	fake.accepted++;
	if (fake.greeting != NULL) {
		say(client->conn, "%s", fake.greeting);
		conn_finish(client->conn, REASON_FINISHED);
	}
}

static inline void
fake_listen(void)
{
	fake.listener = fake_listen_at(fake.port, fake_on_accept, NULL);
	fake.port = listener_port(fake.listener);
	snprintf(fake.url, sizeof fake.url, "redis://127.0.0.1:%u", fake.port);
}

static inline void
fake_start(void)
{
	memset(&fake, 0, sizeof fake);
	list_init(&fake.clients);
	fake_listen();
}

/* Closes the connections for which `which` is true. */
static inline void
fake_cut(bool (*which)(const struct fake_client *client))
{
	struct list *it, *next;

	list_each(it, next, &fake.clients)
	{
		struct fake_client *client = container_of(it, struct fake_client, link);

		if (which(client))
			conn_close(client->conn, REASON_FINISHED);
	}
}

/* Tell the kinds of connections apart: for commands, the ear, and those that only make Redis count. */
static inline bool
fake_is_commands(const struct fake_client *client)
{
	return client->commands;
}

static inline bool
fake_is_ear(const struct fake_client *client)
{
	return client->checks;
}

static inline bool
fake_is_counting(const struct fake_client *client)
{
	return client->count > 0 && !client->checks;
}

static inline bool
fake_is_any(const struct fake_client *client)
{
	(void)client;
	return true;
}

static inline struct fake_client *
fake_find(bool (*which)(const struct fake_client *client))
{
	struct list *it, *next;

	list_each(it, next, &fake.clients)
	{
		struct fake_client *client = container_of(it, struct fake_client, link);

		if (which(client))
			return client;
	}
	return NULL;
}

/* The number of connections that subscribe to a name: what PUBSUB NUMSUB counts. */
static inline unsigned
fake_subscribers(const char *name)
{
	struct list *it, *next;
	unsigned n = 0;

	list_each(it, next, &fake.clients)
	{
		const struct fake_client *client = container_of(it, struct fake_client, link);

		for (unsigned i = 0; i < client->count; i++)
			n += strcmp(client->names[i], name) == 0;
	}
	return n;
}

/* Sends the confirmations withheld from the connections for which `which` is true. */
static inline void
fake_release(bool (*which)(const struct fake_client *client))
{
	struct list *it, *next;

	list_each(it, next, &fake.clients)
	{
		struct fake_client *client = container_of(it, struct fake_client, link);

		if (!which(client))
			continue;
		conn_send_copy(client->conn, client->held.data, client->held.len);
		buffer_reset(&client->held);
	}
}

static inline void
fake_stop(void)
{
	fake_cut(fake_is_any);
	RUN_UNTIL(fake.open == 0);
	listener_free(fake.listener);
	fake.listener = NULL;
}

#endif
