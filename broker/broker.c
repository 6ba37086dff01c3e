#include "broker/bus_keep.h"
#include "broker/broker_internal.h"
#include "broker/broker_members.h"
#include "broker/broker_trace.h"
#include "broker/bus_record.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUT_KEPT (256 * 1024) /* an output buffer larger than this is freed after use */

/* -------------------------------------------------------------- namespaces */

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

static const struct bus_form_ops form_ops = {broker_on_message, broker_on_settled, broker_on_own, broker_on_direct};

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

bool
broker_wait(struct broker *broker, struct bus_wait *wait)
{
	return broker->form->wait != NULL && broker->form->wait(broker->end, wait);
}

/* ------------------------------------------------------------------ broker */

static void
broker_free(void *arg)
{
	struct broker *broker = arg;
	void (*closed)(void *arg) = broker->closed;
	void *closed_arg = broker->closed_arg;

	must(list_empty(&broker->nsps) && broker->questions.count == 0);
	loop_call_cancel(&broker->call);
	broker_questions_fini(broker);
	broker_answering_fini(broker);
	broker_readings_fini(broker);
	wire_message_fini(&broker->message);
	buffer_fini(&broker->out);
	buffer_fini(&broker->entry);
	seal_free(broker->seal);
	mem_free(broker);
	if (closed != NULL)
		closed(closed_arg);
}

static void
broker_on_turn_end(struct loop_call *call)
{
	broker_questions_report(container_of(call, struct broker, call));
}

int
broker_new(struct broker **out, struct loop *l, const struct broker_options *options, const struct broker_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct broker *broker = mem_zalloc(sizeof *broker);
	int rc = options->form->open(&broker->end, l, &options->bus, &form_ops, error);

	if (rc < 0) {
		mem_free(broker);
		return rc;
	}
	broker->form = options->form;
	broker->codec = options->form->codec;
	broker->loop = l;
	broker->ops = ops;
	if (options->secret != NULL && options->secret[0] != '\0')
		broker->seal = seal_new(text_from(options->secret));
	if (broker->seal != NULL && options->secret_accepted != NULL && options->secret_accepted[0] != '\0')
		seal_accept(broker->seal, text_from(options->secret_accepted));
	broker->requests_timeout_ms = options->requests_timeout_ms;
	broker->visitor = options->visitor;
	broker->keeper = options->keeper && options->form->keep_open != NULL && !options->visitor;
	broker->by_stream = options->by_stream && options->form->stream_store != NULL && !options->visitor;
	list_init(&broker->nsps);
	broker_questions_init(broker);
	broker_answering_init(broker);
	broker_readings_init(broker);
	loop_call_init(&broker->call, broker_on_turn_end);
	wire_message_init(&broker->message);
	buffer_init(&broker->out, WIRE_PAYLOAD_MAX);
	buffer_init(&broker->entry, WIRE_PAYLOAD_MAX);
	broker_members_init(broker, options);
	*out = broker;
	return 0;
}

void
broker_close(struct broker *broker, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&broker->nsps));
	broker->closed = closed;
	broker->closed_arg = arg;
	broker_questions_report(broker);
	broker_members_fini(broker);
	broker->form->close(broker->end, flush_ms, broker_free, broker);
}

void
broker_stats(const struct broker *broker, struct broker_stats *out)
{
	*out = broker->stats;
	out->form = broker->form->id;
	out->waiting = broker->questions.count;
	if (broker->members != NULL)
		members_stats(broker->members, &out->members);
	broker->form->stats(broker->end, &out->bus);
}

bool
broker_up(const struct broker *broker)
{
	return broker->form->up(broker->end);
}

bool
broker_alone(const struct broker *broker)
{
	return broker->form->alone;
}

void
broker_drop_message(struct broker *broker, struct text channel, int error)
{
	if (error == ERROR_UNSUPPORTED)
		broker->stats.unsupported++;
	else if (error == ERROR_MEMORY)
		loop_count_no_memory(broker->loop);
	else
		broker->stats.malformed++;
	if (log_allow(&broker->log_limit, 1, broker->loop->now))
		log_event(LOG_WARN, "broker", "error", LOG_STR("message from another node dropped"), "reason",
			LOG_STR(error_text(error)), "channel", LOG_TEXT(channel), NULL);
}

void
broker_answer_lost(struct broker_nsp *nsp, struct text asker, int error)
{
	struct broker *broker = nsp->broker;

	broker->stats.unsent++;
	if (error == ERROR_MEMORY)
		loop_count_no_memory(broker->loop);
	if (log_allow(&broker->log_limit, 1, broker->loop->now))
		log_event(LOG_WARN, "broker", "error", LOG_STR("cannot send an answer to another node"), "reason",
			LOG_STR(error_text(error)), "channel",
			LOG_TEXT(broker->form->channel(broker->end, &nsp->member, BUS_RESPONSE, asker)), NULL);
}

