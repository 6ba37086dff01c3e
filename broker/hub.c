/*
 * A client of the hub is a worker. Its commands are executed in order. An incomplete command is collected in
 * `partial`. A published message is encoded once per topic, and every subscriber's queue references the same block.
 */
#include "broker/hub.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/broker_tables.h"
#include "broker/hub_command.h"
#include "broker/hub_topics.h"
#include "common/base/block.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn.h"
#include "common/io/listener.h"
#include "common/io/log.h"

#define BACKLOG 512
#define SUBSCRIPTIONS_MAX (1u << 18) /* maximum subscriptions of one client */
#define PARTIAL_KEPT (64 * 1024)     /* a larger `partial` buffer is freed once its command is done */
#define STALL_MS 30000		     /* a worker that accepts no bytes for this long is disconnected */

struct hub {
	struct loop *loop;
	struct listener *listener;
	struct conn_limits limits;
	uint64_t max_message;
	struct list clients;
	struct hub_topics topics;
	struct hub_command command;
	struct buffer scratch; /* scratch buffer for prefixes and replies */
	struct hub_stats stats;
	struct log_limit log_limit;
};

struct hub_client {
	struct list link;
	struct hub *hub; /* NULL: the hub has been freed */
	struct conn *conn;
	struct table own; /* struct hub_subscription */
	struct buffer partial;
	uint64_t needed; /* bytes that `partial` needs before it is parsed again */
};

/* ---------------------------------------------------------------- replies */

static void
hub_reply(struct hub_client *client, const char *line)
{
	conn_send_copy(client->conn, line, strlen(line));
}

static void
hub_reply_number(struct hub_client *client, uint64_t n)
{
	char line[32];

	conn_send_copy(client->conn, line, (size_t)snprintf(line, sizeof line, ":%llu\r\n", (unsigned long long)n));
}

static void
hub_add_bulk(struct buffer *out, struct text t)
{
	buffer_add_byte(out, '$');
	buffer_add_number(out, (int64_t)t.n);
	buffer_add(out, "\r\n", 2);
	buffer_add_text(out, t);
	buffer_add(out, "\r\n", 2);
}

static void
hub_reply_scratch(struct hub_client *client)
{
	const struct buffer *out = &client->hub->scratch;

	if (buffer_error(out) == ERROR_MEMORY)
		conn_no_memory(client->conn);
	else
		conn_send_copy(client->conn, out->data, out->len);
}

static void
hub_reply_subscribed(struct hub_client *client, struct text kind, struct text name)
{
	struct buffer *out = &client->hub->scratch;

	buffer_reset(out);
	buffer_add(out, "*3\r\n", 4);
	hub_add_bulk(out, kind);
	hub_add_bulk(out, name);
	buffer_add_byte(out, ':');
	buffer_add_number(out, client->own.count);
	buffer_add(out, "\r\n", 2);
	hub_reply_scratch(client);
}

/* --------------------------------------------------------------- commands */

/* A message being published. */
struct publication {
	struct hub *hub;
	struct text channel, payload;
	uint64_t receivers;
};

static size_t
hub_bulk_size(struct text t)
{
	size_t digits = 1;

	for (size_t n = t.n; n >= 10; n /= 10)
		digits++;
	return 1 + digits + 2 + t.n + 2;
}

/* Encodes "message" for a channel, or "pmessage" with its pattern for a prefix. Returns NULL if memory is short. */
static struct block *
hub_make_push(const struct publication *publication, const struct hub_topic *topic)
{
	struct text kind = topic->prefix ? TEXT("*4\r\n$8\r\npmessage\r\n") : TEXT("*3\r\n$7\r\nmessage\r\n");
	struct text parts[] = {topic->pattern, publication->channel, publication->payload};
	unsigned first = topic->prefix ? 0 : 1;
	size_t size = kind.n;
	struct block *block;
	uint8_t *at;

	for (unsigned i = first; i < 3; i++)
		size += hub_bulk_size(parts[i]);
	block = block_try_new(size);
	if (block == NULL)
		return NULL;
	at = mempcpy(block->data, kind.at, kind.n);
	for (unsigned i = first; i < 3; i++) {
		/* the part and its line end overwrite the NUL */
		at += snprintf((char *)at, 24, "$%zu\r\n", parts[i].n);
		if (parts[i].n > 0)
			at = mempcpy(at, parts[i].at, parts[i].n);
		at = mempcpy(at, "\r\n", 2);
	}
	must(at == block->data + size);
	return block;
}

