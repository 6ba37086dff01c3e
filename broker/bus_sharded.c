/*
 * The form for several machines in sharded mode (Redis 7): the channels of createShardedAdapter of
 * @socket.io/redis-adapter (wire_sharded.h).
 *
 *   K#N#       statements and questions to every node of the namespace
 *   K#N#uid#   answers to the namespace's questions on this node
 *   K#N#room#  broadcasts for exactly one room, if the subscription mode gives such rooms a channel
 *
 * A new room misses what other nodes publish to its channel before the server has confirmed the subscription. Its
 * clients, and what this node publishes next, wait for the confirmation (struct bus_wait). Channels may be on
 * different members of a Redis Cluster, so a message to a room and one to the namespace may overtake each other.
 */
#include "broker/bus_presence.h"
#include "broker/bus_redis.h"
#include "broker/sharded_channels.h"
#include "broker/wire_sharded.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"

#define ROOM_LINGER_MS 10000
#define CHANNEL_MAX (1 << 20) /* maximum bytes of a channel's name; room names are shorter */

struct sharded_member {
	struct list link; /* in bus_end.members */
	struct bus_end *end;
	struct bus_member *member;
	bool settle_due;	  /* on_settled is still to be called */
	struct text main_channel; /* K#N# */
	struct list uses;	  /* struct sharded_use: main channel (not of a visitor), answers, rooms */
	struct sharded_use *main, *answers;
};

