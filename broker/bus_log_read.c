/*
 * Hearing and catching up:
 *
 *   behind  reading  what happens
 *   no      no       each message that is heard moves the position on
 *   yes     no       messages that are heard are held: the subscription link was lost, and its successor is made
 *   yes     yes      the log is read from the position, and messages that are heard are held
 *   no      yes      only own messages without an answer are looked for: the command link alone was lost
 *
 * bus_log_hear.c has the messages that are heard.
 */
#include "broker/bus_log_internal.h"

#include "common/base/error.h"

#define READING_MAX_MS 30000 /* after this, reading stops; what is missing counts as a gap */

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
	const struct bus_subscription *exact = bus_find(log->bus, record->channel);
	bool confirmed = exact != NULL && exact->confirmed, delivered = false;

	if (position.ms < bus_log_room_since(log, record->channel))
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
			bus_log_reach_message(log, &record.stamp);
		if (bus_log_is_own(log, record.stamp.sender))
			log_found_own(log, record.stamp.number);
		else if (missed && bus_log_reads_new(log, &record.stamp))
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
		bus_log_reach(log, entry->position);
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
		bus_log_deliver_held(log);
		bus_log_forget_rooms(log);
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
		bus_log_reach(log, log->position);
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
		bus_log_reach(log, log->position);
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
	bus_log_forget_held(log);
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
	bus_log_deliver_held(log);
	bus_log_forget_rooms(log);
}

/* Returns false if there is nothing to catch up with. */
static bool
log_begin_reading(struct bus_log *log)
{
	if (!log->behind && list_empty(&log->doubtful)) {
		log_lower_floor(log);
		log->position = log->head;
		bus_log_reach(log, log->head);
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
