/*
 * A client's bytes are commands, answered in order. A command that one read did not bring whole is gathered in
 * `partial`; what a message becomes is made once per topic and queued by reference.
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
#define SUBSCRIPTIONS_MAX (1u << 18) /* of one client */
#define PARTIAL_KEPT (64 * 1024)     /* a larger gathering buffer is given back once its command is done */
#define STALL_MS 30000		     /* a worker that takes nothing for so long is cut off */

struct hub {
	struct loop *loop;
	struct listener *listener;
	struct conn_limits limits;
	uint64_t max_message;
	struct list clients;
	struct hub_topics topics;
	struct hub_command command;
	struct buffer scratch; /* prefixes, replies */
	struct hub_stats stats;
	struct log_limit log_limit;
};

struct hub_client {
	struct list link;
	struct hub *hub; /* NULL: freed meanwhile */
	struct conn *conn;
	struct table own; /* struct hub_subscription */
	struct buffer partial;
	uint64_t needed; /* bytes in `partial` before it is looked at again */
};

/* ---------------------------------------------------------------- replies */

static void
reply(struct hub_client *c, const char *line)
{
	conn_send_copy(c->conn, line, strlen(line));
}

static void
reply_number(struct hub_client *c, uint64_t n)
{
	char line[32];

	conn_send_copy(c->conn, line, (size_t)snprintf(line, sizeof line, ":%llu\r\n", (unsigned long long)n));
}

static void
add_bulk(struct buffer *out, struct text t)
{
	buffer_add_byte(out, '$');
	buffer_add_number(out, (int64_t)t.n);
	buffer_add(out, "\r\n", 2);
	buffer_add_text(out, t);
	buffer_add(out, "\r\n", 2);
}

static void
reply_scratch(struct hub_client *c)
{
	const struct buffer *out = &c->hub->scratch;

	if (buffer_error(out) == ERROR_MEMORY)
		conn_no_memory(c->conn);
	else
		conn_send_copy(c->conn, out->data, out->len);
}

static void
reply_subscribed(struct hub_client *c, struct text kind, struct text name)
{
	struct buffer *out = &c->hub->scratch;

	buffer_reset(out);
	buffer_add(out, "*3\r\n", 4);
	add_bulk(out, kind);
	add_bulk(out, name);
	buffer_add_byte(out, ':');
	buffer_add_number(out, c->own.count);
	buffer_add(out, "\r\n", 2);
	reply_scratch(c);
}

/* --------------------------------------------------------------- commands */

/* One message on its way. */
struct publication {
	struct hub *hub;
	struct text channel, payload;
	uint64_t receivers;
};

static size_t
bulk_size(struct text t)
{
	size_t digits = 1;

	for (size_t n = t.n; n >= 10; n /= 10)
		digits++;
	return 1 + digits + 2 + t.n + 2;
}

/* "message" for a channel, "pmessage" with its pattern for a prefix. NULL: there is no memory for it. */
static struct block *
push_make(const struct publication *p, const struct hub_topic *topic)
{
	struct text kind = topic->prefix ? TEXT("*4\r\n$8\r\npmessage\r\n") : TEXT("*3\r\n$7\r\nmessage\r\n");
	struct text parts[] = {topic->pattern, p->channel, p->payload};
	unsigned first = topic->prefix ? 0 : 1;
	size_t size = kind.n;
	struct block *block;
	uint8_t *at;

	for (unsigned i = first; i < 3; i++)
		size += bulk_size(parts[i]);
	block = block_try_new(size);
	if (block == NULL)
		return NULL;
	at = mempcpy(block->data, kind.at, kind.n);
	for (unsigned i = first; i < 3; i++) {
		/* the NUL it ends with is overwritten: a part and a line end follow */
		at += snprintf((char *)at, 24, "$%zu\r\n", parts[i].n);
		if (parts[i].n > 0)
			at = mempcpy(at, parts[i].at, parts[i].n);
		at = mempcpy(at, "\r\n", 2);
	}
	must(at == block->data + size);
	return block;
}

