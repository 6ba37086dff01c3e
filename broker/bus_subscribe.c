#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/hub_command.h"
#include "common/base/error.h"
#include "common/base/must.h"

#define NAME_MAX_LENGTH (1 << 20) /* of a prefix with its escapes */
#define UNCONFIRMED_MAX 512	  /* subscriptions on their way at a time */

/* What a subscription is called on the wire; a prefix is a pattern, written to b->name. */
static struct text
wire_name(struct bus *b, const struct bus_subscription *s)
{
	if (!s->prefix)
		return s->name;
	buffer_reset(&b->name);
	for (size_t i = 0; i < s->name.n; i++) {
		if (memchr("*?[]^-\\", s->name.at[i], 7) != NULL)
			buffer_add_byte(&b->name, '\\');
		buffer_add_byte(&b->name, (uint8_t)s->name.at[i]);
	}
	buffer_add_byte(&b->name, '*');
	return buffer_text(&b->name);
}

static void
send_subscribe(struct bus *b, const struct bus_subscription *s, bool on)
{
	struct text args[] = {TEXT_NONE, wire_name(b, s)};

	if (s->prefix)
		args[0] = on ? TEXT("PSUBSCRIBE") : TEXT("PUNSUBSCRIBE");
	else
		args[0] = on ? TEXT("SUBSCRIBE") : TEXT("UNSUBSCRIBE");
	if (s->prefix && buffer_error(&b->name) == ERROR_MEMORY)
		conn_no_memory(b->subscriptions.conn);
	else
		bus_link_send(&b->subscriptions, 2, args);
}

static void
send_unsent(struct bus *b)
{
	while (!list_empty(&b->unsent) && b->sent - b->confirmed < UNCONFIRMED_MAX) {
		struct bus_subscription *s = container_of(b->unsent.next, struct bus_subscription, link);

		list_remove(&s->link);
		list_add_tail(&b->unconfirmed, &s->link);
		s->number = ++b->sent;
		send_subscribe(b, s, true);
	}
}

static bool
may_send(const struct bus *b)
{
	return b->listening && b->state != BUS_CLOSING;
}

void
bus_subscribe(struct bus *b, struct bus_subscription *s)
{
	table_add(s->prefix ? &b->prefixes : &b->channels, &s->node, s->name);
	list_init(&s->link);
	s->number = 0;
	s->confirmed = false;
	if (!may_send(b))
		return;
	list_add_tail(&b->unsent, &s->link);
	send_unsent(b);
}

void
bus_unsubscribe(struct bus *b, struct bus_subscription *s)
{
	table_remove(s->prefix ? &b->prefixes : &b->channels, &s->node);
	list_remove(&s->link);
	if (s->number != 0 && may_send(b))
		send_subscribe(b, s, false);
}

static void
all_unsent(struct bus *b, const struct table *t)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(t, &cursor)) != NULL) {
		struct bus_subscription *s = container_of(node, struct bus_subscription, node);

		s->number = 0;
		s->confirmed = false;
		list_add_tail(&b->unsent, &s->link);
	}
}

void
bus_subscribe_all(struct bus *b)
{
	must(list_empty(&b->unsent) && list_empty(&b->unconfirmed) && b->sent == 0);
	b->listening = true;
	all_unsent(b, &b->channels);
	all_unsent(b, &b->prefixes);
	send_unsent(b);
}

void
bus_forget_subscriptions(struct bus *b)
{
	while (!list_empty(&b->unsent))
		list_remove(b->unsent.next);
	while (!list_empty(&b->unconfirmed))
		list_remove(b->unconfirmed.next);
	b->sent = b->confirmed = 0;
	b->listening = false;
}

bool
bus_awaits(const struct bus *b, const struct bus_subscription *s)
{
	return !s->confirmed && !b->hopeless && b->state != BUS_CLOSING;
}

/*
 * The server confirms in order, so a confirmation belongs to a command by its number: the subscription that the
 * command was for may have ended meanwhile, and another one of the same name may have begun.
 */
static void
on_confirmed(struct bus *b)
{
	struct bus_subscription *first = NULL;

	if (b->confirmed < b->sent)
		b->confirmed++;
	if (!list_empty(&b->unconfirmed))
		first = container_of(b->unconfirmed.next, struct bus_subscription, link);
	if (first != NULL && first->number == b->confirmed) {
		list_remove(&first->link);
		first->confirmed = true;
	} else {
		first = NULL;
	}
	send_unsent(b);
	if (b->state == BUS_SUBSCRIBING && b->confirmed == b->sent)
		bus_subscribed(b);
	else if (b->state == BUS_SUBSCRIBING)
		loop_arm(b->loop, &b->timer, b->timeout_ms); /* it goes on */
	if (first != NULL && first->on_confirmed != NULL)
		first->on_confirmed(first);
}

static void
deliver(struct bus *b, bool prefix, struct text name, struct text channel, struct text payload)
{
	struct table_node *node = table_find(prefix ? &b->prefixes : &b->channels, name);
	struct bus_subscription *s;

	if (node == NULL)
		return; /* unsubscribed meanwhile */
	s = container_of(node, struct bus_subscription, node);
	if (s != &b->check) {
		b->stats.received++;
		b->stats.bytes_received += payload.n;
	}
	s->on_message(s, channel, payload);
}

static void
deliver_pattern(struct bus *b, const struct resp *reply)
{
	struct text pattern = reply->items[1];

	if (memchr(pattern.at, '\\', pattern.n) == NULL && pattern.n > 0) {
		pattern.n--;
	} else {
		buffer_reset(&b->name);
		if (hub_pattern_prefix(pattern, &b->name) < 0)
			return;
		pattern = buffer_text(&b->name);
	}
	deliver(b, true, pattern, reply->items[2], reply->items[3]);
}

void
bus_on_pushed(struct bus_link *link, const struct resp *reply)
{
	struct bus *b = link->arg;
	struct text kind = reply->item_count > 0 ? reply->items[0] : TEXT_NONE;
	char why[BUS_WHY_MAX];

	if (reply->type == RESP_ERROR) {
		bus_error_write(why, "subscribing refused", reply->text, b->url.password);
		bus_lost(b, why, false);
	} else if (reply->type != RESP_ARRAY || kind.at == NULL) {
		bus_lost(b, "a strange message", true);
	} else if (reply->item_count == 4 && text_is(kind, TEXT("pmessage")) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL && reply->items[3].at != NULL) {
		deliver_pattern(b, reply);
	} else if (reply->item_count == 3 && text_is(kind, TEXT("message")) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL) {
		deliver(b, false, reply->items[1], reply->items[1], reply->items[2]);
	} else if (text_is(kind, TEXT("subscribe")) || text_is(kind, TEXT("psubscribe"))) {
		on_confirmed(b);
	}
}

void
bus_subscribe_init(struct bus *b)
{
	table_init(&b->channels);
	table_init(&b->prefixes);
	list_init(&b->unsent);
	list_init(&b->unconfirmed);
	buffer_init(&b->name, NAME_MAX_LENGTH);
}

void
bus_subscribe_fini(struct bus *b)
{
	must(b->channels.count == 0 && b->prefixes.count == 0);
	table_fini(&b->channels);
	table_fini(&b->prefixes);
	buffer_fini(&b->name);
}
