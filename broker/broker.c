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
	int rc = options->form->open(&broker->end, l, &options->bus, &broker_form_ops, error);

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

bool
broker_wait(struct broker *broker, struct bus_wait *wait)
{
	return broker->form->wait != NULL && broker->form->wait(broker->end, wait);
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
	if (!broker->visitor || broker->form->store == NULL)
		return broker_record(nsp, BUS_BROADCAST, room, rc);
	/* the numbers show the nodes that no event of the visitor is missing from the log */
	rc = broker_publish_by(nsp, true, broker->visitor_events + 1, BUS_BROADCAST, room, rc);
	broker->visitor_events += rc >= 0;
	return rc;
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
