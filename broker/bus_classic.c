#include "broker/bus_classic.h"

#include "broker/bus_keep.h"
#include "broker/bus_presence.h"
#include "broker/bus_rooms.h"
#include "broker/wire.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define ROOM_LINGER_MS 10000
#define CHANNEL_MAX (1 << 20) /* maximum bytes of a channel's name; room names are shorter */

/* One of the four channels of a member: subscribed to, or only published to if the member is a visitor. */
struct classic_channel {
	struct bus_subscription subscription;
	struct classic_member *classic;
	enum bus_kind kind;
	char *name;
};

struct classic_member {
	struct list link; /* in bus_end.members */
	struct bus_end *end;
	struct bus_member *member;
	bool settle_due;		/* on_settled is still to be called */
	enum bus_kind first_subscribed; /* first kind that is subscribed to; a visitor receives answers only */
	struct classic_channel channels[BUS_KIND_COUNT];
	struct bus_rooms_member rooms; /* unused if bus_end.rooms is NULL, and by visitors */
};

struct bus_end {
	struct bus *bus;
	const struct bus_form_ops *ops;
	char *key;
	struct list members;
	struct bus_rooms *rooms; /* NULL: every namespace subscribes to the pattern of all its rooms */
	struct buffer channel;	 /* scratch buffer for channel names */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* --------------------------------------------------------------- channels */

static void
classic_write_channel(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text room)
{
	struct text key = text_from(end->key);

	buffer_reset(&end->channel);
	switch (kind) {
	case BUS_BROADCAST:
		wire_channel_broadcast(&end->channel, key, member->name, room);
		break;
	case BUS_REQUEST:
		wire_channel_request(&end->channel, key, member->name);
		break;
	default:
		wire_channel_response(
			&end->channel, key, member->name, kind == BUS_OWN_RESPONSE ? member->uid : TEXT_NONE);
		break;
	}
}

struct text
bus_classic_channel(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address)
{
	const struct classic_member *classic = member->form_data;

	/* the channel of responses is the same for every asking node */
	if (address.at == NULL || kind != BUS_BROADCAST)
		return classic->channels[kind].subscription.name;
	classic_write_channel(end, member, kind, address);
	return buffer_text(&end->channel);
}

int
bus_classic_publish(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload)
{
	struct text channel = bus_classic_channel(end, member, kind, address);
	/* otherwise the scratch buffer holds an older name */
	int rc = address.at != NULL && kind == BUS_BROADCAST ? buffer_error(&end->channel) : 0;

	return rc == 0 ? bus_publish(end->bus, channel, payload) : rc;
}

int
bus_classic_record(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload, uint64_t event)
{
	struct text channel = bus_classic_channel(end, member, kind, address);
	int rc = address.at != NULL && kind == BUS_BROADCAST ? buffer_error(&end->channel) : 0;

	return rc == 0 ? bus_record(end->bus, channel, payload, event) : rc;
}

/*
 * Every node of a namespace except visitors subscribes to its requests, so the subscribers of that channel are the
 * nodes.
 */
void
bus_classic_count(struct bus_end *end, struct bus_count *query, const struct bus_member *member)
{
	bus_count(end->bus, query, bus_classic_channel(end, member, BUS_REQUEST, TEXT_NONE));
}

/* --------------------------------------------------------------- messages */

static void
classic_on_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct classic_channel *heard = container_of(subscription, struct classic_channel, subscription);
	struct bus_message message = {
		.kind = heard->kind, .channel = channel, .payload = payload, .block = subscription->block};

	/* the room follows the subscribed prefix and may contain any character */
	if (heard->kind == BUS_BROADCAST && !wire_channel_room(subscription->name, channel, &message.room))
		return;
	heard->classic->end->ops->on_message(heard->classic->member, &message);
}

static void
classic_on_room_message(void *owner, struct text room, struct text channel, struct text payload)
{
	const struct classic_member *classic = owner;
	struct bus_message message = {.kind = BUS_BROADCAST, .room = room, .channel = channel, .payload = payload};

	classic->end->ops->on_message(classic->member, &message);
}

static const struct bus_rooms_ops classic_rooms_ops = {classic_on_room_message};

/* -------------------------------------------------------------- confirmed */

static bool
classic_member_awaits(const struct classic_member *classic)
{
	for (unsigned i = classic->first_subscribed; i < BUS_KIND_COUNT; i++) {
		if (bus_awaits(classic->end->bus, &classic->channels[i].subscription))
			return true;
	}
	return false;
}

bool
bus_classic_awaits(struct bus_end *end, struct bus_member *member)
{
	struct classic_member *classic = member->form_data;

	(void)end;
	classic->settle_due |= classic_member_awaits(classic);
	return classic->settle_due;
}

static void
classic_member_settle(struct classic_member *classic)
{
	if (!classic->settle_due || classic_member_awaits(classic))
		return;
	classic->settle_due = false;
	classic->end->ops->on_settled(classic->member);
}