static void
hub_push(void *arg, struct hub_topic *topic)
{
	struct publication *publication = arg;
	struct block *block = hub_make_push(publication, topic);
	struct list *it, *next;

	if (block == NULL) {
		loop_count_no_memory(publication->hub->loop);
		return;
	}
	list_each(it, next, &topic->subscriptions)
	{
		struct hub_client *to = container_of(it, struct hub_subscription, in_topic)->subscriber;

		conn_send(to->conn, block, 0, block->len);
		publication->receivers++;
	}
	block_unref(block);
}

static int
hub_run_publish(struct hub_client *client, const struct hub_command *command)
{
	struct publication publication = {client->hub, command->args[1], command->args[2], 0};

	if (command->count != 3)
		return ERROR_ARGUMENT;
	hub_topics_match(&client->hub->topics, publication.channel, hub_push, &publication);
	client->hub->stats.messages++;
	client->hub->stats.bytes += publication.payload.n;
	client->hub->stats.deliveries += publication.receivers;
	hub_reply_number(client, publication.receivers);
	return 0;
}

/*
 * Returns the name of the topic: a channel's name itself, or the prefix of a pattern, written to the scratch buffer.
 */
static int
hub_topic_name(struct hub_client *client, bool prefix, struct text arg, struct text *name)
{
	*name = arg;
	if (!prefix)
		return 0;
	buffer_reset(&client->hub->scratch);
	if (hub_pattern_prefix(arg, &client->hub->scratch) < 0)
		return ERROR_UNSUPPORTED;
	if (buffer_error(&client->hub->scratch) == ERROR_MEMORY)
		return ERROR_MEMORY;
	*name = buffer_text(&client->hub->scratch);
	return 0;
}

static int
hub_subscribe(struct hub_client *client, const struct hub_command *command, bool prefix)
{
	struct hub *hub = client->hub;

	if (command->count < 2)
		return ERROR_ARGUMENT;
	for (unsigned i = 1; i < command->count; i++) {
		struct text name;
		int rc = hub_topic_name(client, prefix, command->args[i], &name);

		if (rc < 0)
			return rc;
		if (client->own.count == SUBSCRIPTIONS_MAX)
			return ERROR_TOO_MANY;
		rc = hub_topics_add(&hub->topics, prefix, name, command->args[i], &client->own, client);
		if (rc < 0)
			return rc;
		hub->stats.subscriptions += (unsigned)rc;
		hub_reply_subscribed(client, prefix ? TEXT("psubscribe") : TEXT("subscribe"), command->args[i]);
	}
	return 0;
}

static int
hub_unsubscribe(struct hub_client *client, const struct hub_command *command, bool prefix)
{
	struct hub *hub = client->hub;

	if (command->count < 2)
		return ERROR_ARGUMENT;
	for (unsigned i = 1; i < command->count; i++) {
		struct hub_subscription *subscription;
		struct text name;
		int rc = hub_topic_name(client, prefix, command->args[i], &name);

		if (rc < 0)
			return rc;
		subscription = hub_topics_find_own(&hub->topics, &client->own, prefix, name);
		if (subscription != NULL) {
			hub_topics_remove(&hub->topics, subscription, &client->own);
			hub->stats.subscriptions--;
		}
		hub_reply_subscribed(client, prefix ? TEXT("punsubscribe") : TEXT("unsubscribe"), command->args[i]);
	}
	return 0;
}

static int
hub_run_subscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_subscribe(client, command, false);
}

static int
hub_run_psubscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_subscribe(client, command, true);
}

static int
hub_run_unsubscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_unsubscribe(client, command, false);
}

static int
hub_run_punsubscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_unsubscribe(client, command, true);
}

static int
hub_run_pubsub(struct hub_client *client, const struct hub_command *command)
{
	struct buffer *out = &client->hub->scratch;

	if (command->count < 2 || !text_is_nocase(command->args[1], TEXT("NUMSUB")))
		return ERROR_ARGUMENT;
	buffer_reset(out);
	buffer_add_byte(out, '*');
	buffer_add_number(out, 2 * (int64_t)(command->count - 2));
	buffer_add(out, "\r\n", 2);
	for (unsigned i = 2; i < command->count; i++) {
		const struct hub_topic *topic = hub_topics_find(&client->hub->topics, false, command->args[i]);

		hub_add_bulk(out, command->args[i]);
		buffer_add_byte(out, ':');
		buffer_add_number(out, topic != NULL ? topic->count : 0);
		buffer_add(out, "\r\n", 2);
	}
	hub_reply_scratch(client);
	return 0;
}

