/* Requests of other nodes and of emitters, each answered once where an answer is due. */
#include "broker/broker_internal.h"
#include "common/base/error.h"

/* Publishes b->out to whoever asked. */
static void
respond(struct broker_nsp *n, int rc)
{
	rc = broker_publish(n, BUS_RESPONSE, TEXT_NONE, rc);
	if (rc < 0)
		broker_unsent(n->broker, broker_channel(n, BUS_RESPONSE), rc);
}

/* What does not fit a message is answered by nothing in it: a node that stays silent makes the asker wait. */
static struct text
or_empty(struct broker *b, struct buffer *json)
{
	if (buffer_error(json) == 0)
		return buffer_text(json);
	log_event(LOG_ERROR, "broker", "error",
		LOG_STR("an answer is larger than a message may be; it is sent empty"), "waiting",
		LOG_INT(b->questions.count), NULL);
	return TEXT("[]");
}

/* True: there was no memory for the answer. It is not sent, so that the asker does not take it for "nobody". */
static bool
unmade(struct broker_nsp *n, const struct buffer *json)
{
	if (buffer_error(json) != ERROR_MEMORY)
		return false;
	broker_unsent(n->broker, broker_channel(n, BUS_REQUEST), ERROR_MEMORY);
	return true;
}

static void
respond_fetch(struct broker_nsp *n, const struct wire_message *m)
{
	struct broker *b = n->broker;
	struct attachments attachments;
	struct buffer json;

	attachments_init(&attachments);
	buffer_init(&json, WIRE_PAYLOAD_MAX / 2);
	b->ops->on_fetch(n->owner, &m->target, &json, &attachments);
	if (!unmade(n, &json))
		respond(n, wire_write_sockets_reply(&b->out, m->request_id, or_empty(b, &json), &attachments));
	buffer_fini(&json);
	attachments_fini(&attachments);
}

static void
respond_sockets(struct broker_nsp *n, const struct wire_message *m)
{
	struct wire_target who = {.rooms = m->names_to, .room_count = m->names_to_count};
	struct broker *b = n->broker;
	struct buffer json;

	buffer_init(&json, WIRE_PAYLOAD_MAX / 2);
	b->ops->on_sockets(n->owner, &who, &json);
	if (!unmade(n, &json))
		respond(n, wire_write_sockets_reply(&b->out, m->request_id, or_empty(b, &json), NULL));
	buffer_fini(&json);
}

static void
respond_all_rooms(struct broker_nsp *n, const struct wire_message *m)
{
	struct broker *b = n->broker;
	struct buffer json;

	buffer_init(&json, WIRE_PAYLOAD_MAX / 2);
	b->ops->on_all_rooms(n->owner, &json);
	if (!unmade(n, &json))
		respond(n, wire_write_rooms_reply(&b->out, m->request_id, or_empty(b, &json)));
	buffer_fini(&json);
}

static void
respond_server_emit(struct broker_nsp *n, const struct wire_message *m)
{
	struct broker_reply *reply = m->has_request_id ? broker_reply_new(n, m->request_id) : NULL;

	n->broker->ops->on_server_emit(n->owner, m->data, broker_attachments(m), reply);
	broker_reply_unref(reply);
}

static void
respond_broadcast(struct broker_nsp *n, const struct wire_message *m)
{
	struct broker_reply *reply;

	if (!text_is(m->nsp, broker_nsp_name(n))) {
		n->broker->stats.ignored++;
		return;
	}
	n->broker->stats.broadcasts_in++;
	reply = broker_reply_new(n, m->request_id);
	n->broker->ops->on_broadcast_ack(n->owner, &m->target, m->data, broker_attachments(m), reply);
	broker_reply_unref(reply);
}

/* Joins, leaves and disconnects; the old forms name one socket, whose node answers. */
static void
obey(struct broker_nsp *n, const struct wire_message *m)
{
	const struct broker_ops *ops = n->broker->ops;
	struct wire_target who = m->target;

	if (!m->has_target) {
		who = (struct wire_target){.rooms = &m->sid, .room_count = 1};
		if (!ops->has_room(n->owner, m->sid))
			return;
	}
	if (m->type == WIRE_REMOTE_JOIN)
		ops->on_join(n->owner, &who, m->names_to, m->names_to_count);
	else if (m->type == WIRE_REMOTE_LEAVE)
		ops->on_leave(n->owner, &who, m->names_to, m->names_to_count);
	else
		ops->on_disconnect(n->owner, &who, m->close);
	if (!m->has_target && m->has_request_id)
		respond(n, wire_write_done_reply(&n->broker->out, m->request_id));
}

void
broker_on_request(struct broker_nsp *n, const struct bus_message *message)
{
	struct broker *b = n->broker;
	struct wire_message *m = &b->message;
	struct text payload = message->payload;
	int rc;

	if (!broker_open_seal(b, message->channel, &payload))
		return;
	rc = wire_read_request(m, payload);
	if (rc < 0) {
		broker_refuse(b, message->channel, rc);
		return;
	}
	if (text_is(m->uid, broker_nsp_uid(n))) {
		b->stats.ignored++; /* this node has served itself */
		return;
	}
	b->stats.requests_in++;
	switch (m->type) {
	case WIRE_SOCKETS:
		respond_sockets(n, m);
		break;
	case WIRE_ALL_ROOMS:
		respond_all_rooms(n, m);
		break;
	case WIRE_REMOTE_FETCH:
		respond_fetch(n, m);
		break;
	case WIRE_SERVER_SIDE_EMIT:
		respond_server_emit(n, m);
		break;
	case WIRE_BROADCAST:
		respond_broadcast(n, m);
		break;
	default:
		obey(n, m);
		break;
	}
}
