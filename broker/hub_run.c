/*
 * Runs the commands of workers. A message is encoded once per topic, and every subscriber's queue references the same
 * block. A long message of Redis is not even copied: it goes on in the block in which it was collected.
 *
 * With an ear (hub_ear.h), a subscription is confirmed once Redis has confirmed it (hub_reply.h).
 */
#include <stdio.h>

#include "broker/bus_keep.h"
#include "broker/hub_internal.h"
#include "broker/hub_reply.h"
#include "common/base/error.h"
#include "common/base/must.h"

/* --------------------------------------------------------------- commands */

/* A message being published. */
struct publication {
	struct hub *hub;
	struct text channel, payload;
	uint64_t receivers;
	struct block *block; /* a long message of Redis: the payload and its line end lie in it; NULL: any other */
};

static size_t
hub_bulk_size(struct text t)
{
	size_t digits = 1;

	for (size_t n = t.n; n >= 10; n /= 10)
		digits++;
	return 1 + digits + 2 + t.n + 2;
}

/*
 * Encodes "message" for a channel, or "pmessage" with its pattern for a prefix. A payload that lies in a block of its
 * own is left out. Returns NULL if memory is short.
 */
static struct block *
hub_make_push(const struct publication *publication, const struct hub_topic *topic)
{
	struct text kind = topic->prefix ? TEXT("*4\r\n$8\r\npmessage\r\n") : TEXT("*3\r\n$7\r\nmessage\r\n");
	struct text parts[] = {topic->pattern, publication->channel, publication->payload};
	unsigned first = topic->prefix ? 0 : 1;
	bool apart = publication->block != NULL;
	size_t size = kind.n;
	struct block *block;
	char length[24];
	uint8_t *at;

	for (unsigned i = first; i < 3; i++)
		size += hub_bulk_size(parts[i]);
	if (apart)
		size -= publication->payload.n + 2;
	block = block_try_new(size);
	if (block == NULL)
		return NULL;
	at = mempcpy(block->data, kind.at, kind.n);
	for (unsigned i = first; i < 3; i++) {
		at = mempcpy(at, length, (size_t)snprintf(length, sizeof length, "$%zu\r\n", parts[i].n));
		if (i == 2 && apart)
			break;
		if (parts[i].n > 0)
			at = mempcpy(at, parts[i].at, parts[i].n);
		at = mempcpy(at, "\r\n", 2);
	}
	must(at == block->data + size);
	return block;
}

/*
 * A worker that hears a channel by its name and by a prefix drops the copy of the prefix, but only from the
 * confirmation of the channel on. Until then the hub drops it: the confirmation may wait for an earlier one, while
 * Redis sends both copies already.
 */
static bool
hub_sends_by_channel(
	const struct publication *publication, const struct hub_topic *topic, const struct hub_client *to)
{
	const struct hub_subscription *exact;

	if (!topic->prefix || list_empty(&to->owed))
		return false;
	exact = hub_topics_find_own(&publication->hub->topics, &to->own, false, publication->channel);
	return exact != NULL && exact->owed != NULL && hub_ear_hears(exact->topic);
}

static void
hub_push(void *arg, struct hub_topic *topic)
{
	struct publication *publication = arg;
	struct block *block = hub_make_push(publication, topic);
	struct list *it, *next;
	size_t from = 0;

	if (publication->block != NULL)
		from = (size_t)((const uint8_t *)publication->payload.at - publication->block->data);
	if (block == NULL) {
		loop_count_no_memory(publication->hub->loop);
		return;
	}
	list_each(it, next, &topic->subscriptions)
	{
		struct hub_client *to = container_of(it, struct hub_subscription, in_topic)->subscriber;

		if (hub_sends_by_channel(publication, topic, to))
			continue;
		conn_send(to->conn, block, 0, block->len);
		if (publication->block != NULL)
			conn_send(to->conn, publication->block, from, publication->payload.n + 2);
		publication->receivers++;
	}
	block_unref(block);
}

/*
 * Passes what is published to the keeper. Returns false if it was for the keeper alone. If the keeper gives an event
 * a number, the payload becomes the number and the event, in the scratch buffer.
 */
static bool
hub_keep(struct hub_client *client, struct publication *publication)
{
	struct hub *hub = client->hub;
	bool alone = text_is(publication->channel, text_from(hub->keeper.channel));
	struct bus_keep_head head;
	uint64_t number;

	bus_keep_head_take(&publication->payload, &head);
	if (alone && head.origin == 0) {
		hub->keeper.receive(hub->keeper.arg, client, publication->payload);
		return false;
	}
	number = hub->keeper.record(hub->keeper.arg, head.origin, head.local, publication->payload);
	if (alone || number == 0)
		return !alone;
	buffer_reset(&hub->scratch);
	bus_keep_number_add(&hub->scratch, number);
	buffer_add_text(&hub->scratch, publication->payload);
	if (buffer_error(&hub->scratch) == 0)
		publication->payload = buffer_text(&hub->scratch);
	return true;
}

void
hub_send(struct hub *hub, struct text channel, struct text message)
{
	struct publication publication = {hub, channel, message, 0, NULL};

	hub_topics_match(&hub->topics, channel, hub_push, &publication);
}

