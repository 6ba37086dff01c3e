/* Handles the requests of other nodes and of emitters. A request that asks for an answer is answered once. */
#include "broker/broker_internal.h"
#include "common/base/error.h"

static void
respond_server_emit(struct broker_nsp *nsp, const struct wire_message *decoded)
{
	struct broker_reply *reply =
		decoded->has_request_id ? broker_reply_new(nsp, decoded->uid, decoded->request_id) : NULL;

	nsp->broker->ops->on_server_emit(nsp->owner, decoded->data, broker_attachments(decoded), reply);
	broker_reply_unref(reply);
}

static void
respond_broadcast(struct broker_nsp *nsp, const struct wire_message *decoded)
{
	struct broker_reply *reply;

	if (!text_is(decoded->nsp, broker_nsp_name(nsp))) {
		nsp->broker->stats.ignored++;
		return;
	}
	nsp->broker->stats.broadcasts_in++;
	reply = broker_reply_new(nsp, decoded->uid, decoded->request_id);
	nsp->broker->ops->on_broadcast_ack(
		nsp->owner, &decoded->target, decoded->data, broker_attachments(decoded), reply);
	broker_reply_unref(reply);
}

/*
 * Handles joins, leaves and disconnects. The legacy forms name one socket; only the node that has the socket answers.
 */
static void
apply_request(struct broker_nsp *nsp, const struct wire_message *decoded)
{
	const struct wire_from from = broker_from(nsp, decoded->request_id);
	struct broker *broker = nsp->broker;
	const struct broker_ops *ops = broker->ops;
	struct wire_target who = decoded->target;

	if (!decoded->has_target) {
		who = (struct wire_target){.rooms = &decoded->sid, .room_count = 1};
		if (!ops->has_room(nsp->owner, decoded->sid))
			return;
	}
	if (decoded->type == WIRE_REMOTE_JOIN)
		ops->on_join(nsp->owner, &who, decoded->listed_rooms, decoded->listed_room_count);
	else if (decoded->type == WIRE_REMOTE_LEAVE)
		ops->on_leave(nsp->owner, &who, decoded->listed_rooms, decoded->listed_room_count);
	else
		ops->on_disconnect(nsp->owner, &who, decoded->close);
	if (!decoded->has_target && decoded->has_request_id)
		broker_publish_answer(nsp, decoded->uid, broker->codec->write_done_reply(&broker->out, &from));
}

void
broker_on_request(struct broker_nsp *nsp, const struct bus_message *message)
{
	struct broker *broker = nsp->broker;
	struct wire_message *decoded = &broker->message;
	struct text payload = message->payload;
	int rc;

	if (!broker_check_seal(broker, message->channel, &payload))
		return;
	rc = broker->codec->read_request(decoded, payload);
	if (rc < 0) {
		broker_drop_message(broker, message->channel, rc);
		return;
	}
	if (text_is(decoded->uid, broker_nsp_uid(nsp))) {
		broker->stats.ignored++; /* this node has already handled its own sockets */
		return;
	}
	broker_respond(nsp, decoded);
}

void
broker_respond(struct broker_nsp *nsp, const struct wire_message *decoded)
{
	const struct wire_target in_rooms = {
		.rooms = decoded->listed_rooms, .room_count = decoded->listed_room_count};

	nsp->broker->stats.requests_in++;
	switch (decoded->type) {
	case WIRE_SOCKETS:
		broker_answer_list(nsp, decoded, &in_rooms);
		break;
	case WIRE_ALL_ROOMS:
	case WIRE_REMOTE_FETCH:
		broker_answer_list(nsp, decoded, &decoded->target);
		break;
	case WIRE_SERVER_SIDE_EMIT:
		respond_server_emit(nsp, decoded);
		break;
	case WIRE_BROADCAST:
		respond_broadcast(nsp, decoded);
		break;
	default:
		apply_request(nsp, decoded);
		break;
	}
}
