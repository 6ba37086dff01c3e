/*
 * After an outage, a node waits for the others before it publishes.
 *
 * All nodes lose the server at the same moment and reconnect one after the other. Whatever the first node publishes
 * before the others have subscribed again is lost, and the server does not report it. Each node therefore remembers
 * how many nodes were subscribed while the bus was up. After an outage it holds its queue until as many nodes are
 * back, or until settle_ms have passed. Messages sent then are counted as missed. If the server refuses to count, the
 * node always waits settle_ms, in which the other nodes reconnect.
 */
#include "broker/bus_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#define ASK_AGAIN_MS 50

static void
settle_ask(struct bus *bus)
{
	if (bus->members_channel != NULL && bus->members_count.slot == NULL && list_empty(&bus->members_count.link))
		bus_count(bus, &bus->members_count, text_from(bus->members_channel));
}

static uint64_t
settle_count_waiting(const struct bus *bus)
{
	uint64_t n = 0;

	for (const struct list *at = bus->waiting.next; at != &bus->waiting; at = at->next)
		n++;
	return n;
}

static void
settle_release(struct bus *bus)
{
	bus->holding = false;
	loop_disarm(bus->loop, &bus->settle_timer);
	bus_send_waiting(bus);
}

static void
settle_give_up(struct bus *bus, int64_t count)
{
	uint64_t messages = settle_count_waiting(bus);

	bus->stats.missed += messages;
	log_event(LOG_WARN, "bus", "warning", LOG_STR("fewer nodes are back than there were before the outage"),
		"nodes", LOG_INT(count), "before", LOG_INT(bus->members), "messages", LOG_INT(messages), NULL);
	if (count >= 0)
		bus->members = count;
	settle_release(bus);
}

static void
settle_on_count(struct bus_count *query, int64_t count)
{
	struct bus *bus = container_of(query, struct bus, members_count);

	if (count == ERROR_UNSUPPORTED && bus->holding && bus->loop->now < bus->settle_until) {
		loop_arm(bus->loop, &bus->settle_timer, bus->settle_until - bus->loop->now);
	} else if (count == ERROR_UNSUPPORTED) {
		settle_release(bus);
	} else if (!bus->holding) {
		bus->members = count >= 0 ? count : bus->members; /* otherwise one member of the cluster is away */
	} else if (count >= bus->members) {
		bus->members = count;
		settle_release(bus);
	} else if (bus->loop->now >= bus->settle_until) {
		settle_give_up(bus, count);
	} else {
		loop_arm(bus->loop, &bus->settle_timer, ASK_AGAIN_MS);
	}
}

static void
settle_on_timer(struct wheel_entry *entry)
{
	settle_ask(container_of(entry, struct bus, settle_timer));
}

void
bus_settle_set_channel(struct bus *bus, struct text channel)
{
	bus_count_cancel(&bus->members_count);
	mem_free(bus->members_channel);
	bus->members_channel = channel.n > 0 && bus->settle_ms > 0 ? mem_text(channel.at, channel.n) : NULL;
	if (bus->holding)
		settle_ask(bus);
}

void
bus_settle_init(struct bus *bus, uint64_t settle_ms, struct text channel)
{
	bus->settle_ms = settle_ms;
	bus_count_init(&bus->members_count, settle_on_count);
	bus_settle_set_channel(bus, channel);
	wheel_entry_init(&bus->settle_timer, settle_on_timer);
}

void
bus_settle_fini(struct bus *bus)
{
	bus_settle_stop(bus);
	mem_free(bus->members_channel);
}

void
bus_settle_begin(struct bus *bus)
{
	bus->holding = bus->members_channel != NULL && (bus->members > 1 || bus->uncounted);
	bus->settle_until = bus->loop->now + bus->settle_ms;
	settle_ask(bus);
}

void
bus_settle_measure(struct bus *bus)
{
	if (!bus->holding)
		settle_ask(bus);
}

void
bus_settle_stop(struct bus *bus)
{
	bus->holding = false;
	loop_disarm(bus->loop, &bus->settle_timer);
	bus_count_cancel(&bus->members_count);
}
