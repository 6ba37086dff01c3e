#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "broker/cluster_map.h"
#include "broker/hub_command.h"
#include "common/base/error.h"
#include "common/base/must.h"

#define NAME_MAX_LENGTH (1 << 20) /* maximum bytes of a prefix with its escapes */
#define UNCONFIRMED_MAX 512	  /* maximum unconfirmed SUBSCRIBE commands at a time */

/* Returns the name of a subscription as sent to the server. A prefix becomes a pattern, written to bus->name. */
static struct text
subscription_wire_name(struct bus *bus, const struct bus_subscription *subscription)
{
	if (!subscription->prefix)
		return subscription->name;
	buffer_reset(&bus->name);
	for (size_t i = 0; i < subscription->name.n; i++) {
		if (memchr("*?[]^-\\", subscription->name.at[i], 7) != NULL)
			buffer_add_byte(&bus->name, '\\');
		buffer_add_byte(&bus->name, (uint8_t)subscription->name.at[i]);
	}
	buffer_add_byte(&bus->name, '*');
	return buffer_text(&bus->name);
}

static void
bus_send_subscribe(struct bus *bus, const struct bus_subscription *subscription, bool on)
{
	struct text args[] = {TEXT_NONE, subscription_wire_name(bus, subscription)};

	if (subscription->prefix)
		args[0] = on ? TEXT("PSUBSCRIBE") : TEXT("PUNSUBSCRIBE");
	else if (on && subscription->counted && bus->ear.path != NULL)
		args[0] = TEXT("CSUBSCRIBE");
	else
		args[0] = on ? bus->words->subscribe : bus->words->unsubscribe;
	if (subscription->prefix && buffer_error(&bus->name) == ERROR_MEMORY)
		conn_no_memory(bus->subscriptions.conn);
	else
		bus_link_send(&bus->subscriptions, 2, args);
}

static void
bus_send_unsent(struct bus *bus)
{
	while (!list_empty(&bus->unsent) && bus->sent - bus->confirmed < UNCONFIRMED_MAX) {
		struct bus_subscription *subscription = container_of(bus->unsent.next, struct bus_subscription, link);

		list_remove(&subscription->link);
		list_add_tail(&bus->unconfirmed, &subscription->link);
		subscription->number = ++bus->sent;
		bus_send_subscribe(bus, subscription, true);
	}
}

static bool
bus_may_subscribe(const struct bus *bus)
{
	return bus->listening && bus->state != BUS_CLOSING;
}

void
bus_subscribe(struct bus *bus, struct bus_subscription *subscription)
{
	must(!subscription->prefix || bus->words == &bus_plain_words);
	table_add(subscription->prefix ? &bus->prefixes : &bus->channels, &subscription->node, subscription->name);
	list_init(&subscription->link);
	subscription->number = 0;
	subscription->confirmed = false;
	subscription->since = bus->log != NULL ? bus_log_since(bus->log) : 0;
	if (!bus_may_subscribe(bus))
		return;
	list_add_tail(&bus->unsent, &subscription->link);
	bus_hear_ask(bus, subscription);
	bus_send_unsent(bus);
}

void
bus_unsubscribe(struct bus *bus, struct bus_subscription *subscription)
{
	table_remove(subscription->prefix ? &bus->prefixes : &bus->channels, &subscription->node);
	if (!list_empty(&subscription->link))
		loop_defer(bus->loop, &bus->call); /* others may have waited for its confirmation */
	list_remove(&subscription->link);
	if (subscription->number != 0 && bus_may_subscribe(bus))
		bus_send_subscribe(bus, subscription, false);
}

void
bus_forget_subscription(struct bus *bus, struct bus_subscription *subscription)
{
	subscription->number = 0;
	bus_unsubscribe(bus, subscription);
}

static void
bus_mark_unsent(struct bus *bus, const struct table *table, bool counted)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(table, &cursor)) != NULL) {
		struct bus_subscription *subscription = container_of(node, struct bus_subscription, node);

		if (subscription->counted != counted)
			continue;
		subscription->number = 0;
		subscription->confirmed = false;
		list_add_tail(&bus->unsent, &subscription->link);
		bus_hear_ask(bus, subscription);
	}
}

/*
 * The counted subscriptions come last. Other nodes count this node by them, and then send what waited for it
 * (bus_settle.c).
 */
