/*
 * Messages that are heard while the node is up move its position on. While it is behind, they are held, because they
 * must be delivered after the missed ones, which bus_log_read.c reads. Held messages are limited in bytes. Beyond
 * that they are dropped, because the log has them: reading goes on from where it ended.
 */
#include "broker/bus_log_internal.h"

#include <string.h>

#include "common/base/mem.h"

#define HELD_MAX (4 << 20)     /* bytes of held messages */
#define ROOMS_MAX 65536	       /* rooms that appeared while behind; further ones may get older messages */
#define CLOCK_LAG_MAX_US 50000 /* a check message that took longer does not set the clock */

/* A message that was heard while behind. */
struct held_message {
	struct list link;
	struct bus_position position; /* of the stamp */
	uint64_t number, event;
	char sender[BUS_SENDER_LENGTH];
	size_t prefix_n; /* length of the prefix that the subscription has; 0: it has the whole channel */
	size_t channel_n, message_n;
	char bytes[]; /* channel, message */
};

struct log_room {
	struct table_node node;
	uint64_t since; /* time of the server in ms */
	char channel[];
};

/* ------------------------------------------------------------------ memory */

void
bus_log_forget_held(struct bus_log *log)
{
	while (!list_empty(&log->held)) {
		struct held_message *first = container_of(log->held.next, struct held_message, link);

		list_remove(&first->link);
		mem_free(first);
	}
	log->held_bytes = 0;
}

void
bus_log_forget_rooms(struct bus_log *log)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&log->rooms, &cursor)) != NULL)
		mem_free(container_of(node, struct log_room, node));
	table_fini(&log->rooms);
	table_init(&log->rooms);
}

void
bus_log_forget(struct bus_log *log)
{
	bus_log_forget_held(log);
	bus_senders_clear(&log->senders);
	bus_log_forget_rooms(log);
}

/* ------------------------------------------------------------------ repeats */

bool
bus_log_is_own(const struct bus_log *log, struct text sender)
{
	return text_is(sender, text_of(log->sender, BUS_SENDER_LENGTH));
}

/*
 * The server sends a message once for each subscription that its channel matches, one directly after the other, and
 * these copies have the same bytes. A message that its sender has sent again has a new stamp.
 */
static bool
log_is_copy(struct bus_log *log, const struct bus_stamp *stamp, bool prefix, struct text name)
{
	struct log_heard before = log->heard;

	memcpy(log->heard.sender, stamp->sender.at, BUS_SENDER_LENGTH);
	log->heard.number = stamp->number;
	log->heard.position = stamp->position;
	log->heard.prefix = prefix;
	log->heard.name_n = name.n;
	return before.number == stamp->number && bus_position_compare(before.position, stamp->position) == 0 &&
	       text_is(stamp->sender, text_of(before.sender, BUS_SENDER_LENGTH)) &&
	       (before.prefix != prefix || before.name_n != name.n);
}

/* Returns false if the message was heard or read before. */
static bool
log_is_new(struct bus_log *log, const struct bus_stamp *stamp, bool prefix, struct text name)
{
	struct bus_sender *sender = bus_senders_get(&log->senders, stamp->sender);
	bool copy = log_is_copy(log, stamp, prefix, name);

	if (stamp->number <= sender->at)
		return false; /* the subscription link is slower than the reading */
	if (stamp->number < sender->number || (stamp->number == sender->number && !copy)) {
		log->bus->stats.log_repeats++;
		log->heard.number = 0; /* its copies are repeats, too */
		return false;
	}
	sender->number = stamp->number;
	return true;
}

bool
bus_log_reads_new(struct bus_log *log, const struct bus_stamp *stamp)
{
	struct bus_sender *sender = bus_senders_get(&log->senders, stamp->sender);
	bool new = stamp->number > sender->number;

	if (stamp->number > sender->at)
		sender->at = stamp->number;
	if (new)
		sender->number = stamp->number;
	return new;
}

/* ----------------------------------------------------------------- hearing */

/* Drops all held messages. The log has each of them, so bus_log_read.c reads them there. */
static void
log_overflow(struct bus_log *log)
{
	bus_log_forget_held(log);
	log->overflowed = true;
	log->bus->stats.log_overflows++;
}

static void
log_hold(
	struct bus_log *log, const struct bus_stamp *stamp, size_t prefix_n, struct text channel, struct text message)
{
	size_t size = sizeof(struct held_message) + channel.n + message.n;
	struct held_message *held;

	if (log->overflowed)
		return;
	held = log->held_bytes + size <= HELD_MAX ? mem_try_alloc(size) : NULL;
	if (held == NULL) {
		log_overflow(log);
		return;
	}
	held->position = stamp->position;
	held->number = stamp->number;
	held->event = stamp->event;
	memcpy(held->sender, stamp->sender.at, BUS_SENDER_LENGTH);
	held->prefix_n = prefix_n;
	held->channel_n = channel.n;
	held->message_n = message.n;
	memcpy(held->bytes, channel.at, channel.n);
	memcpy(held->bytes + channel.n, message.at, message.n);
	list_add_tail(&log->held, &held->link);
	log->held_bytes += size;
}

void
bus_log_reach(struct bus_log *log, struct bus_position position)
{
	log->point.position = position;
	log->point.number = 0;
}

