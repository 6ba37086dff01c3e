#include "broker/sharded_channels.h"

#include "common/base/mem.h"
#include "common/base/must.h"

struct sharded_channel {
	struct bus_subscription subscription;
	struct sharded_channels *channels;
	struct list uses; /* struct sharded_use */
	unsigned count;	  /* uses, and one more while they are being called */
	char name[];
};

struct sharded_channels {
	struct loop *loop;
	struct shards *shards;
	const struct sharded_channels_ops *ops;
	uint64_t linger_ms;
	uint64_t rooms, round;
	struct list lingering; /* struct sharded_use, the one that became empty first comes first */
	struct wheel_entry timer;
};

/* ------------------------------------------------------------------- uses */

static void
channel_release(struct sharded_channel *channel)
{
	if (--channel->count > 0)
		return;
	shards_unsubscribe(channel->channels->shards, &channel->subscription);
	mem_free(channel);
}

/* Returns a use that has not been called in the current round, or NULL. */
static struct sharded_use *
channel_next_use(const struct sharded_channel *channel)
{
	struct list *at, *next;

	list_each(at, next, &channel->uses)
	{
		struct sharded_use *use = container_of(at, struct sharded_use, link);

		if (use->round != channel->channels->round)
			return use;
	}
	return NULL;
}

/* A callee may add and remove any use. The count keeps the channel until the end of the round. */
static void
channel_on_message(struct bus_subscription *subscription, struct text name, struct text payload)
{
	struct sharded_channel *channel = container_of(subscription, struct sharded_channel, subscription);
	struct sharded_use *use;

	channel->channels->round++;
	channel->count++;
	while ((use = channel_next_use(channel)) != NULL) {
		use->round = channel->channels->round;
		channel->channels->ops->on_message(use, name, payload);
	}
	channel_release(channel);
}

static void
channel_on_confirmed(struct bus_subscription *subscription)
{
	struct sharded_channel *channel = container_of(subscription, struct sharded_channel, subscription);
	struct sharded_use *use;

	channel->channels->round++;
	channel->count++;
	while ((use = channel_next_use(channel)) != NULL) {
		use->round = channel->channels->round;
		channel->channels->ops->on_confirmed(use);
	}
	channel_release(channel);
}

static struct sharded_channel *
channel_find(const struct sharded_channels *channels, struct text name)
{
	struct bus_subscription *found = shards_find(channels->shards, name);

	/* the subscription may be that of the check messages */
	return found != NULL && found->on_message == channel_on_message
		       ? container_of(found, struct sharded_channel, subscription)
		       : NULL;
}

static struct sharded_channel *
channel_new(struct sharded_channels *channels, struct text name)
{
	struct sharded_channel *channel;

	if (shards_find(channels->shards, name) != NULL)
		return NULL;
	channel = mem_try_alloc(sizeof *channel + name.n); /* clients choose names and number of rooms */
	if (channel == NULL)
		return NULL;
	memset(channel, 0, sizeof *channel);
	memcpy(channel->name, name.at, name.n);
	channel->channels = channels;
	list_init(&channel->uses);
	channel->subscription.name = text_of(channel->name, name.n);
	channel->subscription.on_message = channel_on_message;
	channel->subscription.on_confirmed = channel_on_confirmed;
	shards_subscribe(channels->shards, &channel->subscription);
	return channel;
}

struct sharded_use *
sharded_channels_add(
	struct sharded_channels *channels, struct text name, enum sharded_kind kind, struct list *mine, void *owner)
{
	struct sharded_use *use = mem_try_alloc(sizeof *use);
	struct sharded_channel *channel = channel_find(channels, name);

	if (use != NULL && channel == NULL)
		channel = channel_new(channels, name);
	if (use == NULL || channel == NULL) {
		mem_free(use);
		return NULL;
	}
	*use = (struct sharded_use){.channel = channel, .kind = kind, .owner = owner, .round = channels->round};
	list_init(&use->lingering);
	list_add_tail(&channel->uses, &use->link);
	list_add_tail(mine, &use->link_mine);
	channel->count++;
	channels->rooms += kind == SHARDED_ROOM;
	return use;
}

void
sharded_channels_remove(struct sharded_channels *channels, struct sharded_use *use)
{
	struct sharded_channel *channel = use->channel;

	list_remove(&use->link);
	list_remove(&use->link_mine);
	list_remove(&use->lingering);
	channels->rooms -= use->kind == SHARDED_ROOM;
	mem_free(use);
	channel_release(channel);
}

struct sharded_use *
sharded_channels_find(
	const struct sharded_channels *channels, struct text name, enum sharded_kind kind, const void *owner)
{
	struct sharded_channel *channel = channel_find(channels, name);
	struct list *at, *next;

	if (channel == NULL)
		return NULL;
	list_each(at, next, &channel->uses)
	{
		struct sharded_use *use = container_of(at, struct sharded_use, link);

		if (use->kind == kind && use->owner == owner)
			return use;
	}
	return NULL;
}

struct block *
sharded_use_block(const struct sharded_use *use)
{
	return use->channel->subscription.block;
}

struct text
sharded_use_channel(const struct sharded_use *use)
{
	return use->channel->subscription.name;
}

bool
sharded_use_awaits(const struct sharded_channels *channels, const struct sharded_use *use)
{
	return shards_awaits(channels->shards, &use->channel->subscription);
}

/* -------------------------------------------------------------- lingering */

void
sharded_channels_linger(struct sharded_channels *channels, struct sharded_use *use)
{
	if (!list_empty(&use->lingering)) /* it was empty already */
		return;
	use->empty_since = channels->loop->now;
	if (list_empty(&channels->lingering))
		loop_arm(channels->loop, &channels->timer, channels->linger_ms);
	list_add_tail(&channels->lingering, &use->lingering);
}

void
sharded_channels_keep(struct sharded_use *use)
{
	list_remove(&use->lingering);
}

static void
channels_on_timer(struct wheel_entry *entry)
{
	struct sharded_channels *channels = container_of(entry, struct sharded_channels, timer);

	while (!list_empty(&channels->lingering)) {
		struct sharded_use *use = container_of(channels->lingering.next, struct sharded_use, lingering);
		uint64_t end = use->empty_since + channels->linger_ms;

		if (end > channels->loop->now) {
			loop_arm(channels->loop, &channels->timer, end - channels->loop->now);
			return;
		}
		sharded_channels_remove(channels, use);
	}
}

/* ------------------------------------------------------------------- life */

struct sharded_channels *
sharded_channels_new(
	struct loop *l, struct shards *shards, uint64_t linger_ms, const struct sharded_channels_ops *ops)
{
	struct sharded_channels *channels = mem_zalloc(sizeof *channels);

	channels->loop = l;
	channels->shards = shards;
	channels->linger_ms = linger_ms;
	channels->ops = ops;
	list_init(&channels->lingering);
	wheel_entry_init(&channels->timer, channels_on_timer);
	return channels;
}

void
sharded_channels_free(struct sharded_channels *channels)
{
	if (channels == NULL)
		return;
	must(channels->rooms == 0 && list_empty(&channels->lingering));
	loop_disarm(channels->loop, &channels->timer);
	mem_free(channels);
}

uint64_t
sharded_channels_rooms(const struct sharded_channels *channels)
{
	return channels->rooms;
}
