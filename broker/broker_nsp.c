/* A namespace of the broker, and the messages of other nodes for it. */
#include "broker/broker_internal.h"
#include "broker/broker_members.h"
#include "broker/broker_trace.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"

static struct broker_nsp *
nsp_of_member(struct bus_member *member)
{
	return container_of(member, struct broker_nsp, member);
}

/* Recognises most messages of this node before they are decoded. */
static bool
broker_is_own(const struct broker_nsp *nsp, struct text payload)
{
	const struct wire_from from = broker_from(nsp, TEXT_NONE);

	if (nsp->broker->seal != NULL && payload.n >= SEAL_TAG)
		payload.n -= SEAL_TAG;
	return nsp->broker->codec->is_from(payload, &from);
}

/*
 * A message for one room has come by another channel than this node would choose. The sender then does not listen to
 * the channels that this node publishes to, or the reverse.
 */
static void
broker_check_mode(struct broker_nsp *nsp, const struct bus_message *message, const struct wire_message *decoded)
{
	struct broker *broker = nsp->broker;
	struct text room;

	if (!broker->form->strict_channels || broker->warned_of_mode || message->room.n > 0 ||
		decoded->target.room_count != 1 || decoded->rooms_listed != 1)
		return;
	room = decoded->target.rooms[0];
	if (text_is(message->channel, broker->form->channel(broker->end, &nsp->member, BUS_BROADCAST, room)))
		return;
	broker->warned_of_mode = true;
	log_event(LOG_WARN, "broker", "warning",
		LOG_STR("another node has another redisSubscriptionMode: some broadcasts for rooms do not arrive"),
		"uid", LOG_TEXT(decoded->uid), "channel", LOG_TEXT(message->channel), NULL);
}

/*
 * Nodes that share streams publish only questions and broadcasts with acknowledgements. Other published messages come
 * from the sharded adapter, which uses the same channels and does not read streams.
 */
static void
broker_check_adapter(
	const struct broker *broker, const struct bus_message *message, const struct wire_message *decoded)
{
	if (!broker->form->kept || message->id.n > 0 || broker->members == NULL)
		return;
	if ((decoded->type == WIRE_BROADCAST && !decoded->has_request_id) || decoded->type == WIRE_REMOTE_JOIN ||
		decoded->type == WIRE_REMOTE_LEAVE || decoded->type == WIRE_REMOTE_DISCONNECT)
		members_meet(broker->members, CONFLICT_SHARDED);
}

/*
 * Returns false if the message is a broadcast without a receiver on this node. The name of the channel is enough to
 * decide, so the payload need not be decoded.
 */
static bool
broker_has_receiver(const struct broker_nsp *nsp, const struct bus_message *message)
{
	const struct broker *broker = nsp->broker;

	if (message->room.n > 0)
		return broker->ops->has_room(nsp->owner, message->room);
	return !broker->codec->requests_apart || broker->ops->has_sockets(nsp->owner);
}

/*
 * The packet names its namespace, and only a packet for this namespace is delivered: a namespace's name may contain
 * "#", so its channel may match the pattern of another namespace.
 */
