/*
 * Hearing and catching up:
 *
 *   behind  reading  what happens
 *   no      no       each message that is heard moves the position on
 *   yes     no       messages that are heard are held: the subscription link was lost, and its successor is made
 *   yes     yes      the log is read from the position, and messages that are heard are held
 *   no      yes      only own messages without an answer are looked for: the command link alone was lost
 *
 * Held messages are limited in bytes. Beyond that they are dropped, because the log has them: reading goes on from
 * where it ended.
 */
#include "broker/bus_log_internal.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define HELD_MAX (4 << 20)     /* bytes of held messages */
#define READING_MAX_MS 30000   /* after this, reading stops; what is missing counts as a gap */
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

static void
log_forget_held(struct bus_log *log)
{
	while (!list_empty(&log->held)) {
		struct held_message *first = container_of(log->held.next, struct held_message, link);

		list_remove(&first->link);
		mem_free(first);
	}
	log->held_bytes = 0;
}

static void
log_forget_rooms(struct bus_log *log)
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
	log_forget_held(log);
	bus_senders_clear(&log->senders);
	log_forget_rooms(log);
}

/* ------------------------------------------------------------------ repeats */

static bool
log_is_own(const struct bus_log *log, struct text sender)
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

/* Returns false if a message that was read from the log had been heard or read before. */
static bool
log_reads_new(struct bus_log *log, const struct bus_stamp *stamp)
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

