#include "broker/bus_rooms.h"

#include <string.h>

#include "broker/wire.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"

struct room_channel {
	struct bus_subscription subscription;
	struct list link;	   /* in bus_rooms_member.channels */
	struct list lingering;	   /* in bus_rooms.lingering while the room is empty */
	uint64_t empty_since : 63; /* loop time */
	uint64_t own : 1;	   /* the own room of a socket */
	struct bus_rooms_member *member;
	char name[];
};

struct bus_rooms {
	struct loop *loop;
	struct bus *bus;
	const struct bus_rooms_ops *ops;
	unsigned count, max; /* room channels */
	unsigned patterns;   /* members that subscribe to their pattern */
	bool patterns_work;  /* the server has confirmed a pattern */
	bool no_patterns;    /* the server refuses patterns */
	uint64_t linger_ms;
	struct list lingering; /* struct room_channel, the one that became empty first comes first */
	struct wheel_entry timer;
};

/* --------------------------------------------------------------- messages */

static void
rooms_on_channel_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	const struct room_channel *room = container_of(subscription, struct room_channel, subscription);
	const struct bus_rooms_member *member = room->member;
	struct text name;

	if (wire_channel_room(member->main_channel->name, channel, &name))
		member->rooms->ops->on_message(member->owner, name, channel, payload);
}

/* Returns the room channel of that name, or NULL: the subscription of that name may be another kind of channel. */
static struct room_channel *
rooms_find(const struct bus_rooms *rooms, struct text channel)
{
	struct bus_subscription *found = bus_find(rooms->bus, channel);

	if (found == NULL || found->on_message != rooms_on_channel_message)
		return NULL;
	return container_of(found, struct room_channel, subscription);
}

static bool
rooms_comes_by_channel(const struct bus_rooms_member *member, struct text channel)
{
	const struct room_channel *room;

	if (text_is(channel, member->main_channel->name))
		return member->main_channel->confirmed;
	room = rooms_find(member->rooms, channel);
	return room != NULL && room->member == member && room->subscription.confirmed;
}

static void
rooms_on_pattern_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	const struct bus_rooms_member *member = container_of(subscription, struct bus_rooms_member, pattern);
	struct text name;

	if (!rooms_comes_by_channel(member, channel) && wire_channel_room(subscription->name, channel, &name))
		member->rooms->ops->on_message(member->owner, name, channel, payload);
}

/* --------------------------------------------------------------- channels */

static void
rooms_unsubscribe(struct room_channel *room)
{
	struct bus_rooms *rooms = room->member->rooms;

	bus_unsubscribe(rooms->bus, &room->subscription);
	list_remove(&room->link);
	list_remove(&room->lingering);
	rooms->count--;
	mem_free(room);
}

/* The pattern covers the rooms beyond the limit, which had channels of their own until now. */
static void
rooms_on_pattern_confirmed(struct bus_subscription *subscription)
{
	struct bus_rooms_member *member = container_of(subscription, struct bus_rooms_member, pattern);
	struct bus_rooms *rooms = member->rooms;

	rooms->patterns_work = true;
	subscription->on_refused = NULL;
	while (rooms->count > rooms->max && !list_empty(&member->channels))
		rooms_unsubscribe(container_of(member->channels.prev, struct room_channel, link));
}

/*
 * The server does not know PSUBSCRIBE or does not allow it. Every room then has a channel of its own, beyond the
 * limit too.
 */
static void
rooms_on_pattern_refused(struct bus_subscription *subscription, struct text error, const char *why)
{
	struct bus_rooms_member *member = container_of(subscription, struct bus_rooms_member, pattern);

	(void)error;
	member->rooms->no_patterns = true;
	log_event(LOG_WARN, "routing", "warning",
		LOG_STR("the server refuses patterns: the worker subscribes to each room, beyond redisRoutingMax "
			"too"),
		"reason", LOG_STR(why), NULL);
	bus_unsubscribe(member->rooms->bus, &member->pattern);
	member->subscribed_to_pattern = false;
	member->rooms->patterns--;
}

/*
 * Until the server has confirmed a first pattern, it may refuse patterns. A refusal after that takes the bus down, as
 * the rooms that only a pattern covers are not known here.
 */
static void
rooms_use_pattern(struct bus_rooms_member *member, const char *why)
{
	struct bus_rooms *rooms = member->rooms;

	if (member->subscribed_to_pattern || rooms->no_patterns)
		return;
	member->subscribed_to_pattern = true;
	member->pattern = (struct bus_subscription){.name = member->main_channel->name,
		.prefix = true,
		.on_message = rooms_on_pattern_message,
		.on_confirmed = rooms_on_pattern_confirmed,
		.on_refused = rooms->patterns_work ? NULL : rooms_on_pattern_refused};
	rooms->patterns++;
	log_event(LOG_WARN, "routing", "pattern", LOG_TEXT(member->main_channel->name), "reason", LOG_STR(why), NULL);
	bus_subscribe(rooms->bus, &member->pattern);
}