/* As in Redis, a subscriber's PONG is an array. */
static int
hub_run_ping(struct hub_client *client, const struct hub_command *command)
{
	if (command->count != 1)
		return ERROR_ARGUMENT;
	hub_reply(client, client->own.count > 0 ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct hub_client *client, const struct hub_command *command);
} hub_commands[] = {
	{"PUBLISH", hub_run_publish},
	{"SUBSCRIBE", hub_run_subscribe},
	{"PSUBSCRIBE", hub_run_psubscribe},
	{"UNSUBSCRIBE", hub_run_unsubscribe},
	{"PUNSUBSCRIBE", hub_run_punsubscribe},
	{"PUBSUB", hub_run_pubsub},
	{"PING", hub_run_ping},
};

static void
hub_run_command(struct hub_client *client, const struct hub_command *command)
{
	int rc = ERROR_NOT_FOUND;

	for (size_t i = 0; i < sizeof hub_commands / sizeof *hub_commands && rc == ERROR_NOT_FOUND; i++) {
		if (text_is_nocase(command->args[0], text_from(hub_commands[i].name)))
			rc = hub_commands[i].run(client, command);
	}
	if (rc == 0)
		return;
	if (rc == ERROR_MEMORY) {
		/* a worker that lacks a subscription would miss messages; it reconnects and subscribes again */
		conn_no_memory(client->conn);
		return;
	}
	client->hub->stats.refused++;
	hub_reply(client, rc == ERROR_NOT_FOUND	    ? "-ERR unknown command\r\n"
			  : rc == ERROR_UNSUPPORTED ? "-ERR only patterns of the form prefix* are supported\r\n"
			  : rc == ERROR_TOO_MANY    ? "-ERR too many subscriptions\r\n"
						    : "-ERR wrong arguments\r\n");
}

/* ---------------------------------------------------------------- clients */

/*
 * Runs all complete commands in `in`. Returns the bytes they took, or an error. `*needed` is the minimum size of the
 * incomplete rest.
 */
static int64_t
hub_run_commands(struct hub_client *client, struct text in, uint64_t *needed)
{
	struct hub *hub = client->hub;
	size_t at = 0;

	*needed = 0;
	while (at < in.n && !conn_dead(client->conn)) {
		int64_t n =
			hub_command_parse(&hub->command, text_of(in.at + at, in.n - at), hub->max_message, needed);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		hub_run_command(client, &hub->command);
		at += (size_t)n;
	}
	return (int64_t)at;
}

static void
hub_refuse_client(struct hub_client *client, int error)
{
	struct hub *hub = client->hub;

	hub->stats.refused++;
	if (log_allow(&hub->log_limit, 1, hub->loop->now))
		log_event(LOG_WARN, "hub", "error", LOG_STR("malformed command from worker"), "reason",
			LOG_STR(error_text(error)), NULL);
	hub_reply(client, "-ERR Protocol error\r\n");
	conn_finish(client->conn, REASON_HUB_SYNTAX);
}

/*
 * Stores bytes of an incomplete command. Returns false, and closes the connection, if they exceed the limit or memory
 * is short.
 */
static bool
hub_gather(struct hub_client *client, const uint8_t *data, size_t n)
{
	buffer_add(&client->partial, data, n);
	conn_hold(client->conn, client->partial.size);
	if (buffer_error(&client->partial) == 0)
		return true;
	if (buffer_error(&client->partial) == ERROR_MEMORY)
		conn_no_memory(client->conn);
	else
		hub_refuse_client(client, buffer_error(&client->partial));
	return false;
}

static size_t
hub_on_data(struct conn *conn, uint8_t *data, size_t n)
{
	struct hub_client *client = conn_owner(conn);
	struct text in = text_of((const char *)data, n);
	int64_t done;

	if (client->hub == NULL)
		return n;
	if (client->partial.len > 0) {
		if (!hub_gather(client, data, n))
			return n;
		if (client->partial.len < client->needed)
			return n;
		in = buffer_text(&client->partial);
	}
	done = hub_run_commands(client, in, &client->needed);
	if (done < 0) {
		hub_refuse_client(client, (int)done);
	} else if (client->partial.len > 0) {
		buffer_drop(&client->partial, (size_t)done);
		if (client->partial.len == 0 && client->partial.size > PARTIAL_KEPT)
			buffer_fini(&client->partial);
		conn_hold(conn, client->partial.size);
	} else if ((size_t)done < n) {
		(void)hub_gather(client, data + done, n - (size_t)done);
	}
	return n;
}