static void
push(void *arg, struct hub_topic *topic)
{
	struct publication *p = arg;
	struct block *block = push_make(p, topic);
	struct list *it, *next;

	if (block == NULL) {
		loop_count_no_memory(p->hub->loop);
		return;
	}
	list_each(it, next, &topic->subscriptions)
	{
		struct hub_client *to = container_of(it, struct hub_subscription, in_topic)->subscriber;

		conn_send(to->conn, block, 0, block->len);
		p->receivers++;
	}
	block_unref(block);
}

static int
do_publish(struct hub_client *c, const struct hub_command *m)
{
	struct publication p = {c->hub, m->args[1], m->args[2], 0};

	if (m->count != 3)
		return ERROR_ARGUMENT;
	hub_topics_match(&c->hub->topics, p.channel, push, &p);
	c->hub->stats.messages++;
	c->hub->stats.bytes += p.payload.n;
	c->hub->stats.deliveries += p.receivers;
	reply_number(c, p.receivers);
	return 0;
}

/* The name that a SUBSCRIBE (itself) or PSUBSCRIBE (its prefix, in the scratch) means. */
static int
topic_name(struct hub_client *c, bool prefix, struct text arg, struct text *name)
{
	*name = arg;
	if (!prefix)
		return 0;
	buffer_reset(&c->hub->scratch);
	if (hub_pattern_prefix(arg, &c->hub->scratch) < 0)
		return ERROR_UNSUPPORTED;
	if (buffer_error(&c->hub->scratch) == ERROR_MEMORY)
		return ERROR_MEMORY;
	*name = buffer_text(&c->hub->scratch);
	return 0;
}

static int
subscribe(struct hub_client *c, const struct hub_command *m, bool prefix)
{
	struct hub *h = c->hub;

	if (m->count < 2)
		return ERROR_ARGUMENT;
	for (unsigned i = 1; i < m->count; i++) {
		struct text name;
		int rc = topic_name(c, prefix, m->args[i], &name);

		if (rc < 0)
			return rc;
		if (c->own.count == SUBSCRIPTIONS_MAX)
			return ERROR_TOO_MANY;
		rc = hub_topics_add(&h->topics, prefix, name, m->args[i], &c->own, c);
		if (rc < 0)
			return rc;
		h->stats.subscriptions += (unsigned)rc;
		reply_subscribed(c, prefix ? TEXT("psubscribe") : TEXT("subscribe"), m->args[i]);
	}
	return 0;
}

static int
unsubscribe(struct hub_client *c, const struct hub_command *m, bool prefix)
{
	struct hub *h = c->hub;

	if (m->count < 2)
		return ERROR_ARGUMENT;
	for (unsigned i = 1; i < m->count; i++) {
		struct hub_subscription *s;
		struct text name;
		int rc = topic_name(c, prefix, m->args[i], &name);

		if (rc < 0)
			return rc;
		s = hub_topics_own(&h->topics, &c->own, prefix, name);
		if (s != NULL) {
			hub_topics_remove(&h->topics, s, &c->own);
			h->stats.subscriptions--;
		}
		reply_subscribed(c, prefix ? TEXT("punsubscribe") : TEXT("unsubscribe"), m->args[i]);
	}
	return 0;
}

static int
do_subscribe(struct hub_client *c, const struct hub_command *m)
{
	return subscribe(c, m, false);
}

static int
do_psubscribe(struct hub_client *c, const struct hub_command *m)
{
	return subscribe(c, m, true);
}

static int
do_unsubscribe(struct hub_client *c, const struct hub_command *m)
{
	return unsubscribe(c, m, false);
}

static int
do_punsubscribe(struct hub_client *c, const struct hub_command *m)
{
	return unsubscribe(c, m, true);
}