/* Makes room for one more channel if the limit is reached. */
static bool
rooms_have_place(struct bus_rooms *rooms)
{
	if (rooms->count >= rooms->max && !list_empty(&rooms->lingering))
		rooms_unsubscribe(container_of(rooms->lingering.next, struct room_channel, lingering));
	return rooms->count < rooms->max;
}

void
bus_rooms_appeared(struct bus_rooms_member *member, struct text channel, bool own)
{
	struct bus_rooms *rooms = member->rooms;
	struct room_channel *room = rooms_find(rooms, channel);

	if (room != NULL && room->member == member) {
		list_remove(&room->lingering);
		return;
	}
	if (member->subscribed_to_pattern && rooms->patterns_work)
		return;
	if (bus_find(rooms->bus, channel) != NULL) {
		rooms_use_pattern(member, "another namespace uses the name of a room's channel");
		return;
	}
	if (!rooms_have_place(rooms)) {
		rooms_use_pattern(member, "redisRoutingMax rooms are subscribed to");
		if (rooms->patterns_work)
			return;
	}
	room = mem_try_alloc(sizeof *room + channel.n); /* clients choose names and number of rooms */
	if (room == NULL) {
		loop_count_no_memory(rooms->loop);
		rooms_use_pattern(member, "out of memory");
		return;
	}
	memset(room, 0, sizeof *room);
	memcpy(room->name, channel.at, channel.n);
	room->member = member;
	room->own = own;
	room->subscription.name = text_of(room->name, channel.n);
	room->subscription.on_message = rooms_on_channel_message;
	list_add_tail(&member->channels, &room->link);
	list_init(&room->lingering);
	rooms->count++;
	bus_subscribe(rooms->bus, &room->subscription);
}

void
bus_rooms_empty(struct bus_rooms_member *member, struct text channel)
{
	struct bus_rooms *rooms = member->rooms;
	struct room_channel *room = rooms_find(rooms, channel);

	if (room == NULL || room->member != member || !list_empty(&room->lingering))
		return;
	if (room->own) {
		rooms_unsubscribe(room);
		return;
	}
	room->empty_since = rooms->loop->now & INT64_MAX;
	if (list_empty(&rooms->lingering))
		loop_arm(rooms->loop, &rooms->timer, rooms->linger_ms);
	list_add_tail(&rooms->lingering, &room->lingering);
}

static void
rooms_on_timer(struct wheel_entry *entry)
{
	struct bus_rooms *rooms = container_of(entry, struct bus_rooms, timer);

	while (!list_empty(&rooms->lingering)) {
		struct room_channel *room = container_of(rooms->lingering.next, struct room_channel, lingering);
		uint64_t gone = room->empty_since + rooms->linger_ms;

		if (gone > rooms->loop->now) {
			loop_arm(rooms->loop, &rooms->timer, gone - rooms->loop->now);
			return;
		}
		rooms_unsubscribe(room);
	}
}

/* ------------------------------------------------------------------- life */

bool
bus_rooms_add(struct bus_rooms *rooms, struct bus_rooms_member *member, const struct bus_subscription *main_channel,
	void *owner)
{
	*member = (struct bus_rooms_member){.rooms = rooms, .main_channel = main_channel, .owner = owner};
	list_init(&member->channels);
	if (bus_find(rooms->bus, main_channel->name) == NULL)
		return true;
	rooms_use_pattern(member, "another namespace has a room whose channel has the same name");
	return false;
}

void
bus_rooms_remove(struct bus_rooms_member *member)
{
	struct bus_rooms *rooms = member->rooms;

	while (!list_empty(&member->channels))
		rooms_unsubscribe(container_of(member->channels.next, struct room_channel, link));
	if (member->subscribed_to_pattern) {
		bus_unsubscribe(rooms->bus, &member->pattern);
		rooms->patterns--;
	}
}

struct bus_rooms *
bus_rooms_new(struct loop *l, struct bus *bus, unsigned max, uint64_t linger_ms, const struct bus_rooms_ops *ops)
{
	struct bus_rooms *rooms = mem_zalloc(sizeof *rooms);

	rooms->loop = l;
	rooms->bus = bus;
	rooms->max = max;
	rooms->linger_ms = linger_ms;
	rooms->ops = ops;
	list_init(&rooms->lingering);
	wheel_entry_init(&rooms->timer, rooms_on_timer);
	return rooms;
}

void
bus_rooms_free(struct bus_rooms *rooms)
{
	if (rooms == NULL)
		return;
	must(rooms->count == 0 && rooms->patterns == 0);
	loop_disarm(rooms->loop, &rooms->timer);
	mem_free(rooms);
}

void
bus_rooms_stats(const struct bus_rooms *rooms, struct bus_stats *out)
{
	out->rooms = rooms->count;
	out->patterns = rooms->patterns;
}
