#include "broker/hub_ear.h"

#include "broker/bus.h"
#include "broker/hub_counters.h"
#include "common/base/mem.h"

#define PUBLISHES_MAX 4096 /* bytes of waiting publishes: the ear publishes its check messages only */

struct hub_ear {
	struct bus *bus;
	struct hub_counters *counters;
	const struct hub_ear_ops *ops;
	void *arg;
};

struct ear_channel {
	struct bus_subscription subscription;
	struct hub_ear *ear;
	struct hub_topic *topic;
	struct hub_counted counted;
};

/* ----------------------------------------------------------------- topics */

/*
 * The connection that hears the channel counts as one worker. The other workers are counted only once the channel is
 * heard. By then the bus has a server, and every worker that another server counts hears that server's requests.
 */
static void
ear_set_counters(struct ear_channel *channel, unsigned counted)
{
	hub_counters_set(channel->ear->counters, &channel->counted,
		counted > 1 && channel->subscription.confirmed ? counted - 1 : 0);
}

static void
ear_on_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct ear_channel *heard = container_of(subscription, struct ear_channel, subscription);

	heard->ear->ops->on_message(heard->ear->arg, heard->topic, channel, payload, subscription->block);
}

static void
ear_on_refused(struct bus_subscription *subscription, struct text error, const char *why)
{
	struct ear_channel *channel = container_of(subscription, struct ear_channel, subscription);

	(void)why; /* the workers log what they do without the subscription */
	channel->ear->ops->on_refused(channel->ear->arg, channel->topic, error);
}

static void
ear_on_confirmed(struct bus_subscription *subscription)
{
	struct ear_channel *channel = container_of(subscription, struct ear_channel, subscription);

	ear_set_counters(channel, channel->topic->counted);
	channel->ear->ops->on_confirmed(channel->ear->arg);
}

void
hub_ear_add(struct hub_ear *ear, struct hub_topic *topic, bool counted)
{
	struct ear_channel *channel = mem_zalloc(sizeof *channel);
	struct text name = text_of(topic->node.key, topic->node.key_len);

	channel->ear = ear;
	channel->topic = topic;
	channel->subscription.name = name;
	channel->subscription.prefix = topic->prefix;
	channel->subscription.counted = counted;
	channel->subscription.on_message = ear_on_message;
	channel->subscription.on_confirmed = ear_on_confirmed;
	channel->subscription.on_refused = ear_on_refused;
	hub_counted_init(&channel->counted, name);
	topic->ear = channel;
	bus_subscribe(ear->bus, &channel->subscription);
}

void
hub_ear_remove(struct hub_topic *topic)
{
	struct ear_channel *channel = topic->ear;

	ear_set_counters(channel, 0);
	bus_unsubscribe(channel->ear->bus, &channel->subscription);
	mem_free(channel);
	topic->ear = NULL;
}

void
hub_ear_count(struct hub_topic *topic, unsigned counted)
{
	ear_set_counters(topic->ear, counted);
}

bool
hub_ear_hears(const struct hub_topic *topic)
{
	return topic->ear->subscription.confirmed;
}

bool
hub_ear_confirms(const struct hub_topic *topic)
{
	const struct ear_channel *channel = topic->ear;

	return hub_ear_hears(topic) && channel->counted.confirmed == channel->counted.count;
}

/* --------------------------------------------------------------------- bus */

static void
ear_on_deaf(void *arg)
{
	struct hub_ear *ear = arg;

	hub_counters_cut(ear->counters);
	ear->ops->on_deaf(ear->arg);
}

static void
ear_on_counted(void *arg)
{
	struct hub_ear *ear = arg;

	ear->ops->on_confirmed(ear->arg);
}

struct hub_ear *
hub_ear_new(struct loop *l, const struct hub_ear_options *options, const struct hub_ear_ops *ops, void *arg)
{
	static const struct bus_ops bus_ops = {.on_deaf = ear_on_deaf};
	struct bus_options bus_options = {.server = options->server,
		.event = "hub",
		.access = &options->access,
		.replicated = true,
		.key = options->key,
		.max_queue = PUBLISHES_MAX,
		.beside_log = options->beside_log,
		.refresh_ms = options->refresh_ms,
		.check_ms = options->check_ms,
		.timeout_ms = options->timeout_ms};
	struct hub_ear *ear = mem_zalloc(sizeof *ear);
	struct hub_counters_setup counters = {
		.loop = l, .check_ms = options->check_ms, .on_confirmed = ear_on_counted, .arg = ear};

	ear->ops = ops;
	ear->arg = arg;
	ear->bus = counters.bus = bus_open(l, &bus_options, &bus_ops, ear);
	ear->counters = hub_counters_new(&counters);
	return ear;
}

void
hub_ear_free(struct hub_ear *ear)
{
	if (ear == NULL)
		return;
	hub_counters_cut(ear->counters);
	hub_counters_free(ear->counters);
	bus_close(ear->bus, 0, NULL, NULL);
	mem_free(ear);
}

void
hub_ear_stats(const struct hub_ear *ear, struct hub_stats *out)
{
	bus_stats(ear->bus, &out->bus);
	out->counting = hub_counters_up(ear->counters);
}
