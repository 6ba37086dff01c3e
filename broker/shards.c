#include "broker/shards.h"

#include "common/base/mem.h"

struct shards {
	struct bus *bus;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct shards *
shards_open(struct loop *l, const struct bus_options *options, const struct bus_ops *ops, void *arg)
{
	struct shards *shards = mem_zalloc(sizeof *shards);

	shards->bus = bus_open(l, options, ops, arg);
	return shards;
}

static void
shards_on_bus_closed(void *arg)
{
	struct shards *shards = arg;
	void (*closed)(void *arg) = shards->closed;
	void *closed_arg = shards->closed_arg;

	mem_free(shards);
	if (closed != NULL)
		closed(closed_arg);
}

void
shards_close(struct shards *shards, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	shards->closed = closed;
	shards->closed_arg = arg;
	bus_close(shards->bus, flush_ms, shards_on_bus_closed, shards);
}

int
shards_publish(struct shards *shards, struct text channel, struct block *payload)
{
	return bus_publish(shards->bus, channel, payload);
}

bool
shards_announce(struct shards *shards, struct text channel, struct block *payload)
{
	return bus_announce(shards->bus, channel, payload);
}

struct bus_subscription *
shards_find(const struct shards *shards, struct text channel)
{
	return bus_find(shards->bus, channel);
}

void
shards_subscribe(struct shards *shards, struct bus_subscription *subscription)
{
	bus_subscribe(shards->bus, subscription);
}

void
shards_unsubscribe(struct shards *shards, struct bus_subscription *subscription)
{
	bus_unsubscribe(shards->bus, subscription);
}

bool
shards_awaits(const struct shards *shards, const struct bus_subscription *subscription)
{
	return bus_awaits(shards->bus, subscription);
}

void
shards_count_other(struct shards *shards, struct bus_count *query, struct text channel)
{
	bus_count_other(shards->bus, query, channel);
}

bool
shards_wait(struct shards *shards, struct bus_wait *wait)
{
	return bus_wait(shards->bus, wait);
}

void
shards_count(struct shards *shards, struct bus_count *query, struct text channel)
{
	bus_count(shards->bus, query, channel);
}

bool
shards_up(const struct shards *shards)
{
	return bus_up(shards->bus);
}

bool
shards_flows(const struct shards *shards)
{
	return bus_flows(shards->bus);
}

void
shards_stats(const struct shards *shards, struct bus_stats *out)
{
	bus_stats(shards->bus, out);
}