void
broker_count_forged(struct broker *broker, struct text channel)
{
	broker->stats.forged++;
	if (log_allow(&broker->log_limit, 1, broker->loop->now))
		log_event(LOG_WARN, "broker", "error",
			LOG_STR("message without a valid redisSecret tag dropped: all nodes need the same secret"),
			"channel", LOG_TEXT(channel), NULL);
}

bool
broker_check_seal(struct broker *broker, struct text channel, struct text *payload)
{
	struct bus_stamp stamp;

	if (broker->seal == NULL)
		return true;
	bus_stamp_take(payload, true, &stamp); /* a node with a log has stamped the message */
	if (seal_take(broker->seal, channel, payload))
		return true;
	broker_count_forged(broker, channel);
	return false;
}

struct block *
broker_take_payload(struct broker_nsp *nsp, enum bus_kind kind, struct text address, int *rc)
{
	struct broker *broker = nsp->broker;
	struct block *payload = NULL;

	if (*rc == 0 && broker->seal != NULL)
		seal_add(broker->seal, broker->form->channel(broker->end, &nsp->member, kind, address), &broker->out);
	if (*rc == 0)
		*rc = buffer_error(&broker->out);
	if (*rc == 0)
		payload = block_try_copy(broker->out.data, broker->out.len);
	if (*rc == 0 && payload == NULL)
		*rc = ERROR_MEMORY;
	if (broker->out.size > OUT_KEPT)
		buffer_fini(&broker->out);
	buffer_reset(&broker->out);
	return payload;
}

/* `recorded`: a form with a log records the message; `event` is as in struct bus_form. */
static int
broker_publish_by(
	struct broker_nsp *nsp, bool recorded, uint64_t event, enum bus_kind kind, struct text address, int rc)
{
	const struct bus_form *form = nsp->broker->form;
	struct block *payload = broker_take_payload(nsp, kind, address, &rc);

	if (payload == NULL)
		return rc;
	if (log_debug())
		broker_trace_out(nsp, kind, kind == BUS_BROADCAST ? address : TEXT_NONE, payload->len);
	rc = recorded && form->record != NULL
		     ? form->record(nsp->broker->end, &nsp->member, kind, address, payload, event)
		     : form->publish(nsp->broker->end, &nsp->member, kind, address, payload);
	block_unref(payload);
	return rc;
}

int
broker_publish(struct broker_nsp *nsp, enum bus_kind kind, struct text address, int rc)
{
	return broker_publish_by(nsp, false, 0, kind, address, rc);
}

/* As broker_publish(), for a statement. A form with a log records it. */
static int
broker_record(struct broker_nsp *nsp, enum bus_kind kind, struct text address, int rc)
{
	return broker_publish_by(nsp, true, 0, kind, address, rc);
}

void
broker_publish_answer(struct broker_nsp *nsp, struct text asker, int rc)
{
	rc = broker_publish(nsp, BUS_RESPONSE, asker, rc);
	if (rc < 0)
		broker_answer_lost(nsp, asker, rc);
}

/* -------------------------------------------------------------- statements */

/* Returns true if a message would leave now. */
static bool
broker_flows(const struct broker *broker)
{
	const struct bus_form *form = broker->form;

	return form->flows != NULL ? form->flows(broker->end) : form->up(broker->end);
}

/* Returns the room whose channel gets the broadcast, or TEXT_NONE for the channel of the namespace. */
static struct text
broker_room_of(struct broker_nsp *nsp, const struct wire_target *to)
{
	if (to->room_count != 1 || broker_joined_lately(&nsp->joined, to->rooms[0], nsp->broker->loop->now))
		return TEXT_NONE;
	return to->rooms[0];
}

static int
broker_write_event(struct broker_nsp *nsp, const struct wire_target *to, const struct broker_event *event)
{
	const struct wire_from from = broker_from(nsp, TEXT_NONE);
	struct broker *broker = nsp->broker;

	if (event->late != NULL)
		return broker->codec->write_broadcast_late(&broker->out, &from, to, event->late);
	return broker->codec->write_broadcast(&broker->out, &from, to, event->data, event->attachments);
}

int
broker_write_broadcast(
	struct broker_nsp *nsp, const struct wire_target *to, bool apart, const struct broker_event *event)
{
	struct wire_target several = *to;
	struct text twice[2];