/* The log has every held message, so they may be dropped to be read from it. */
static void
log_overflow(struct bus_log *log)
{
	log_forget_held(log);
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

/* Everything up to the position has been handled. */
static void
log_reach(struct bus_log *log, struct bus_position position)
{
	log->point.position = position;
	log->point.number = 0;
}

/* Everything before this message has been handled, and it is the next one to be delivered. */
static void
log_reach_message(struct bus_log *log, const struct bus_stamp *stamp)
{
	memcpy(log->point.sender, stamp->sender.at, BUS_SENDER_LENGTH);
	log->point.number = stamp->number;
	log->point.event = stamp->event;
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
	if (!log_is_own(log, stamp->sender) && !log_is_new(log, stamp, prefix, name))
		return false;
	/* the message comes after every position heard so far, its own included */
	log->point.position = log->position;
	log_reach_message(log, stamp);
	return true;
}

bool
bus_log_on_message(struct bus_log *log, bool prefix, struct text name, struct text channel, struct text *message)
{
	struct bus_stamp stamp;

	if (!bus_stamp_take(message, log->sealed, &stamp)) {
		log->point.event = 0;
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
		log_reach(log, log->head);
	}
	return true;
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

/* ------------------------------------------------------------ missed messages */

/* Delivers a message of the log to one subscription, unless the subscription is younger than the message. */
static bool
log_deliver_to(struct bus_log *log, struct bus_position position, const struct bus_record *record, bool prefix,
	struct text name)
{
	struct bus *bus = log->bus;
	struct table_node *node = table_find(prefix ? &bus->prefixes : &bus->channels, name);
	struct bus_subscription *subscription =
		node != NULL ? container_of(node, struct bus_subscription, node) : NULL;

	if (subscription == NULL || position.ms < subscription->since || subscription == &bus->check)
		return false;
	bus_deliver(bus, prefix, name, record->channel, record->message, NULL);
	return true;
}

/*
 * Delivers a message of the log as the server would have. Every prefix of a form ends with "#". A subscription that
 * is not confirmed yet gets the message too, because what the server sends for it later counts as read. If a prefix
 * covers the channel, however, it stands in for an unconfirmed subscription (bus_rooms.c).
 */
static void
log_deliver(struct bus_log *log, struct bus_position position, const struct bus_record *record)
{
	struct table_node *node = table_find(&log->rooms, record->channel);
	const struct bus_subscription *exact = bus_find(log->bus, record->channel);
	bool confirmed = exact != NULL && exact->confirmed, delivered = false;

	if (node != NULL && position.ms < container_of(node, struct log_room, node)->since)
		return;
	if (confirmed)
		delivered = log_deliver_to(log, position, record, false, record->channel);
	for (size_t i = 0; i < record->channel.n && log->bus->state == BUS_CATCHING_UP; i++) {
		if (record->channel.at[i] == '#')
			delivered |= log_deliver_to(log, position, record, true, text_of(record->channel.at, i + 1));
	}
	if (!confirmed && !delivered && log->bus->state == BUS_CATCHING_UP)
		delivered = log_deliver_to(log, position, record, false, record->channel);
	log->bus->stats.log_read += delivered;
}

/* The server has executed this message, whose answer was lost. */
static void
log_found_own(struct bus_log *log, uint64_t number)
{
	for (struct list *at = log->doubtful.next; at != &log->doubtful; at = at->next) {
		struct waiting_publish *publish = container_of(at, struct waiting_publish, link);

		if (publish->number != number)
			continue;
		list_remove(&publish->link);
		bus_log_count_published(log, publish);
		log->bus->stats.log_found++;
		waiting_publish_free(log->bus, publish);
		return;
	}
}

static void
log_gap(struct bus_log *log, const char *why)
{
	char position[BUS_POSITION_TEXT_MAX];

	log->met = true;
	if (log->gap)
		return;
	log->gap = true;
	log->bus->stats.log_gaps++;
	bus_position_write(position, log->position);
	log_event(LOG_WARN, "bus", "warning", LOG_STR("messages may have been missed"), "reason", LOG_STR(why),
		"position", LOG_STR(position), NULL);
}

/* Delivers the messages of an entry. `missed`: the entry comes after everything that was certainly heard. */
static void
log_on_records(struct bus_log *log, struct bus_position position, struct text records, bool missed)
{
	struct bus_record record;
	int n = bus_record_count(records, log->sealed, LOG_BATCH_MAX);

	if (n < 0) {
		log->bus->stats.log_unusable++;
		return;
	}
	log->messages += (unsigned)n;
	while (bus_record_next(&records, log->sealed, &record) > 0 && log->bus->state == BUS_CATCHING_UP) {
		if (missed)
			log_reach_message(log, &record.stamp);
		if (log_is_own(log, record.stamp.sender))
			log_found_own(log, record.stamp.number);
		else if (missed && log_reads_new(log, &record.stamp))
			log_deliver(log, position, &record);
	}
}

static void
log_on_entry(struct bus_log *log, const struct bus_log_entry *entry)
{
	int order = bus_position_compare(entry->position, log->position);
	bool missed = log->behind && order > 0;

	log->met |= order == 0;
	if (missed && !log->met)
		log_gap(log, "the log no longer holds the position, because it was trimmed or lost");
	if (missed)
		log->position = entry->position;
	if (entry->unusable)
		log->bus->stats.log_unusable++;
	log_on_records(log, entry->position, entry->records, missed);
	if (missed)
		log_reach(log, entry->position);
}

static void
log_deliver_held(struct bus_log *log)
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

/* Unanswered messages of this node come after the newest entry, whose position may be lower on another server. */
static void
log_lower_floor(struct bus_log *log)
{
	if (bus_position_compare(log->floor, log->head) > 0)
		log->floor = log->head;
}

/* The doubtful messages that are not in the log were not executed, and no older connection will execute them. */
static void
log_send_missing_again(struct bus_log *log)
{
	for (struct list *at = log->doubtful.next; at != &log->doubtful; at = at->next) {
		struct waiting_publish *publish = container_of(at, struct waiting_publish, link);

		if (log->renumber)
			publish->number = 0;
		log->bus->stats.log_resent++;
	}
	log->renumber = false;
	log_lower_floor(log);
	bus_wait_again(log->bus, &log->doubtful);
}

static void
log_caught_up(struct bus_log *log)
{
	struct bus *bus = log->bus;

	log->reading = false;
	if (log->behind) {
		log_event(LOG_INFO, "bus", "state", LOG_STR("caught up"), "entries", LOG_INT(log->entries), NULL);
		log->behind = false;
		log_deliver_held(log);
		log_forget_rooms(log);
	}
	if (bus->state != BUS_CATCHING_UP)
		return;
	log_send_missing_again(log);
	bus_came_up(bus);
}

/* The newest entry has been read. */
static void
log_on_end(struct bus_log *log)
{
	if (log->behind && !log->met) {
		log_gap(log, "the log ends before the position, because it was emptied or its end was lost");
		log->position = log->entries > 0 ? log->from : log->head;
		log_reach(log, log->position);
	}
	log_caught_up(log);
}

/*
 * The deadline has passed. Every message newer than the last check message has been heard, and is held unless held
 * messages were dropped.
 */
static void
log_stop_reading(struct bus_log *log)
{
	bool passed = bus_position_compare(log->from, log->head) >= 0;

	if (log->behind) {
		if (!passed || log->overflowed)
			log_gap(log, "reading the log took too long");
		log->position = passed ? log->from : log->head;
		log_reach(log, log->position);
	}
	log_caught_up(log);
}

/* Returns the number of entries that hold about LOG_READ_MESSAGES messages if they are like the last ones. */
static unsigned
log_choose_read_count(uint64_t entries, unsigned messages)
{
	uint64_t n = messages > 0 ? LOG_READ_MESSAGES * entries / messages : LOG_READ_MESSAGES;

	if (n > LOG_READ_MESSAGES)
		return LOG_READ_MESSAGES;
	return n < LOG_READ_MESSAGES / LOG_BATCH_MAX ? LOG_READ_MESSAGES / LOG_BATCH_MAX : (unsigned)n;
}

bool
bus_log_on_read(struct bus_log *log, struct text answer)
{
	struct bus *bus = log->bus;
	uint64_t before = log->entries;
	struct bus_record_head head;
	struct bus_log_entry entry;
	int rc = bus_record_read_head(&answer, &head);

	if (!log->reading || bus->state != BUS_CATCHING_UP)
		return true;
	if (rc == 0 && head.found)
		log->met |= bus_position_compare(log->from, log->position) == 0;
	else if (rc == 0 && log->entries > 0 && log->behind)
		log_gap(log, "the log was trimmed while it was read");
	log->messages = 0;
	while (rc == 0 && (rc = bus_record_next_entry(&answer, &entry)) > 0) {
		rc = bus_position_compare(entry.position, log->from) > 0 ? 0 : ERROR_SYNTAX;
		if (rc < 0)
			break;
		log->from = entry.position;
		log->entries++;
		log_on_entry(log, &entry);
		if (bus->state != BUS_CATCHING_UP)
			return false;
	}
	if (rc < 0) {
		bus_lost(bus, "malformed answer of the script that reads the log", true);
		return false;
	}
	log->read_count = log_choose_read_count(log->entries - before, log->messages);
	if (head.more && bus->loop->now >= log->deadline) {
		log_stop_reading(log);
	} else if (head.more || log->overflowed) {
		log->overflowed = false;
		bus_log_send_read(log);
	} else {
		log_on_end(log);
	}
	return bus->state != BUS_CLOSING;
}

/* ------------------------------------------------------------- coming back */

void
bus_log_subscriptions_lost(struct bus_log *log)
{
	log->behind = log->known;
	log->reading = false;
	log->overflowed = false;
	log->heard.number = 0;
	log->waits = false;
	log_forget_held(log);
}

/* Without a log there is nothing to read, and it stays unknown which messages the server has executed. */
static void
log_do_without(struct bus_log *log)
{
	bus_log_write_off(log);
	log->gap = false;
	if (log->behind)
		log_gap(log, "the server keeps no log");
	log->known = log->behind = false;
	log_deliver_held(log);
	log_forget_rooms(log);
}

/* Returns false if there is nothing to catch up with. */
static bool
log_begin_reading(struct bus_log *log)
{
	if (!log->behind && list_empty(&log->doubtful)) {
		log_lower_floor(log);
		log->position = log->head;
		log_reach(log, log->head);
		log->known = true;
		return false;
	}
	log->reading = true;
	log->overflowed = false;
	log->met = log->gap = false;
	log->entries = 0;
	log->read_count = LOG_READ_MESSAGES / LOG_BATCH_MAX;
	log->deadline = log->bus->loop->now + READING_MAX_MS;
	log->from = log->behind ? log->position : log->floor;
	if (!list_empty(&log->doubtful)) {
		if (bus_position_compare(log->floor, log->from) < 0)
			log->from = log->floor;
		bus_log_end_old_connection(log);
	}
	bus_log_send_read(log);
	return true;
}

bool
bus_log_catch_up(struct bus_log *log)
{
	if (!log->active) {
		log_do_without(log);
		return false;
	}
	log->waits = !log->answered;
	if (!log->waits)
		return log_begin_reading(log);
	loop_arm(log->bus->loop, &log->bus->timer, log->bus->timeout_ms);
	return true;
}

bool
bus_log_on_introduced(struct bus_log *log)
{
	struct bus *bus = log->bus;

	log->answered = true;
	if (!log->waits)
		return true;
	log->waits = false;
	if (!bus_log_catch_up(log))
		bus_came_up(bus);
	return bus->state != BUS_CLOSING;
}