static void
classic_on_confirmed(struct bus_subscription *subscription)
{
	classic_member_settle(container_of(subscription, struct classic_channel, subscription)->classic);
}

/* Members may be added and removed in the up-call, so each is moved back to the list before its callback. */
static void
classic_on_hopeless(void *arg)
{
	struct bus_end *end = arg;
	struct list all;

	list_init(&all);
	list_move_all(&all, &end->members);
	while (!list_empty(&all)) {
		struct classic_member *classic = container_of(all.next, struct classic_member, link);

		list_remove(&classic->link);
		list_add_tail(&end->members, &classic->link);
		classic_member_settle(classic);
	}
}

static const struct bus_ops classic_bus_ops = {.on_hopeless = classic_on_hopeless};

/* ----------------------------------------------------------------- members */

/* Returns true if the member subscribes to its rooms one by one. */
static bool
classic_routes(const struct classic_member *classic)
{
	return classic->end->rooms != NULL && !classic->member->visitor;
}

/* Returns false if the pattern takes the place of the namespace's channel. */
static bool
classic_add_rooms(struct classic_member *classic)
{
	return bus_rooms_add(
		classic->end->rooms, &classic->rooms, &classic->channels[BUS_BROADCAST].subscription, classic);
}

void
bus_classic_subscribe(struct bus_end *end, struct bus_member *member)
{
	struct classic_member *classic = mem_zalloc(sizeof *classic);

	classic->end = end;
	classic->member = member;
	classic->first_subscribed = member->visitor ? BUS_RESPONSE : BUS_BROADCAST;
	member->form_data = classic;
	list_add_tail(&end->members, &classic->link);
	for (unsigned i = 0; i < BUS_KIND_COUNT; i++) {
		struct classic_channel *channel = &classic->channels[i];

		classic_write_channel(end, member, (enum bus_kind)i, TEXT_NONE);
		channel->classic = classic;
		channel->kind = (enum bus_kind)i;
		/* small: the configured key and a namespace's name */
		channel->name = mem_text((const char *)end->channel.data, end->channel.len);
		channel->subscription.name = text_of(channel->name, end->channel.len);
		channel->subscription.counted = i == BUS_REQUEST;
		channel->subscription.prefix = i == BUS_BROADCAST && end->rooms == NULL;
		channel->subscription.on_message = classic_on_message;
		channel->subscription.on_confirmed = classic_on_confirmed;
	}
	if (classic_routes(classic) && !classic_add_rooms(classic))
		classic->first_subscribed = BUS_REQUEST;
	for (unsigned i = classic->first_subscribed; i < BUS_KIND_COUNT; i++)
		bus_subscribe(end->bus, &classic->channels[i].subscription);
}

void
bus_classic_unsubscribe(struct bus_end *end, struct bus_member *member)
{
	struct classic_member *classic = member->form_data;

	if (classic_routes(classic))
		bus_rooms_remove(&classic->rooms);
	for (unsigned i = 0; i < BUS_KIND_COUNT; i++) {
		if (classic->channels[i].kind >= classic->first_subscribed)
			bus_unsubscribe(end->bus, &classic->channels[i].subscription);
		mem_free(classic->channels[i].name);
	}
	list_remove(&classic->link);
	mem_free(classic);
	member->form_data = NULL;
}

/* ------------------------------------------------------------------- rooms */

void
bus_classic_room_appeared(struct bus_end *end, struct bus_member *member, struct text room, bool own)
{
	struct classic_member *classic = member->form_data;

	if (!classic_routes(classic) && !bus_recovers(end->bus))
		return;
	classic_write_channel(end, member, BUS_BROADCAST, room);
	if (buffer_error(&end->channel) != 0)
		return;
	bus_room_appeared(end->bus, buffer_text(&end->channel));
	if (classic_routes(classic))
		bus_rooms_appeared(&classic->rooms, buffer_text(&end->channel), own);
}

void
bus_classic_room_empty(struct bus_end *end, struct bus_member *member, struct text room)
{
	struct classic_member *classic = member->form_data;

	if (!classic_routes(classic) && !bus_recovers(end->bus))
		return;
	classic_write_channel(end, member, BUS_BROADCAST, room);
	if (buffer_error(&end->channel) != 0)
		return;
	bus_room_empty(end->bus, buffer_text(&end->channel));
	if (classic_routes(classic))
		bus_rooms_empty(&classic->rooms, buffer_text(&end->channel));
}

bool
bus_classic_wait(struct bus_end *end, struct bus_wait *wait)
{
	return end->rooms != NULL && bus_wait(end->bus, wait);
}

/* ------------------------------------------------------------------- nodes */

void
bus_classic_enter(struct bus_end *end, struct bus_presence *presence)
{
	bus_presence_enter(&bus_presence_by_bus, end->bus, end->key, presence);
}

void
bus_classic_depart(struct bus_end *end, struct bus_presence *presence)
{
	(void)end;
	bus_presence_depart(presence);
}