	if (!nsp->broker->form->strict_channels || to->room_count != 1 || apart)
		return broker_write_event(nsp, to, event);
	/* the other nodes expect a message that lists a single room on the channel of that room */
	twice[0] = twice[1] = to->rooms[0];
	several.rooms = twice;
	several.room_count = 2;
	return broker_write_event(nsp, &several, event);
}

static int
broker_publish_broadcast(struct broker_nsp *nsp, const struct wire_target *to, const struct broker_event *event)
{
	struct broker *broker = nsp->broker;
	struct text room;
	int rc;

	if (broker->form->alone)
		return 0;
	if ((to->flags & WIRE_VOLATILE) != 0 && !broker_flows(broker)) {
		broker->stats.volatile_dropped++;
		return 0;
	}
	room = broker_room_of(nsp, to);
	rc = broker_write_broadcast(nsp, to, room.at != NULL, event);
	broker->stats.broadcasts_out++;
	if ((to->flags & WIRE_VOLATILE) != 0)
		return broker_publish(nsp, BUS_BROADCAST, room, rc); /* a volatile event is not recorded */
	return broker_record(nsp, BUS_BROADCAST, room, rc);
}

int
broker_broadcast(
	struct broker_nsp *nsp, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	return broker_publish_broadcast(nsp, to, &(struct broker_event){.data = data, .attachments = attachments});
}

bool
broker_copies(const struct broker_nsp *nsp, const struct msgpack_values *values)
{
	return wire_copies(nsp->broker->codec, values);
}

int
broker_broadcast_late(struct broker_nsp *nsp, const struct wire_target *to, const struct wire_outgoing *event)
{
	return broker_publish_broadcast(nsp, to, &(struct broker_event){.late = event});
}

int
broker_broadcast_recorded(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t origin, uint64_t local, struct bus_keep *keep)
{
	const struct broker_event event = {.data = data, .attachments = attachments};
	const struct bus_keep_head head = {origin, local};
	struct text room = keep == NULL ? broker_room_of(nsp, to) : TEXT_NONE;
	struct broker *broker = nsp->broker;
	struct block *payload;
	int rc;

	if (broker->form->store != NULL) {
		room = broker_room_of(nsp, to);
		rc = broker_write_broadcast(nsp, to, room.at != NULL, &event);
		broker->stats.broadcasts_out++;
		return broker_publish_by(nsp, true, local, BUS_BROADCAST, room, rc);
	}
	bus_keep_head_add(&broker->out, &head);
	rc = broker_write_broadcast(nsp, to, room.at != NULL, &event);
	broker->stats.broadcasts_out += keep == NULL;
	if (keep == NULL)
		return broker_publish(nsp, BUS_BROADCAST, room, rc);
	payload = broker_take_payload(nsp, BUS_BROADCAST, room, &rc);
	return payload != NULL ? broker_keep_send_block(broker, keep, payload) : rc;
}

static int
broker_publish_request(struct broker_nsp *nsp, int rc)
{
	nsp->broker->stats.requests_out++;
	return broker_record(nsp, BUS_REQUEST, TEXT_NONE, rc);
}

static int
broker_publish_rooms(struct broker_nsp *nsp, enum wire_type type, const struct wire_target *who,
	const struct text *rooms, unsigned count)
{
	const struct wire_from from = broker_from(nsp, TEXT_NONE);
	struct broker *broker = nsp->broker;

	if (broker->form->alone)
		return 0;
	return broker_publish_request(nsp, broker->codec->write_rooms(&broker->out, &from, type, who, rooms, count));
}

int
broker_join(struct broker_nsp *nsp, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	const struct bus_form *form = nsp->broker->form;
	for (unsigned i = 0; form->room_appeared != NULL && i < count; i++)
		broker_joined_add(&nsp->joined, rooms[i], nsp->broker->loop->now);
	return broker_publish_rooms(nsp, WIRE_REMOTE_JOIN, who, rooms, count);
}

int
broker_leave(struct broker_nsp *nsp, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	return broker_publish_rooms(nsp, WIRE_REMOTE_LEAVE, who, rooms, count);
}

int
broker_disconnect(struct broker_nsp *nsp, const struct wire_target *who, bool close)
{
	const struct wire_from from = broker_from(nsp, TEXT_NONE);
	struct broker *broker = nsp->broker;

	if (broker->form->alone)
		return 0;
	return broker_publish_request(nsp, broker->codec->write_disconnect(&broker->out, &from, who, close));
}

int
broker_server_emit(struct broker_nsp *nsp, struct text data, const struct attachments *attachments)
{
	const struct wire_from from = broker_from(nsp, TEXT_NONE);
	struct broker *broker = nsp->broker;

	if (broker->form->alone)
		return 0;
	return broker_publish_request(nsp, broker->codec->write_server_emit(&broker->out, &from, data, attachments));
}
