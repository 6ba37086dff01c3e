/*
 * A Redis server in the loop of the test, as far as publishing and subscribing go, which withholds confirmations and
 * loses connections as the test asks.
 */
#ifndef TESTS_UNIT_BROKER_FAKE_REDIS_H
#define TESTS_UNIT_BROKER_FAKE_REDIS_H

#include "tests/unit/broker/broker_bench.h"

#include "broker/hub_command.h"
#include "common/io/listener.h"

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

static const struct conn_limits fake_limits = {
	.max_queue = 64 << 20, .max_kept = 32 * 1024, .stall_ms = 20000, .linger_ms = 20000};

static inline __attribute__((format(printf, 2, 3))) void
fake_say(struct fake_client *client, const char *format, ...)
{
	char out[4096];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, sizeof out, format, args);
	va_end(args);
	assert_in_range(n, 0, sizeof out - 1);
	conn_send_copy(client->conn, out, (size_t)n);
}

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
				fake_say(client, "*4\r\n$8\r\npmessage\r\n$%zu\r\n%s\r\n", strlen(name), name);
			else
				fake_say(client, "*3\r\n$7\r\nmessage\r\n");
			fake_say(client, "$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", channel.n, (int)channel.n, channel.at,
				payload.n, (int)payload.n, payload.at);
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
		fake_say(client, "-NOPERM no permissions to access a channel\r\n");
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
	fake_say(client, "*3\r\n$11\r\nunsubscribe\r\n$%zu\r\n%.*s\r\n:%u\r\n", name.n, (int)name.n, name.at,
		client->count);
}

static inline void
fake_serve(struct fake_client *client, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("INFO"))) {
		fake_say(client, "$11\r\nrole:master\r\n");
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		client->commands = true;
		fake.publishes++;
		fake_say(client, ":%u\r\n", fake_publish(args[1], args[2]));
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
	static struct hub_command command;
	size_t at = 0;

	for (;;) {
		uint64_t needed;
		int64_t taken = hub_command_parse(&command, text_of((char *)data + at, n - at), 1 << 20, &needed);

		assert_true(taken >= 0);
		if (taken == 0)
			return at;
		at += (size_t)taken;
		fake_serve(conn_owner(conn), &command);
	}
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
		fake_say(client, "%s", fake.greeting);
		conn_finish(client->conn, REASON_FINISHED);
	}
}

static inline void
fake_listen(void)
{
	struct listener_options options = {.host = "127.0.0.1", .port = fake.port};
	char error[256];

	if (listener_open(&fake.listener, &bench.loop, &options, fake_on_accept, NULL, error) < 0)
		fail_msg("%s", error);
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

/* The connections by kind: those for commands, the ear, those that only make Redis count. */
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