struct bus_end {
	struct loop *loop;
	struct shards *shards;
	struct sharded_channels *channels;
	const struct bus_form_ops *ops;
	enum bus_subscription_mode mode;
	char *key;
	struct list members;
	struct buffer channel; /* scratch buffer for channel names */
	struct log_limit log_limit;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* --------------------------------------------------------------- channels */

/* Returns true if the broadcasts for exactly this room go to the room's own channel. */
static bool
sharded_room_is_sent_apart(const struct bus_end *end, const struct bus_member *member, struct text room)
{
	switch (end->mode) {
	case BUS_SUBSCRIPTION_STATIC:
		return false;
	case BUS_SUBSCRIPTION_DYNAMIC_PRIVATE:
		return true;
	default:
		/* a node in JavaScript does not subscribe to the own room of its client of Socket.IO 2 */
		return !wire_sharded_looks_like_id(room) && !wire_sharded_looks_like_v2_id(room, member->name);
	}
}

/*
 * Returns true if a room of this node needs its channel. Nodes in JavaScript send to it even if the room is the own
 * room of a client of Socket.IO 2.
 */
static bool
sharded_room_is_heard_apart(const struct bus_end *end, struct text room)
{
	return end->mode == BUS_SUBSCRIPTION_DYNAMIC_PRIVATE ||
	       (end->mode == BUS_SUBSCRIPTION_DYNAMIC && !wire_sharded_looks_like_id(room));
}

/* Writes K#N#part# to the scratch buffer; K#N# if `part` is TEXT_NONE. */
static void
sharded_write_channel(struct bus_end *end, const struct bus_member *member, struct text part)
{
	buffer_reset(&end->channel);
	wire_channel_broadcast(&end->channel, text_from(end->key), member->name, part);
}

static struct text
sharded_channel(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address)
{
	const struct sharded_member *sharded = member->form_data;

	if (kind == BUS_OWN_RESPONSE)
		return sharded_use_channel(sharded->answers);
	if (address.at == NULL || (kind == BUS_BROADCAST && !sharded_room_is_sent_apart(end, member, address)))
		return sharded->main_channel;
	sharded_write_channel(end, member, address);
	return buffer_text(&end->channel);
}

static int
sharded_publish(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload)
{
	struct text channel;

	buffer_reset(&end->channel); /* its error would be that of an older name */
	channel = sharded_channel(end, member, kind, address);
	return buffer_error(&end->channel) == 0 ? shards_publish(end->shards, channel, payload)
						: buffer_error(&end->channel);
}

/* Every node of a namespace except visitors subscribes to its main channel, so the subscribers are the nodes. */
static void
sharded_count(struct bus_end *end, struct bus_count *query, const struct bus_member *member)
{
	const struct sharded_member *sharded = member->form_data;

	shards_count(end->shards, query, sharded->main_channel);
}

/* --------------------------------------------------------------- messages */

static void
sharded_on_message(struct sharded_use *use, struct text channel, struct text payload)
{
	struct sharded_member *sharded = use->owner;
	struct bus_message message = {
		.kind = BUS_BROADCAST, .channel = channel, .payload = payload, .block = sharded_use_block(use)};

	if (use->kind == SHARDED_ANSWERS)
		message.kind = BUS_OWN_RESPONSE;
	else if (use->kind == SHARDED_ROOM)
		must(wire_channel_room(sharded->main_channel, channel, &message.room));
	sharded->end->ops->on_message(sharded->member, &message);
}

static bool
sharded_member_awaits(const struct sharded_member *sharded)
{
	const struct sharded_channels *channels = sharded->end->channels;

	return (sharded->main != NULL && sharded_use_awaits(channels, sharded->main)) ||
	       sharded_use_awaits(channels, sharded->answers);
}

static void
sharded_member_settle(struct sharded_member *sharded)
{
	if (!sharded->settle_due || sharded_member_awaits(sharded))
		return;
	sharded->settle_due = false;
	sharded->end->ops->on_settled(sharded->member);
}

static void
sharded_on_confirmed(struct sharded_use *use)
{
	if (use->kind != SHARDED_ROOM)
		sharded_member_settle(use->owner);
}

static const struct sharded_channels_ops sharded_channels_ops = {sharded_on_message, sharded_on_confirmed};

static bool
sharded_awaits(struct bus_end *end, struct bus_member *member)
{
	struct sharded_member *sharded = member->form_data;

	(void)end;
	sharded->settle_due |= sharded_member_awaits(sharded);
	return sharded->settle_due;
}

/* Members may be added and removed in the up-call, so each is moved back to the list before its callback. */
static void
sharded_on_hopeless(void *arg)
{
	struct bus_end *end = arg;
	struct list all;

	list_init(&all);
	list_move_all(&all, &end->members);
	while (!list_empty(&all)) {
		struct sharded_member *sharded = container_of(all.next, struct sharded_member, link);

		list_remove(&sharded->link);
		list_add_tail(&end->members, &sharded->link);
		sharded_member_settle(sharded);
	}
}

static const struct bus_ops sharded_bus_ops = {.on_hopeless = sharded_on_hopeless};

/* ----------------------------------------------------------------- members */

/* The name is small: the configured key, a namespace's name and a uid. */
static struct sharded_use *
sharded_use_main(struct sharded_member *sharded, struct text channel, enum sharded_kind kind)
{
	struct sharded_use *use =
		sharded_channels_add(sharded->end->channels, channel, kind, &sharded->uses, sharded);

	must(use != NULL);
	return use;
}

static void
sharded_subscribe(struct bus_end *end, struct bus_member *member)
{
	struct sharded_member *sharded = mem_zalloc(sizeof *sharded);

	sharded->end = end;
	sharded->member = member;
	member->form_data = sharded;
	list_init(&sharded->uses);
	list_add_tail(&end->members, &sharded->link);
	sharded_write_channel(end, member, TEXT_NONE);
	sharded->main_channel =
		text_of(mem_text((const char *)end->channel.data, end->channel.len), end->channel.len);
	if (!member->visitor)
		sharded->main = sharded_use_main(sharded, sharded->main_channel, SHARDED_NAMESPACE);
	sharded_write_channel(end, member, member->uid);
	sharded->answers = sharded_use_main(sharded, buffer_text(&end->channel), SHARDED_ANSWERS);
}

static void
sharded_unsubscribe(struct bus_end *end, struct bus_member *member)
{
	struct sharded_member *sharded = member->form_data;

	while (!list_empty(&sharded->uses))
		sharded_channels_remove(
			end->channels, container_of(sharded->uses.next, struct sharded_use, link_mine));
	list_remove(&sharded->link);
	mem_free((char *)sharded->main_channel.at);
	mem_free(sharded);
	member->form_data = NULL;
}

/* ------------------------------------------------------------------- rooms */

/* Returns false if the room has no channel. Otherwise writes the channel's name to the scratch buffer. */
static bool
sharded_room_channel(struct bus_end *end, const struct bus_member *member, struct text room)
{
	if (member->visitor || !sharded_room_is_heard_apart(end, room))
		return false;
	sharded_write_channel(end, member, room);
	return buffer_error(&end->channel) == 0;
}

static void
sharded_room_appeared(struct bus_end *end, struct bus_member *member, struct text room, bool own)
{
	struct sharded_member *sharded = member->form_data;
	struct sharded_use *use;

	if (!sharded_room_channel(end, member, room))
		return;
	use = sharded_channels_find(end->channels, buffer_text(&end->channel), SHARDED_ROOM, sharded);
	if (use != NULL) {
		sharded_channels_keep(use);
		return;
	}
	use = sharded_channels_add(end->channels, buffer_text(&end->channel), SHARDED_ROOM, &sharded->uses, sharded);
	if (use != NULL) {
		use->fleeting = own; /* the ids of sockets do not come back */
		return;
	}
	loop_count_no_memory(end->loop);
	if (log_allow(&end->log_limit, 1, end->loop->now))
		log_event(LOG_ERROR, "routing", "error",
			LOG_STR("out of memory: a room does not receive the broadcasts of other nodes"), "channel",
			LOG_TEXT(buffer_text(&end->channel)), NULL);
}

static void
sharded_room_empty(struct bus_end *end, struct bus_member *member, struct text room)
{
	struct sharded_use *use = NULL;

	if (sharded_room_channel(end, member, room))
		use = sharded_channels_find(
			end->channels, buffer_text(&end->channel), SHARDED_ROOM, member->form_data);
	if (use == NULL)
		return;
	if (use->fleeting)
		sharded_channels_remove(end->channels, use);
	else
		sharded_channels_linger(end->channels, use);
}

static bool
sharded_wait(struct bus_end *end, struct bus_wait *wait)
{
	return shards_wait(end->shards, wait);
}

/* ------------------------------------------------------------------- nodes */

static void
sharded_enter(struct bus_end *end, struct bus_presence *presence)
{
	bus_presence_enter(&bus_presence_by_shards, end->shards, end->key, presence);
}

static void
sharded_depart(struct bus_end *end, struct bus_presence *presence)
{
	(void)end;
	bus_presence_depart(presence);
}

static bool
sharded_announce(struct bus_end *end, struct bus_presence *presence, struct block *payload)
{
	(void)end;
	return bus_presence_announce(presence, payload);
}

static void
sharded_count_present(struct bus_end *end, struct bus_count *query, struct text id)
{
	bus_presence_count(&bus_presence_by_shards, end->shards, end->key, query, id);
}

/* Servers in classic mode subscribe to the requests of the main namespace by SUBSCRIBE. */
static void
sharded_count_strangers(struct bus_end *end, struct bus_count *query)
{
	buffer_reset(&end->channel);
	wire_channel_request(&end->channel, text_from(end->key), TEXT("/"));
	shards_count_other(end->shards, query, buffer_text(&end->channel));
}

/* Servers with the streams adapter subscribe to the channel of the main namespace, most of them by SUBSCRIBE. */
static void
sharded_count_others(struct bus_end *end, struct bus_count *query)
{
	buffer_reset(&end->channel);
	wire_channel_broadcast(&end->channel, text_from(end->key), TEXT("/"), TEXT_NONE);
	shards_count_other(end->shards, query, buffer_text(&end->channel));
}

/* -------------------------------------------------------------------- life */

static int
sharded_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
	const struct bus_form_ops *ops, char error[BUS_ERROR_MAX])
{
	const struct bus_member main_namespace = {.name = TEXT("/")}; /* every node has it */
	struct bus_url server;
	struct bus_options bus_options = {.server = &server,
		.access = &options->access,
		.replicated = true,
		.sharded = true,
		.ordered = options->subscription_mode != BUS_SUBSCRIPTION_STATIC,
		.key = options->key,
		.max_queue = options->max_queue,
		.max_age_ms = options->max_age_ms,
		.settle_ms = options->settle_ms,
		.refresh_ms = options->refresh_ms,
		.max_redirects = options->max_redirects,
		.check_ms = options->check_ms,
		.timeout_ms = options->timeout_ms};
	struct bus_end *end;
	int rc = bus_redis_server(&server, options, error);

	if (rc < 0)
		return rc;
	end = mem_zalloc(sizeof *end);
	end->loop = l;
	end->ops = ops;
	end->mode = options->subscription_mode;
	end->key = mem_text(options->key, strlen(options->key));
	list_init(&end->members);
	buffer_init(&end->channel, CHANNEL_MAX);
	sharded_write_channel(end, &main_namespace, TEXT_NONE);
	bus_options.members = buffer_text(&end->channel);
	end->shards = shards_open(l, &bus_options, &sharded_bus_ops, end);
	end->channels = sharded_channels_new(
		l, end->shards, options->linger_ms > 0 ? options->linger_ms : ROOM_LINGER_MS, &sharded_channels_ops);
	*out = end;
	return 0;
}

