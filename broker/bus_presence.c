#include "broker/bus_presence.h"

#include "broker/shards.h"
#include "broker/wire.h"
#include "common/base/mem.h"

struct bus_presence_data {
	struct bus_subscription common, own;
	struct bus_presence *presence;
	const struct bus_presence_carrier *by;
	void *carrier;
	struct buffer common_name, own_name;
};

#define NAME_MAX_BYTES (1 << 20) /* of a channel; the key may be long */

static void
presence_on_announcement(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct bus_presence_data *data = container_of(subscription, struct bus_presence_data, common);

	data->presence->on_announcement(data->presence, channel, payload);
}

static void
presence_on_confirmed(struct bus_subscription *subscription)
{
	struct bus_presence *presence = container_of(subscription, struct bus_presence_data, common)->presence;

	if (presence->on_hearing != NULL)
		presence->on_hearing(presence);
}

/* Nodes are counted by these channels; nothing is published there. */
static void
presence_on_own(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	(void)subscription;
	(void)channel;
	(void)payload;
}

static void
presence_subscribe(struct bus_presence_data *data, struct bus_subscription *subscription, const struct buffer *name,
	void (*on_message)(struct bus_subscription *subscription, struct text channel, struct text payload))
{
	subscription->name = buffer_text(name);
	subscription->aside = true;
	subscription->on_message = on_message;
	data->by->subscribe(data->carrier, subscription);
}

void
bus_presence_enter(
	const struct bus_presence_carrier *by, void *carrier, const char *key, struct bus_presence *presence)
{
	struct bus_presence_data *data = mem_zalloc(sizeof *data);

	data->presence = presence;
	data->by = by;
	data->carrier = carrier;
	presence->form_data = data;
	buffer_init(&data->common_name, NAME_MAX_BYTES);
	buffer_init(&data->own_name, NAME_MAX_BYTES);
	wire_channel_members(&data->common_name, text_from(key), TEXT_NONE);
	wire_channel_members(&data->own_name, text_from(key), presence->id);
	data->common.on_confirmed = presence_on_confirmed;
	presence_subscribe(data, &data->common, &data->common_name, presence_on_announcement);
	if (presence->id.n > 0)
		presence_subscribe(data, &data->own, &data->own_name, presence_on_own);
}

void
bus_presence_depart(struct bus_presence *presence)
{
	struct bus_presence_data *data = presence->form_data;

	data->by->unsubscribe(data->carrier, &data->common);
	if (presence->id.n > 0)
		data->by->unsubscribe(data->carrier, &data->own);
	buffer_fini(&data->common_name);
	buffer_fini(&data->own_name);
	mem_free(data);
	presence->form_data = NULL;
}

struct text
bus_presence_channel(const struct bus_presence *presence)
{
	const struct bus_presence_data *data = presence->form_data;

	return data->common.name;
}

bool
bus_presence_announce(struct bus_presence *presence, struct block *payload)
{
	const struct bus_presence_data *data = presence->form_data;

	return data->by->announce(data->carrier, data->common.name, payload);
}

void
bus_presence_count(const struct bus_presence_carrier *by, void *carrier, const char *key, struct bus_count *query,
	struct text id)
{
	struct buffer name;

	buffer_init(&name, NAME_MAX_BYTES);
	wire_channel_members(&name, text_from(key), id);
	by->count(carrier, query, buffer_text(&name));
	buffer_fini(&name);
}

/* ----------------------------------------------------------------- by a bus */

static void
presence_bus_subscribe(void *bus, struct bus_subscription *subscription)
{
	bus_subscribe(bus, subscription);
}

static void
presence_bus_unsubscribe(void *bus, struct bus_subscription *subscription)
{
	bus_unsubscribe(bus, subscription);
}

static bool
presence_bus_announce(void *bus, struct text channel, struct block *payload)
{
	return bus_announce(bus, channel, payload);
}

static void
presence_bus_count(void *bus, struct bus_count *query, struct text channel)
{
	bus_count(bus, query, channel);
}

const struct bus_presence_carrier bus_presence_by_bus = {
	presence_bus_subscribe, presence_bus_unsubscribe, presence_bus_announce, presence_bus_count};

/* ----------------------------------------------------------------- by shards */

static void
presence_shards_subscribe(void *shards, struct bus_subscription *subscription)
{
	shards_subscribe(shards, subscription);
}

static void
presence_shards_unsubscribe(void *shards, struct bus_subscription *subscription)
{
	shards_unsubscribe(shards, subscription);
}

static bool
presence_shards_announce(void *shards, struct text channel, struct block *payload)
{
	return shards_announce(shards, channel, payload);
}

static void
presence_shards_count(void *shards, struct bus_count *query, struct text channel)
{
	shards_count(shards, query, channel);
}

const struct bus_presence_carrier bus_presence_by_shards = {
	presence_shards_subscribe, presence_shards_unsubscribe, presence_shards_announce, presence_shards_count};