static void
broker_on_broadcast(struct broker_nsp *nsp, const struct bus_message *message)
{
	struct broker *broker = nsp->broker;
	struct wire_message *decoded = &broker->message;
	struct text payload = message->payload;
	uint64_t number = broker->keeper      ? broker_keep_number(broker, &payload)
			  : broker->by_stream ? message->entry
					      : 0;
	int rc;

	if (broker->ops->on_number != NULL)
		broker->ops->on_number(nsp->owner, number);
	if (broker_is_own(nsp, payload) || !broker_has_receiver(nsp, message)) {
		broker->stats.ignored++;
		return;
	}
	if (!broker_check_seal(broker, message->channel, &payload))
		return;
	rc = broker->codec->read_broadcast(decoded, payload);
	/* only classic nodes drop what the streams adapter publishes; others may meet types of other versions */
	if (rc == ERROR_UNSUPPORTED && broker->codec->requests_apart && broker->members != NULL)
		members_meet(broker->members, CONFLICT_STREAMS);
	if (rc < 0) {
		broker_drop_message(broker, message->channel, rc);
		return;
	}
	if (text_is(decoded->uid, broker_nsp_uid(nsp)) || !text_is(decoded->nsp, broker_nsp_name(nsp))) {
		broker->stats.ignored++;
		return;
	}
	broker_check_adapter(broker, message, decoded);
	if (decoded->type != WIRE_BROADCAST || decoded->has_request_id) {
		broker_respond(nsp, decoded);
		return;
	}
	broker_check_mode(nsp, message, decoded);
	broker->stats.broadcasts_in++;
	if (decoded->event.array.at != NULL)
		broker->ops->on_broadcast_late(nsp->owner, &decoded->target, &decoded->event);
	else
		broker->ops->on_broadcast(nsp->owner, &decoded->target, decoded->data, broker_attachments(decoded));
}

static void
broker_on_message(struct bus_member *member, const struct bus_message *message)
{
	struct broker_nsp *nsp = nsp_of_member(member);

	if (log_debug())
		broker_trace_in(nsp, message);
	switch (message->kind) {
	case BUS_BROADCAST:
		broker_on_broadcast(nsp, message);
		break;
	case BUS_REQUEST:
		broker_on_request(nsp, message);
		break;
	default:
		broker_on_response(nsp, message);
		break;
	}
}

static void
broker_on_settled(struct bus_member *member)
{
	struct broker_nsp *nsp = nsp_of_member(member);

	broker_questions_settled(nsp);
	nsp->broker->ops->on_settled(nsp->owner);
}

const struct bus_form_ops broker_form_ops = {broker_on_message, broker_on_settled, broker_on_own, broker_on_direct};

struct broker_nsp *
broker_nsp_new(struct broker *broker, struct text name, void *owner)
{
	struct broker_nsp *nsp =
		mem_zalloc(sizeof *nsp + name.n); /* small: the owner limits names to some hundred bytes */

	nsp->broker = broker;
	nsp->owner = owner;
	nsp->name_n = name.n;
	memcpy(nsp->name, name.at, name.n);
	broker_questions_begin(nsp);
	list_init(&nsp->replies);
	broker_joined_init(&nsp->joined);
	list_add_tail(&broker->nsps, &nsp->link);
	broker->codec->make_id(nsp->uid);
	nsp->member.name = broker_nsp_name(nsp);
	nsp->member.uid = broker_nsp_uid(nsp);
	nsp->member.visitor = broker->visitor;
	if (!broker->form->alone)
		broker->form->subscribe(broker->end, &nsp->member);
	members_touch(broker->members);
	return nsp;
}

void
broker_nsp_free(struct broker_nsp *nsp)
{
	if (nsp == NULL)
		return;
	broker_questions_end(nsp);
	broker_replies_end(nsp);
	broker_answering_end(nsp);
	broker_readings_end(nsp);
	if (!nsp->broker->form->alone)
		nsp->broker->form->unsubscribe(nsp->broker->end, &nsp->member);
	members_touch(nsp->broker->members);
	list_remove(&nsp->link);
	broker_joined_fini(&nsp->joined);
	mem_free(nsp);
}

bool
broker_nsp_awaits(struct broker_nsp *nsp)
{
	const struct bus_form *form = nsp->broker->form;

	return !form->alone && form->awaits(nsp->broker->end, &nsp->member);
}

void
broker_room_appeared(struct broker_nsp *nsp, struct text room, bool own)
{
	const struct bus_form *form = nsp->broker->form;

	if (form->room_appeared != NULL)
		form->room_appeared(nsp->broker->end, &nsp->member, room, own);
}

void
broker_room_empty(struct broker_nsp *nsp, struct text room)
{
	const struct bus_form *form = nsp->broker->form;

	if (form->room_empty != NULL)
		form->room_empty(nsp->broker->end, &nsp->member, room);
}