static void
hub_client_detach(struct hub_client *client)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&client->own, &cursor)) != NULL) {
		hub_topics_remove(
			&client->hub->topics, container_of(node, struct hub_subscription, node), &client->own);
		client->hub->stats.subscriptions--;
	}
	list_remove(&client->link);
	client->hub->stats.clients--;
	client->hub = NULL;
}

static void
hub_on_closed(struct conn *conn, unsigned reason)
{
	struct hub_client *client = conn_owner(conn);

	if (client->hub != NULL) {
		if (reason == REASON_SLOW_READER || reason == REASON_STALLED) {
			client->hub->stats.cut_off++;
			log_event(LOG_WARN, "hub", "error", LOG_STR("worker disconnected because it does not read"),
				"reason", LOG_STR(names_word(&io_reasons, reason)), NULL);
		}
		hub_client_detach(client);
	}
	table_fini(&client->own);
	buffer_fini(&client->partial);
	mem_free(client);
}

static const struct conn_ops client_ops = {.on_data = hub_on_data, .on_closed = hub_on_closed};

static bool
hub_is_same_user(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static void
hub_client_new(struct hub *hub, int fd)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct hub_client *client = mem_zalloc(sizeof *client);

	client->hub = hub;
	table_init(&client->own);
	/* one command, and the part of the next that the same read brought */
	buffer_init(&client->partial, hub->max_message + LOOP_SCRATCH_SIZE);
	list_add_tail(&hub->clients, &client->link);
	hub->stats.clients++;
	client->conn = conn_new(hub->loop, fd, (const struct sockaddr *)&peer, sizeof peer.sun_family, NULL,
		&hub->limits, &client_ops, client);
}

/* --------------------------------------------------------------- listening */

int
hub_listen(char name[HUB_NAME_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), why;

	if (fd < 0)
		return ERROR_SYSTEM;
	/* an address of only the family makes the kernel choose an abstract name */
	if (bind(fd, (const struct sockaddr *)&address, sizeof address.sun_family) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		why = errno;
		close(fd);
		errno = why;
		return ERROR_SYSTEM;
	}
	snprintf(name, HUB_NAME_MAX, "%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
		address.sun_path + 1);
	return fd;
}

static void
hub_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct hub *hub = arg;

	(void)peer, (void)peer_len;
	if (hub_is_same_user(fd)) {
		hub_client_new(hub, fd);
	} else {
		hub->stats.refused++;
		close(fd);
	}
}

struct hub *
hub_new(struct loop *l, int listening_fd, const struct hub_options *options)
{
	struct hub *hub = mem_zalloc(sizeof *hub);
	struct listener_set listening = {.fds = {listening_fd}, .count = 1};

	hub->loop = l;
	hub->max_message = options->max_message;
	hub->limits = (struct conn_limits){
		.max_queue = options->max_queue, .max_kept = LOOP_SCRATCH_SIZE / 2, .stall_ms = STALL_MS};
	list_init(&hub->clients);
	hub_topics_init(&hub->topics);
	/* the longest reply is NUMSUB's: all names asked for, with their counts */
	buffer_init(&hub->scratch, options->max_message + HUB_ARGS_MAX * 64);
	hub->listener = listener_start(l, &listening, 0, hub_on_accept, hub);
	listener_set_service(hub->listener);
	return hub;
}

void
hub_stats(const struct hub *hub, struct hub_stats *out)
{
	*out = hub->stats;
}

void
hub_free(struct hub *hub)
{
	struct list *it, *next;

	if (hub == NULL)
		return;
	listener_free(hub->listener);
	list_each(it, next, &hub->clients)
	{
		struct hub_client *client = container_of(it, struct hub_client, link);

		conn_close(client->conn, REASON_SHUTDOWN);
		hub_client_detach(client);
	}
	hub_topics_fini(&hub->topics);
	buffer_fini(&hub->scratch);
	mem_free(hub);
}