void
bus_log_reach_message(struct bus_log *log, const struct bus_stamp *stamp)
{
	memcpy(log->point.sender, stamp->sender.at, BUS_SENDER_LENGTH);
	log->point.number = stamp->number;
	log->point.event = stamp->event;
	log->point.recorded = true;
}

/*
 * All messages up to the position of the stamp have been heard before. A false position is corrected by the next
 * check message, and this node does not pass it on.
 */
static bool
log_hears(struct bus_log *log, const struct bus_stamp *stamp, bool prefix, struct text name)
{
	if (!log->known || bus_position_compare(stamp->position, log->position) > 0)
		log->position = stamp->position;
	log->known = true;
	log->point.event = 0;
	if (!bus_log_is_own(log, stamp->sender) && !log_is_new(log, stamp, prefix, name))
		return false;
	/* the message comes after every position heard so far, its own included */
	log->point.position = log->position;
	bus_log_reach_message(log, stamp);
	return true;
}

bool
bus_log_on_message(struct bus_log *log, bool prefix, struct text name, struct text channel, struct text *message)
{
	struct bus_stamp stamp;

	if (!bus_stamp_take(message, log->sealed, &stamp)) {
		log->point.event = 0;
		log->point.recorded = false;
		return true;
	}
	if (!log->behind)
		return log_hears(log, &stamp, prefix, name);
	log_hold(log, &stamp, prefix ? name.n : 0, channel, *message);
	return false;
}

/* Reads the server's time and the newest position, which follow the nonce (see the script). */
static bool
log_read_check(struct text rest, uint64_t *ms, struct bus_position *head)
{
	struct text part;
	uint64_t seconds, micros;

	if (!text_cut(&rest, ' ', &part) || part.n > 0)
		return false;
	if (!text_cut(&rest, ' ', &part) || text_number(part, UINT64_MAX / 2000, &seconds) < 0)
		return false;
	if (!text_cut(&rest, ' ', &part) || text_number(part, 999999, &micros) < 0)
		return false;
	*ms = seconds * 1000 + micros / 1000;
	return bus_position_parse(rest, head);
}

bool
bus_log_on_check(struct bus_log *log, struct text message, struct text nonce)
{
	struct bus *bus = log->bus;
	uint64_t ms;

	if (!text_starts(message, nonce) ||
		!log_read_check(text_of(message.at + nonce.n, message.n - nonce.n), &ms, &log->head))
		return false;
	if (!log->clock_known || bus->loop->now - log->check_sent <= CLOCK_LAG_MAX_US / 1000) {
		log->clock_ahead = (int64_t)(ms - log->check_sent);
		log->clock_known = true;
	}
	if (bus->state == BUS_UP) { /* all that came before has been heard */
		log->position = log->head;
		bus_log_reach(log, log->head);
	}
	return true;
}

void
bus_log_deliver_held(struct bus_log *log)
{
	struct bus *bus = log->bus;
	struct list held;

	list_init(&held);
	list_move_all(&held, &log->held);
	log->held_bytes = 0;
	while (!list_empty(&held)) {
		struct held_message *first = container_of(held.next, struct held_message, link);
		struct bus_stamp stamp = {.position = first->position,
			.number = first->number,
			.event = first->event,
			.sender = text_of(first->sender, BUS_SENDER_LENGTH)};
		struct text channel = text_of(first->bytes, first->channel_n);
		struct text name = first->prefix_n > 0 ? text_of(channel.at, first->prefix_n) : channel;

		list_remove(&first->link);
		if (bus->state != BUS_CLOSING && log_hears(log, &stamp, first->prefix_n > 0, name))
			bus_deliver(bus, first->prefix_n > 0, name, channel,
				text_of(first->bytes + first->channel_n, first->message_n), NULL);
		mem_free(first);
	}
}

/* ------------------------------------------------------- joins while behind */

bool
bus_log_is_behind(const struct bus_log *log)
{
	return log->behind;
}

uint64_t
bus_log_since(const struct bus_log *log)
{
	/* plus 1: messages of this very millisecond may have been published before */
	return log->clock_known ? (uint64_t)((int64_t)log->bus->loop->now + log->clock_ahead) + 1 : 0;
}

void
bus_log_room_appeared(struct bus_log *log, struct text channel)
{
	struct log_room *room;

	if (!log->behind || log->rooms.count >= ROOMS_MAX || table_find(&log->rooms, channel) != NULL)
		return;
	room = mem_try_alloc(sizeof *room + channel.n);
	if (room == NULL) {
		loop_count_no_memory(log->bus->loop);
		return;
	}
	room->since = bus_log_since(log);
	memcpy(room->channel, channel.at, channel.n);
	table_add(&log->rooms, &room->node, text_of(room->channel, channel.n));
}

void
bus_log_room_empty(struct bus_log *log, struct text channel)
{
	struct table_node *node = table_find(&log->rooms, channel);

	if (node == NULL)
		return;
	table_remove(&log->rooms, node);
	mem_free(container_of(node, struct log_room, node));
}

uint64_t
bus_log_room_since(const struct bus_log *log, struct text channel)
{
	struct table_node *node = table_find(&log->rooms, channel);

	return node != NULL ? container_of(node, struct log_room, node)->since : 0;
}