static int
do_pubsub(struct hub_client *c, const struct hub_command *m)
{
	struct buffer *out = &c->hub->scratch;

	if (m->count < 2 || !text_is_nocase(m->args[1], TEXT("NUMSUB")))
		return ERROR_ARGUMENT;
	buffer_reset(out);
	buffer_add_byte(out, '*');
	buffer_add_number(out, 2 * (int64_t)(m->count - 2));
	buffer_add(out, "\r\n", 2);
	for (unsigned i = 2; i < m->count; i++) {
		const struct hub_topic *topic = hub_topics_find(&c->hub->topics, false, m->args[i]);

		add_bulk(out, m->args[i]);
		buffer_add_byte(out, ':');
		buffer_add_number(out, topic != NULL ? topic->count : 0);
		buffer_add(out, "\r\n", 2);
	}
	reply_scratch(c);
	return 0;
}

/* A subscriber's PONG is a push, as with Redis. */
static int
do_ping(struct hub_client *c, const struct hub_command *m)
{
	if (m->count != 1)
		return ERROR_ARGUMENT;
	reply(c, c->own.count > 0 ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct hub_client *c, const struct hub_command *m);
} commands[] = {
	{"PUBLISH", do_publish},
	{"SUBSCRIBE", do_subscribe},
	{"PSUBSCRIBE", do_psubscribe},
	{"UNSUBSCRIBE", do_unsubscribe},
	{"PUNSUBSCRIBE", do_punsubscribe},
	{"PUBSUB", do_pubsub},
	{"PING", do_ping},
};

static void
run(struct hub_client *c, const struct hub_command *m)
{
	int rc = ERROR_NOT_FOUND;

	for (size_t i = 0; i < sizeof commands / sizeof *commands && rc == ERROR_NOT_FOUND; i++) {
		if (text_is_nocase(m->args[0], text_from(commands[i].name)))
			rc = commands[i].run(c, m);
	}
	if (rc == 0)
		return;
	if (rc == ERROR_MEMORY) {
		conn_no_memory(c->conn); /* a worker without one of its subscriptions would be deaf: it comes anew */
		return;
	}
	c->hub->stats.refused++;
	reply(c, rc == ERROR_NOT_FOUND	   ? "-ERR unknown command\r\n"
		 : rc == ERROR_UNSUPPORTED ? "-ERR only patterns of the form prefix* are known here\r\n"
		 : rc == ERROR_TOO_MANY	   ? "-ERR too many subscriptions\r\n"
					   : "-ERR wrong arguments\r\n");
}

/* ---------------------------------------------------------------- clients */

/* Runs what is whole; the bytes done with, or an error. `*needed`: of the rest. */
static int64_t
run_all(struct hub_client *c, struct text in, uint64_t *needed)
{
	struct hub *h = c->hub;
	size_t at = 0;

	*needed = 0;
	while (at < in.n && !conn_dead(c->conn)) {
		int64_t n = hub_command_parse(&h->command, text_of(in.at + at, in.n - at), h->max_message, needed);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		run(c, &h->command);
		at += (size_t)n;
	}
	return (int64_t)at;
}

static void
refuse(struct hub_client *c, int error)
{
	struct hub *h = c->hub;

	h->stats.refused++;
	if (log_allow(&h->log_limit, 1, h->loop->now))
		log_event(LOG_WARN, "hub", "error", LOG_STR("a worker's bytes are no command"), "reason",
			LOG_STR(error_text(error)), NULL);
	reply(c, "-ERR Protocol error\r\n");
	conn_finish(c->conn, REASON_HUB_SYNTAX);
}

/* Keeps bytes of a command that is not whole. False: they do not fit, or there is no memory, and the client is cut
 * off. */
static bool
gather(struct hub_client *c, const uint8_t *data, size_t n)
{
	buffer_add(&c->partial, data, n);
	conn_hold(c->conn, c->partial.size);
	if (buffer_error(&c->partial) == 0)
		return true;
	if (buffer_error(&c->partial) == ERROR_MEMORY)
		conn_no_memory(c->conn);
	else
		refuse(c, buffer_error(&c->partial));
	return false;
}