void
bus_subscribe_all(struct bus *bus)
{
	must(list_empty(&bus->unsent) && list_empty(&bus->unconfirmed) && bus->sent == 0);
	bus->listening = true;
	bus_mark_unsent(bus, &bus->channels, false);
	bus_mark_unsent(bus, &bus->prefixes, false);
	bus_mark_unsent(bus, &bus->channels, true);
	bus_send_unsent(bus);
}

void
bus_forget_subscriptions(struct bus *bus)
{
	while (!list_empty(&bus->unsent))
		list_remove(bus->unsent.next);
	while (!list_empty(&bus->unconfirmed))
		list_remove(bus->unconfirmed.next);
	bus->sent = bus->confirmed = 0;
	if (!bus->listening)
		return;
	bus->listening = false;
	bus_hear_all(bus);
	if (bus->log != NULL)
		bus_log_subscriptions_lost(bus->log);
	if (bus->state != BUS_CLOSING && bus->ops->on_deaf != NULL)
		bus->ops->on_deaf(bus->arg);
}

bool
bus_awaits(const struct bus *bus, const struct bus_subscription *subscription)
{
	return !subscription->confirmed && !bus->hopeless && bus->state != BUS_CLOSING;
}

/*
 * The server confirms in order, so the number of a confirmation identifies its command. Its channel name does not:
 * the subscription may have ended meanwhile, and another one with the same name may have begun.
 */
static struct bus_subscription *
bus_subscription_of(struct bus *bus, uint64_t number)
{
	struct bus_subscription *first;

	if (list_empty(&bus->unconfirmed))
		return NULL;
	first = container_of(bus->unconfirmed.next, struct bus_subscription, link);
	return first->number <= number ? first : NULL;
}

/* The next SUBSCRIBE is answered: `first` is its subscription, or NULL if that has ended meanwhile. */
static void
bus_on_subscribe_answer(struct bus *bus, struct bus_subscription *first, bool confirmed)
{
	if (bus->confirmed < bus->sent)
		bus->confirmed++;
	if (first != NULL) {
		list_remove(&first->link);
		first->confirmed = confirmed;
	}
	bus_send_unsent(bus);
	if (bus->state == BUS_SUBSCRIBING && bus->confirmed == bus->sent)
		bus_subscribed(bus);
	else if (bus->state == BUS_SUBSCRIBING)
		loop_arm(bus->loop, &bus->timer, bus->timeout_ms); /* confirmations are still coming */
	if (first != NULL && confirmed && first->on_confirmed != NULL)
		first->on_confirmed(first);
	bus_hear_update(bus);
}

/*
 * Most refusals take the bus down. If it stayed up, messages would be missing without a sign. The exceptions are
 * subscriptions that the bus can do without, and those whose owner has another way.
 */
static void
bus_on_subscribe_refused(struct bus *bus, struct text error)
{
	struct bus_subscription *first = bus_subscription_of(bus, bus->confirmed + 1);
	bool prefix = first != NULL && first->prefix;
	char why[BUS_WHY_MAX];

	if (first != NULL && first->aside) {
		bus_refuse_aside(bus, "heartbeats of other nodes refused", error);
		bus_on_subscribe_answer(bus, first, false);
		return;
	}
	bus_error_write(why,
		prefix ? "PSUBSCRIBE refused (--redis-routing rooms does not need it)" : "subscribing refused", error,
		bus->subscriptions.password);
	if (first == NULL || first->on_refused == NULL || !bus_error_is_refusal(error)) {
		bus_lost(bus, why, false);
		return;
	}
	first->number = 0; /* there is nothing to unsubscribe from */
	first->on_refused(first, error, why);
	bus_on_subscribe_answer(bus, NULL, false);
}

/*
 * A subscription is refused because its slot has moved. The error may also be the answer to an UNSUBSCRIBE: if the
 * next SUBSCRIBE is for another slot, it is still to be answered.
 */
static void
bus_on_moved(struct bus *bus, struct text error)
{
	struct bus_subscription *first = bus_subscription_of(bus, bus->confirmed + 1);
	struct cluster_moved moved;

	if (first == NULL || (cluster_moved_parse(&moved, error) == 0 && moved.slot == cluster_slot(first->name)))
		bus_on_subscribe_answer(bus, first, false);
	bus->ops->on_moved(bus->arg, error);
}

