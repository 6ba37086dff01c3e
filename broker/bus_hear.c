/*
 * Subscriptions that the server has not confirmed yet, and what waits for them: callers of bus_wait(), and publishes
 * of an ordered bus. Each subscription that is sent to a connected server gets a ticket. Subscriptions are confirmed
 * in the order of their tickets, so one number tells which have been confirmed.
 *
 *   event                                       tickets that count as heard
 *   a subscription is confirmed or ends         all before the oldest one that is not confirmed
 *   a subscription is not confirmed for half    all; bus_stats.unheard counts it
 *   of `timeout_ms` to all of it
 *   the queue of publishes is full              all; bus_stats.unheard counts it
 *   the subscription link is lost               all
 */
#include "broker/bus_internal.h"
#include "common/base/must.h"

/* Tickets wrap around, and far less than half of their range is in use at a time. */
static bool
ticket_is_after(uint32_t ticket, uint32_t other)
{
	return (int32_t)(ticket - other) > 0;
}

bool
bus_has_heard(const struct bus *bus, uint32_t ticket)
{
	return !ticket_is_after(ticket, bus->heard);
}

void
bus_hear_ask(struct bus *bus, struct bus_subscription *subscription)
{
	subscription->ticket = ++bus->asked;
	if (wheel_armed(&bus->hear_timer))
		return;
	bus->expected_heard = bus->asked;
	loop_arm(bus->loop, &bus->hear_timer, bus->timeout_ms / 2);
}

/* Returns the ticket before that of the oldest unconfirmed subscription. */
static uint32_t
bus_confirmed_ticket(const struct bus *bus)
{
	const struct list *oldest = list_empty(&bus->unconfirmed) ? bus->unsent.next : bus->unconfirmed.next;

	return oldest == &bus->unsent ? bus->asked : container_of(oldest, struct bus_subscription, link)->ticket - 1;
}

void
bus_hear_update(struct bus *bus)
{
	uint32_t ticket = bus_confirmed_ticket(bus);

	if (ticket_is_after(ticket, bus->heard))
		bus->heard = ticket;
	if (bus->state == BUS_UP)
		bus_send_waiting(bus);
	while (!list_empty(&bus->waits)) {
		struct bus_wait *wait = container_of(bus->waits.next, struct bus_wait, link);

		if (!bus_has_heard(bus, wait->ticket))
			break;
		list_remove(&wait->link);
		wait->over(wait);
	}
}

void
bus_hear_all(struct bus *bus)
{
	bus->heard = bus->asked;
	loop_defer(bus->loop, &bus->call);
}

void
bus_hear_give_up(struct bus *bus, const char *why)
{
	if (bus->stats.unheard++ == 0 || log_allow(&bus->log_limit, 1, bus->loop->now))
		log_event(LOG_WARN, "routing", "warning",
			LOG_STR("Redis has not confirmed new rooms; messages of other nodes to these rooms may be "
				"missed"),
			"reason", LOG_STR(why), NULL);
	bus_hear_all(bus);
}

static void
bus_on_hear_timer(struct wheel_entry *entry)
{
	struct bus *bus = container_of(entry, struct bus, hear_timer);

	if (bus->heard == bus->asked)
		return;
	if (!bus_has_heard(bus, bus->expected_heard))
		bus_hear_give_up(bus, "timed out");
	bus->expected_heard = bus->asked;
	loop_arm(bus->loop, &bus->hear_timer, bus->timeout_ms / 2);
}

bool
bus_wait(struct bus *bus, struct bus_wait *wait)
{
	if (bus->heard == bus->asked || bus->state == BUS_CLOSING)
		return false;
	if (wait == NULL)
		return true;
	wait->ticket = bus->asked;
	list_remove(&wait->link);
	list_add_tail(&bus->waits, &wait->link);
	return true;
}

void
bus_hear_init(struct bus *bus)
{
	list_init(&bus->waits);
	wheel_entry_init(&bus->hear_timer, bus_on_hear_timer);
}

void
bus_hear_fini(struct bus *bus)
{
	must(list_empty(&bus->waits));
	loop_disarm(bus->loop, &bus->hear_timer);
}