static int
hub_run_publish(struct hub_client *client, const struct hub_command *command)
{
	struct publication publication = {client->hub, command->args[1], command->args[2], 0, NULL};

	if (command->count != 3)
		return ERROR_ARGUMENT;
	if (client->hub->keeper.record == NULL || hub_keep(client, &publication))
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

/* A worker has subscribed to a topic, perhaps not for the first time. */
static int
hub_subscribe_ear(struct hub_client *client, struct hub_subscription *subscription, bool counted, struct text arg)
{
	struct hub_topic *topic = subscription->topic;
	int rc;

	if (topic->ear == NULL)
		hub_ear_add(client->hub->ear, topic, counted);
	rc = hub_owe(client, subscription, counted, arg);
	if (rc == 0)
		hub_pay(client);
	return rc;
}

/* `counted`: other servers count the worker by this subscription. */
static int
hub_subscribe(struct hub_client *client, const struct hub_command *command, bool prefix, bool counted)
{
	struct hub *hub = client->hub;

	if (command->count < 2)
		return ERROR_ARGUMENT;
	for (unsigned i = 1; i < command->count; i++) {
		struct text name;
		int rc = hub_topic_name(client, prefix, command->args[i], &name);

		if (rc < 0)
			return rc;
		if (client->own.count == hub->max_subscriptions)
			return ERROR_TOO_MANY;
		rc = hub_topics_add(&hub->topics, prefix, name, command->args[i], &client->own, client);
		if (rc < 0)
			return rc;
		hub->stats.subscriptions += (unsigned)rc;
		rc = 0;
		if (hub->ear != NULL)
			rc = hub_subscribe_ear(client, hub_topics_find_own(&hub->topics, &client->own, prefix, name),
				counted, command->args[i]);
		else
			hub_reply_subscribed(client, prefix ? TEXT("psubscribe") : TEXT("subscribe"),
				command->args[i], client->own.count);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void
hub_drop_subscription(struct hub_client *client, struct hub_subscription *subscription)
{
	struct hub_topic *topic = subscription->topic;
	bool counted = subscription->counted;
	struct hub *hub = client->hub;

	hub_owed_end(subscription);
	if (topic->ear != NULL && topic->count == 1)
		hub_ear_remove(topic);
	else if (counted)
		hub_ear_count(topic, topic->counted - 1);
	hub_topics_remove(&hub->topics, subscription, &client->own);
	hub->stats.subscriptions--;
	if (counted) /* a confirmation may have waited for a connection that counted this worker */
		hub_pay_all(hub);
}

void
hub_drop_subscriptions(struct hub_client *client)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	hub_owe_nothing(client);
	while ((node = table_next(&client->own, &cursor)) != NULL)
		hub_drop_subscription(client, container_of(node, struct hub_subscription, node));
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
		if (subscription != NULL)
			hub_drop_subscription(client, subscription);
		hub_pay(client);
		hub_reply_subscribed(client, prefix ? TEXT("punsubscribe") : TEXT("unsubscribe"), command->args[i],
			client->own.count);
	}
	return 0;
}

static int
hub_run_subscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_subscribe(client, command, false, false);
}

static int
hub_run_csubscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_subscribe(client, command, false, true);
}

static int
hub_run_psubscribe(struct hub_client *client, const struct hub_command *command)
{
	return hub_subscribe(client, command, true, false);
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

		hub_reply_add_bulk(out, command->args[i]);
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
	bool redis; /* not for a hub with an ear: workers ask Redis itself */
} hub_commands[] = {
	{"PUBLISH", hub_run_publish, true},
	{"SUBSCRIBE", hub_run_subscribe, false},
	{"CSUBSCRIBE", hub_run_csubscribe, false},
	{"PSUBSCRIBE", hub_run_psubscribe, false},
	{"UNSUBSCRIBE", hub_run_unsubscribe, false},
	{"PUNSUBSCRIBE", hub_run_punsubscribe, false},
	{"PUBSUB", hub_run_pubsub, true},
	{"PING", hub_run_ping, false},
};

void
hub_run_command(struct hub_client *client, const struct hub_command *command)
{
	int rc = ERROR_NOT_FOUND;

	for (size_t i = 0; i < sizeof hub_commands / sizeof *hub_commands && rc == ERROR_NOT_FOUND; i++) {
		if (text_is_nocase(command->args[0], text_from(hub_commands[i].name)) &&
			!(hub_commands[i].redis && client->hub->ear != NULL))
			rc = hub_commands[i].run(client, command);
	}
	if (rc == ERROR_NOT_FOUND && client->hub->history != NULL)
		rc = hub_history_run(client->hub->history, client->conn, command);
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

/* --------------------------------------------------------------------- ear */

static void
hub_on_ear_message(void *arg, struct hub_topic *topic, struct text channel, struct text payload, struct block *block)
{
	struct hub *hub = arg;
	struct publication publication = {hub, channel, payload, 0, block};

	hub_push(&publication, topic);
	hub->stats.messages++;
	hub->stats.bytes += payload.n;
	hub->stats.deliveries += publication.receivers;
}

/* Every worker that waits for this subscription gets the error in its place. */
static void
hub_on_ear_refused(void *arg, struct hub_topic *topic, struct text error)
{
	struct hub *hub = arg;

	for (unsigned left = topic->count; left > 0; left--) { /* the topic ends with its last subscription */
		struct hub_subscription *subscription =
			container_of(topic->subscriptions.next, struct hub_subscription, in_topic);
		struct hub_client *client = subscription->subscriber;

		hub_owed_refuse(subscription, error);
		hub_drop_subscription(client, subscription);
	}
	hub_pay_all(hub);
}

static void
hub_on_ear_confirmed(void *arg)
{
	hub_pay_all(arg);
}

static void
hub_on_ear_deaf(void *arg)
{
	hub_release_clients(arg);
}

const struct hub_ear_ops hub_ear_ops = {
	hub_on_ear_message, hub_on_ear_refused, hub_on_ear_confirmed, hub_on_ear_deaf};
