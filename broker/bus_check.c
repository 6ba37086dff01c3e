/*
 * The check message: the bus publishes it on a channel of its own and waits until it comes back. That proves both
 * links and measures the lag.
 */
#include <stdio.h>

#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "common/base/mem.h"
#include "common/base/random.h"

#define EXTENSIONS_MAX 6 /* maximum extensions of a check message's deadline: half a minute in all */

static void
bus_arm_check(struct bus *bus)
{
	bus->read_before = bus->subscriptions.read;
	bus->answers_before = bus->commands.read;
	bus->queued = conn_queued(bus->commands.conn);
	bus->check_due = bus->loop->now + bus->timeout_ms;
	loop_arm(bus->loop, &bus->timer, bus->timeout_ms);
}

/*
 * Decides whether to extend the deadline of a check message. The message may wait behind large ones while bytes still
 * move, or it may be unread because this process was kept from its loop. Giving up the connections would then lose
 * the messages in transit. Answers to publishes, however, prove nothing about a subscription link that no longer
 * delivers.
 */
static bool
bus_check_may_come(const struct bus *bus)
{
	bool sending = bus->answered_publishes < bus->check_number;
	bool moved = bus->subscriptions.read != bus->read_before ||
		     (sending && (bus->commands.read != bus->answers_before ||
					 conn_queued(bus->commands.conn) < bus->queued));
	bool kept_away = bus->loop->now > bus->check_due + bus->timeout_ms / 4;

	return bus->extensions < EXTENSIONS_MAX && (moved || kept_away);
}

void
bus_send_check(struct bus *bus)
{
	struct block *nonce;

	random_id(bus->nonce, BUS_NONCE_LENGTH);
	if (bus->log != NULL && bus_log_active(bus->log)) {
		bus_log_send_check(bus->log, text_of(bus->nonce, BUS_NONCE_LENGTH));
	} else {
		nonce = block_copy(bus->nonce, BUS_NONCE_LENGTH);
		bus_send_publish(bus, bus->check.name, nonce);
		block_unref(nonce);
	}
	bus->check_number = bus->sent_publishes;
	if (bus->replicated && bus->state == BUS_UP)
		bus_send_role(bus);
	clock_gettime(CLOCK_MONOTONIC, &bus->checked);
	bus->checking = true;
	bus->extensions = 0;
	bus_arm_check(bus);
}

void
bus_arm_next_check(struct bus *bus)
{
	loop_arm(bus->loop, &bus->timer, bus->keep_alive_ms < bus->check_ms ? bus->keep_alive_ms : bus->check_ms);
}

static bool
bus_is_check_message(struct bus *bus, struct text payload)
{
	struct text nonce = text_of(bus->nonce, BUS_NONCE_LENGTH);

	if (bus->log != NULL && bus_log_active(bus->log))
		return bus_log_on_check(bus->log, payload, nonce);
	return text_is(payload, nonce);
}

static void
bus_on_check_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct bus *bus = container_of(subscription, struct bus, check);
	struct timespec now;

	(void)channel;
	if (!bus->checking || !bus_is_check_message(bus, payload))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	bus->stats.lag_us = (uint64_t)((now.tv_sec - bus->checked.tv_sec) * 1000000 +
				       (now.tv_nsec - bus->checked.tv_nsec) / 1000);
	durations_add(&bus->stats.echoes, bus->stats.lag_us);
	bus->checking = false;
	if (bus->state == BUS_CLOSING)
		return;
	if (bus->state != BUS_PROVING) {
		/* reset only here, so that a bus that keeps going down is not reconnected without pause */
		bus->attempts = 0;
		bus_arm_next_check(bus);
		bus_settle_measure(bus);
		return;
	}
	if (bus->log != NULL && bus_log_checks_again(bus->log))
		bus_send_check(bus);
	else
		bus_proved(bus);
}

void
bus_check_timer(struct bus *bus)
{
	if (!bus->checking) {
		bus_send_check(bus);
		return;
	}
	if (bus_check_may_come(bus)) {
		bus->extensions++;
		bus_arm_check(bus);
		return;
	}
	bus->stats.alarms++;
	bus_lost(bus,
		bus->ear.path != NULL ? "check message did not come back through the hub"
				      : "check message did not come back",
		false);
}

void
bus_subscribe_check(struct bus *bus, const char *key, const char *tag)
{
	size_t size = strlen(key) + sizeof "-check#{}#" + (tag != NULL ? strlen(tag) : 0) + BUS_NONCE_LENGTH;
	char id[BUS_NONCE_LENGTH + 1] = "";

	random_id(id, BUS_NONCE_LENGTH);
	bus->check_channel = mem_alloc(size);
	if (tag != NULL)
		snprintf(bus->check_channel, size, "%s-check#{%s}%s#", key, tag, id);
	else
		snprintf(bus->check_channel, size, "%s-check#%s#", key, id);
	bus->check.name = text_from(bus->check_channel);
	bus->check.on_message = bus_on_check_message;
	bus_subscribe(bus, &bus->check);
}

/* The new channel of the check message is confirmed. In other states the check follows anyway. */
static void
bus_on_check_confirmed(struct bus_subscription *subscription)
{
	struct bus *bus = container_of(subscription, struct bus, check);

	subscription->on_confirmed = NULL;
	if (bus->state == BUS_PROVING || bus->state == BUS_UP)
		bus_send_check(bus);
}

/* The timer stays armed as a deadline: if it passes while no check is under way, the bus sends a check message. */
void
bus_set_proof(struct bus *bus, const char *key, const char *tag, struct text members)
{
	bus_forget_subscription(bus, &bus->check);
	mem_free(bus->check_channel);
	bus->checking = false;
	bus->check.on_confirmed = bus_on_check_confirmed;
	bus_subscribe_check(bus, key, tag);
	bus_settle_set_channel(bus, members);
}