/* The server has ended a subscription, on request or by itself. */
static void
bus_on_unsubscribed(struct bus *bus, struct text channel)
{
	struct bus_subscription *subscription = bus_find(bus, channel);

	if (subscription == NULL || !subscription->confirmed)
		return; /* a new subscription of that name is not confirmed yet */
	subscription->confirmed = false;
	bus->ops->on_ended(bus->arg, subscription);
}

struct bus_subscription *
bus_find(const struct bus *bus, struct text channel)
{
	struct table_node *node = table_find(&bus->channels, channel);

	return node != NULL ? container_of(node, struct bus_subscription, node) : NULL;
}

void
bus_deliver(
	struct bus *bus, bool prefix, struct text name, struct text channel, struct text payload, struct block *block)
{
	struct table_node *node = table_find(prefix ? &bus->prefixes : &bus->channels, name);
	struct bus_subscription *subscription;

	if (node == NULL)
		return; /* unsubscribed meanwhile */
	subscription = container_of(node, struct bus_subscription, node);
	if (subscription != &bus->check && !subscription->aside) {
		bus->stats.received++;
		bus->stats.bytes_received += payload.n;
	}
	subscription->block = block;
	subscription->on_message(subscription, channel, payload);
}

/* A message has come on the subscription link. */
static void
bus_hear(
	struct bus *bus, bool prefix, struct text name, struct text channel, struct text payload, struct block *block)
{
	if (bus->log == NULL || bus_log_on_message(bus->log, prefix, name, channel, &payload))
		bus_deliver(bus, prefix, name, channel, payload, block);
}

static void
bus_deliver_pattern(struct bus *bus, const struct resp *reply)
{
	struct text pattern = reply->items[1];

	if (memchr(pattern.at, '\\', pattern.n) == NULL && pattern.n > 0) {
		pattern.n--;
	} else {
		buffer_reset(&bus->name);
		if (hub_pattern_prefix(pattern, &bus->name) < 0)
			return;
		pattern = buffer_text(&bus->name);
	}
	bus_hear(bus, true, pattern, reply->items[2], reply->items[3], reply->block);
}

void
bus_on_pushed(struct bus_link *link, const struct resp *reply)
{
	struct bus *bus = link->arg;
	struct text kind = reply->item_count > 0 ? reply->items[0] : TEXT_NONE;

	if (reply->type == RESP_ERROR && bus->ops->on_moved != NULL && text_starts(reply->text, TEXT("MOVED "))) {
		bus_on_moved(bus, reply->text);
		return;
	}
	if (reply->type == RESP_ERROR) {
		bus_on_subscribe_refused(bus, reply->text);
	} else if (reply->type != RESP_ARRAY || kind.at == NULL) {
		bus_lost(bus, "unexpected message on the subscription connection", true);
	} else if (reply->item_count == 4 && text_is(kind, TEXT("pmessage")) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL && reply->items[3].at != NULL) {
		bus_deliver_pattern(bus, reply);
	} else if (reply->item_count == 3 && text_is(kind, bus->words->message) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL) {
		bus_hear(bus, false, reply->items[1], reply->items[1], reply->items[2], reply->block);
	} else if (text_is(kind, bus->words->confirmed) || text_is(kind, TEXT("psubscribe"))) {
		bus_on_subscribe_answer(bus, bus_subscription_of(bus, bus->confirmed + 1), true);
	} else if (bus->ops->on_ended != NULL && text_is(kind, bus->words->ended) && reply->items[1].at != NULL) {
		bus_on_unsubscribed(bus, reply->items[1]);
	}
}

void
bus_subscribe_init(struct bus *bus)
{
	table_init(&bus->channels);
	table_init(&bus->prefixes);
	list_init(&bus->unsent);
	list_init(&bus->unconfirmed);
	buffer_init(&bus->name, NAME_MAX_LENGTH);
	bus_hear_init(bus);
}

void
bus_subscribe_fini(struct bus *bus)
{
	must(bus->channels.count == 0 && bus->prefixes.count == 0);
	bus_hear_fini(bus);
	table_fini(&bus->channels);
	table_fini(&bus->prefixes);
	buffer_fini(&bus->name);
}