bool
bus_classic_announce(struct bus_end *end, struct bus_presence *presence, struct block *payload)
{
	(void)end;
	return bus_presence_announce(presence, payload);
}

void
bus_classic_count_present(struct bus_end *end, struct bus_count *query, struct text id)
{
	bus_presence_count(&bus_presence_by_bus, end->bus, end->key, query, id);
}

/* Servers with a sharded adapter subscribe to the main namespace's channel by SSUBSCRIBE. */
void
bus_classic_count_strangers(struct bus_end *end, struct bus_count *query)
{
	const struct bus_member main_namespace = {.name = TEXT("/")};

	classic_write_channel(end, &main_namespace, BUS_BROADCAST, TEXT_NONE);
	bus_count_other(end->bus, query, buffer_text(&end->channel));
}

/* ------------------------------------------------------------------ keeper */

static void
classic_on_keep_message(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct bus_keep *keep = container_of(subscription, struct bus_keep, subscription);

	(void)channel;
	keep->on_message(keep, payload);
}

static void
classic_on_keep_confirmed(struct bus_subscription *subscription)
{
	struct bus_keep *keep = container_of(subscription, struct bus_keep, subscription);

	keep->on_ready(keep);
}

void
bus_classic_keep_open(struct bus_end *end, struct bus_keep *keep)
{
	buffer_init(&keep->channel, CHANNEL_MAX);
	buffer_init(&keep->keeper, CHANNEL_MAX);
	bus_keep_channel(&keep->channel, text_from(end->key), text_of(keep->id, BUS_KEEP_ID));
	bus_keep_channel(&keep->keeper, text_from(end->key), TEXT(""));
	keep->subscription = (struct bus_subscription){.name = buffer_text(&keep->channel),
		.on_message = classic_on_keep_message,
		.on_confirmed = classic_on_keep_confirmed};
	bus_subscribe(end->bus, &keep->subscription);
}

void
bus_classic_keep_close(struct bus_end *end, struct bus_keep *keep)
{
	bus_unsubscribe(end->bus, &keep->subscription);
	buffer_fini(&keep->channel);
	buffer_fini(&keep->keeper);
}

int
bus_classic_keep_send(struct bus_end *end, struct bus_keep *keep, struct block *message)
{
	return bus_publish(end->bus, buffer_text(&keep->keeper), message);
}

struct bus *
bus_classic_store(struct bus_end *end)
{
	return end->bus;
}

/* -------------------------------------------------------------------- life */

struct bus_end *
bus_classic_open(struct loop *l, struct bus_url *server, bool replicated, const struct bus_form_options *options,
	const struct bus_form_ops *ops)
{
	const struct bus_member main_namespace = {.name = TEXT("/")}; /* every node has it */
	struct bus_options bus_options = {.server = server,
		.ear = options->ear,
		.access = &options->access,
		.replicated = replicated,
		.key = options->key,
		.max_queue = options->max_queue,
		.max_age_ms = options->max_age_ms,
		.ordered = options->max_rooms > 0,
		.log_length = options->log_length,
		.sealed = options->sealed,
		.settle_ms = options->settle_ms,
		.refresh_ms = options->refresh_ms,
		.check_ms = options->check_ms,
		.timeout_ms = options->timeout_ms};
	struct bus_end *end = mem_zalloc(sizeof *end);

	end->ops = ops;
	end->key = mem_text(options->key, strlen(options->key));
	list_init(&end->members);
	buffer_init(&end->channel, CHANNEL_MAX);
	classic_write_channel(end, &main_namespace, BUS_REQUEST, TEXT_NONE);
	bus_options.members = buffer_text(&end->channel);
	end->bus = bus_open(l, &bus_options, &classic_bus_ops, end);
	if (options->max_rooms > 0)
		end->rooms = bus_rooms_new(l, end->bus, options->max_rooms,
			options->linger_ms > 0 ? options->linger_ms : ROOM_LINGER_MS, &classic_rooms_ops);
	return end;
}

static void
classic_on_bus_closed(void *arg)
{
	struct bus_end *end = arg;
	void (*closed)(void *arg) = end->closed;
	void *closed_arg = end->closed_arg;

	buffer_fini(&end->channel);
	mem_free(end->key);
	mem_free(end);
	closed(closed_arg);
}

void
bus_classic_close(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&end->members));
	bus_rooms_free(end->rooms);
	end->rooms = NULL;
	end->closed = closed;
	end->closed_arg = arg;
	bus_close(end->bus, flush_ms, classic_on_bus_closed, end);
}

void
bus_classic_stats(const struct bus_end *end, struct bus_stats *out)
{
	bus_stats(end->bus, out);
	if (end->rooms != NULL)
		bus_rooms_stats(end->rooms, out);
}

bool
bus_classic_up(const struct bus_end *end)
{
	return bus_up(end->bus);
}

bool
bus_classic_flows(const struct bus_end *end)
{
	return bus_flows(end->bus);
}