static size_t
on_data(struct conn *conn, uint8_t *data, size_t n)
{
	struct hub_client *c = conn_owner(conn);
	struct text in = text_of((const char *)data, n);
	int64_t done;

	if (c->hub == NULL)
		return n;
	if (c->partial.len > 0) {
		if (!gather(c, data, n))
			return n;
		if (c->partial.len < c->needed)
			return n;
		in = buffer_text(&c->partial);
	}
	done = run_all(c, in, &c->needed);
	if (done < 0) {
		refuse(c, (int)done);
	} else if (c->partial.len > 0) {
		buffer_drop(&c->partial, (size_t)done);
		if (c->partial.len == 0 && c->partial.size > PARTIAL_KEPT)
			buffer_fini(&c->partial);
		conn_hold(conn, c->partial.size);
	} else if ((size_t)done < n) {
		(void)gather(c, data + done, n - (size_t)done);
	}
	return n;
}

static void
client_forget(struct hub_client *c)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&c->own, &cursor)) != NULL) {
		hub_topics_remove(&c->hub->topics, container_of(node, struct hub_subscription, node), &c->own);
		c->hub->stats.subscriptions--;
	}
	list_remove(&c->link);
	c->hub->stats.clients--;
	c->hub = NULL;
}

static void
on_closed(struct conn *conn, unsigned reason)
{
	struct hub_client *c = conn_owner(conn);

	if (c->hub != NULL) {
		if (reason == REASON_SLOW_READER || reason == REASON_STALLED) {
			c->hub->stats.cut_off++;
			log_event(LOG_WARN, "hub", "error", LOG_STR("a worker that does not read was cut off"),
				"reason", LOG_STR(names_word(&io_reasons, reason)), NULL);
		}
		client_forget(c);
	}
	table_fini(&c->own);
	buffer_fini(&c->partial);
	mem_free(c);
}

static const struct conn_ops client_ops = {.on_data = on_data, .on_closed = on_closed};

static bool
is_same_user(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static void
client_new(struct hub *h, int fd)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct hub_client *c = mem_zalloc(sizeof *c);

	c->hub = h;
	table_init(&c->own);
	/* a command, and what of the next one a read brings along */
	buffer_init(&c->partial, h->max_message + LOOP_SCRATCH_SIZE);
	list_add_tail(&h->clients, &c->link);
	h->stats.clients++;
	c->conn = conn_new(h->loop, fd, (const struct sockaddr *)&peer, sizeof peer.sun_family, NULL, &h->limits,
		&client_ops, c);
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
	/* only the family: the system picks an abstract name */
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
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct hub *h = arg;

	(void)peer, (void)peer_len;
	if (is_same_user(fd)) {
		client_new(h, fd);
	} else {
		h->stats.refused++;
		close(fd);
	}
}

struct hub *
hub_new(struct loop *l, int listening_fd, const struct hub_options *o)
{
	struct hub *h = mem_zalloc(sizeof *h);
	struct listener_set listening = {.fds = {listening_fd}, .count = 1};

	h->loop = l;
	h->max_message = o->max_message;
	h->limits = (struct conn_limits){
		.max_queue = o->max_queue, .max_kept = LOOP_SCRATCH_SIZE / 2, .stall_ms = STALL_MS};
	list_init(&h->clients);
	hub_topics_init(&h->topics);
	/* the longest is NUMSUB's answer: the names asked for and their counts */
	buffer_init(&h->scratch, o->max_message + HUB_ARGS_MAX * 64);
	h->listener = listener_start(l, &listening, 0, on_accept, h);
	listener_set_service(h->listener);
	return h;
}

void
hub_stats(const struct hub *h, struct hub_stats *out)
{
	*out = h->stats;
}

void
hub_free(struct hub *h)
{
	struct list *it, *next;

	if (h == NULL)
		return;
	listener_free(h->listener);
	list_each(it, next, &h->clients)
	{
		struct hub_client *c = container_of(it, struct hub_client, link);

		conn_close(c->conn, REASON_SHUTDOWN);
		client_forget(c);
	}
	hub_topics_fini(&h->topics);
	buffer_fini(&h->scratch);
	mem_free(h);
}