static void
sharded_on_closed(void *arg)
{
	struct bus_end *end = arg;
	void (*closed)(void *arg) = end->closed;
	void *closed_arg = end->closed_arg;

	sharded_channels_free(end->channels);
	buffer_fini(&end->channel);
	mem_free(end->key);
	mem_free(end);
	closed(closed_arg);
}

static void
sharded_close(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&end->members));
	end->closed = closed;
	end->closed_arg = arg;
	shards_close(end->shards, flush_ms, sharded_on_closed, end);
}

static bool
sharded_up(const struct bus_end *end)
{
	return shards_up(end->shards);
}

static bool
sharded_flows(const struct bus_end *end)
{
	return shards_flows(end->shards);
}

static void
sharded_stats(const struct bus_end *end, struct bus_stats *out)
{
	shards_stats(end->shards, out);
	out->rooms = sharded_channels_rooms(end->channels);
}

const struct bus_form bus_sharded = {
	.id = BUS_FORM_SHARDED,
	.name = "sharded",
	.strict_channels = true,
	.codec = &wire_sharded,
	.open = sharded_open,
	.close = sharded_close,
	.stats = sharded_stats,
	.subscribe = sharded_subscribe,
	.unsubscribe = sharded_unsubscribe,
	.awaits = sharded_awaits,
	.up = sharded_up,
	.flows = sharded_flows,
	.channel = sharded_channel,
	.publish = sharded_publish,
	.count = sharded_count,
	.room_appeared = sharded_room_appeared,
	.room_empty = sharded_room_empty,
	.wait = sharded_wait,
	.enter = sharded_enter,
	.depart = sharded_depart,
	.announce_channel = bus_presence_channel,
	.announce = sharded_announce,
	.count_present = sharded_count_present,
	.count_strangers = sharded_count_strangers,
	.count_others = sharded_count_others,
};
