#include "broker/broker_internal.h"
#include "broker/broker_trace.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUT_KEPT (256 * 1024) /* a scratch buffer that grew beyond is given back */

/* -------------------------------------------------------------- namespaces */

static struct broker_nsp *
nsp_of(struct bus_member *m)
{
	return container_of(m, struct broker_nsp, member);
}

/* Whatever the way of it was, the packet says for which namespace it is: names may contain "#". */
static void
on_broadcast(struct broker_nsp *n, const struct bus_message *message)
{
	struct broker *b = n->broker;
	struct wire_message *m = &b->message;
	struct text payload = message->payload;
	int rc;

	if (wire_is_from(payload, broker_nsp_uid(n)) ||
		(message->room.n > 0 && !b->ops->has_room(n->owner, message->room))) {
		b->stats.ignored++;
		return;
	}
	if (!broker_open_seal(b, message->channel, &payload))
		return;
	rc = wire_read_broadcast(m, payload);
	if (rc < 0) {
		broker_refuse(b, message->channel, rc);
		return;
	}
	if (text_is(m->uid, broker_nsp_uid(n)) || !text_is(m->nsp, broker_nsp_name(n))) {
		b->stats.ignored++;
		return;
	}
	b->stats.broadcasts_in++;
	b->ops->on_broadcast(n->owner, &m->target, m->data, broker_attachments(m));
}

static void
on_message(struct bus_member *m, const struct bus_message *message)
{
	struct broker_nsp *n = nsp_of(m);

	if (log_debug())
		broker_trace_in(n, message);
	switch (message->kind) {
	case BUS_BROADCAST:
		on_broadcast(n, message);
		break;
	case BUS_REQUEST:
		broker_on_request(n, message);
		break;
	default:
		broker_on_response(n, message);
		break;
	}
}

static void
on_settled(struct bus_member *m)
{
	struct broker_nsp *n = nsp_of(m);

	broker_questions_settled(n);
	n->broker->ops->on_settled(n->owner);
}

static const struct bus_form_ops form_ops = {on_message, on_settled};

struct broker_nsp *
broker_nsp_new(struct broker *b, struct text name, void *owner)
{
	struct broker_nsp *n =
		mem_zalloc(sizeof *n + name.n); /* small: the owner limits names to some hundred bytes */

	n->broker = b;
	n->owner = owner;
	n->name_n = name.n;
	memcpy(n->name, name.at, name.n);
	list_init(&n->questions);
	list_init(&n->held);
	list_init(&n->replies);
	list_add_tail(&b->nsps, &n->link);
	wire_make_id(n->uid, sizeof n->uid);
	n->member.name = broker_nsp_name(n);
	n->member.uid = broker_nsp_uid(n);
	n->member.visitor = b->visitor;
	if (!b->form->alone)
		b->form->subscribe(b->end, &n->member);
	return n;
}

void
broker_nsp_free(struct broker_nsp *n)
{
	if (n == NULL)
		return;
	broker_questions_end(n);
	broker_replies_end(n);
	if (!n->broker->form->alone)
		n->broker->form->unsubscribe(n->broker->end, &n->member);
	list_remove(&n->link);
	mem_free(n);
}

bool
broker_nsp_awaits(struct broker_nsp *n)
{
	const struct bus_form *form = n->broker->form;

	return !form->alone && form->awaits(n->broker->end, &n->member);
}

void
broker_room_appeared(struct broker_nsp *n, struct text room, bool own)
{
	const struct bus_form *form = n->broker->form;

	if (form->room_appeared != NULL)
		form->room_appeared(n->broker->end, &n->member, room, own);
}

void
broker_room_empty(struct broker_nsp *n, struct text room)
{
	const struct bus_form *form = n->broker->form;

	if (form->room_empty != NULL)
		form->room_empty(n->broker->end, &n->member, room);
}

/* ------------------------------------------------------------------ broker */

static void
broker_free(void *arg)
{
	struct broker *b = arg;
	void (*closed)(void *arg) = b->closed;
	void *closed_arg = b->closed_arg;

	must(list_empty(&b->nsps) && b->questions.count == 0);
	loop_call_cancel(&b->call);
	table_fini(&b->questions);
	table_fini(&b->handles);
	wire_message_fini(&b->message);
	buffer_fini(&b->out);
	seal_free(b->seal);
	mem_free(b);
	if (closed != NULL)
		closed(closed_arg);
}

static void
on_call(struct loop_call *call)
{
	broker_questions_tell(container_of(call, struct broker, call));
}

int
broker_new(struct broker **out, struct loop *l, const struct broker_options *o, const struct broker_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct broker *b = mem_zalloc(sizeof *b);
	int rc = o->form->open(&b->end, l, &o->bus, &form_ops, error);

	if (rc < 0) {
		mem_free(b);
		return rc;
	}
	b->form = o->form;
	b->loop = l;
	b->ops = ops;
	if (o->secret != NULL && o->secret[0] != '\0')
		b->seal = seal_new(text_from(o->secret));
	b->requests_timeout_ms = o->requests_timeout_ms;
	b->visitor = o->visitor;
	list_init(&b->nsps);
	list_init(&b->ended);
	table_init(&b->questions);
	table_init(&b->handles);
	loop_call_init(&b->call, on_call);
	wire_message_init(&b->message);
	buffer_init(&b->out, WIRE_PAYLOAD_MAX);
	*out = b;
	return 0;
}

void
broker_close(struct broker *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&b->nsps));
	b->closed = closed;
	b->closed_arg = arg;
	broker_questions_tell(b);
	b->form->close(b->end, flush_ms, broker_free, b);
}

void
broker_stats(const struct broker *b, struct broker_stats *out)
{
	*out = b->stats;
	out->form = b->form->id;
	out->waiting = b->questions.count;
	b->form->stats(b->end, &out->bus);
}

bool
broker_alone(const struct broker *b)
{
	return b->form->alone;
}

void
broker_refuse(struct broker *b, struct text channel, int error)
{
	if (error == ERROR_UNSUPPORTED)
		b->stats.unsupported++;
	else if (error == ERROR_MEMORY)
		loop_count_no_memory(b->loop);
	else
		b->stats.malformed++;
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "broker", "error", LOG_STR("a message of another node was dropped"), "reason",
			LOG_STR(error_text(error)), "channel", LOG_TEXT(channel), NULL);
}

void
broker_unsent(struct broker *b, struct text channel, int error)
{
	b->stats.unsent++;
	if (error == ERROR_MEMORY)
		loop_count_no_memory(b->loop);
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "broker", "error", LOG_STR("an answer to another node could not be sent"),
			"reason", LOG_STR(error_text(error)), "channel", LOG_TEXT(channel), NULL);
}

bool
broker_open_seal(struct broker *b, struct text channel, struct text *payload)
{
	if (b->seal == NULL || seal_take(b->seal, channel, payload))
		return true;
	b->stats.forged++;
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "broker", "error",
			LOG_STR("a message without the tag of redisSecret was dropped: all nodes need the same "
				"secret"),
			"channel", LOG_TEXT(channel), NULL);
	return false;
}

struct block *
broker_finish(struct broker_nsp *n, enum bus_kind kind, struct text room, int *rc)
{
	struct broker *b = n->broker;
	struct block *payload = NULL;

	if (*rc == 0 && b->seal != NULL)
		seal_add(b->seal, b->form->channel(b->end, &n->member, kind, room), &b->out);
	if (*rc == 0)
		*rc = buffer_error(&b->out);
	if (*rc == 0)
		payload = block_try_copy(b->out.data, b->out.len);
	if (*rc == 0 && payload == NULL)
		*rc = ERROR_MEMORY;
	if (b->out.size > OUT_KEPT)
		buffer_fini(&b->out);
	buffer_reset(&b->out);
	return payload;
}

int
broker_publish(struct broker_nsp *n, enum bus_kind kind, struct text room, int rc)
{
	struct block *payload = broker_finish(n, kind, room, &rc);

	if (payload == NULL)
		return rc;
	if (log_debug())
		broker_trace_out(n, kind, room, payload->len);
	rc = n->broker->form->publish(n->broker->end, &n->member, kind, room, payload);
	block_unref(payload);
	return rc;
}

/* -------------------------------------------------------------- statements */

int
broker_broadcast(
	struct broker_nsp *n, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	struct broker *b = n->broker;
	int rc;

	if (b->form->alone)
		return 0;
	rc = wire_write_broadcast(&b->out, broker_nsp_uid(n), broker_nsp_name(n), to, data, attachments);
	b->stats.broadcasts_out++;
	return broker_publish(n, BUS_BROADCAST, to->room_count == 1 ? to->rooms[0] : TEXT_NONE, rc);
}

static int
publish_request(struct broker_nsp *n, int rc)
{
	n->broker->stats.requests_out++;
	return broker_publish(n, BUS_REQUEST, TEXT_NONE, rc);
}

static int
write_rooms(struct broker_nsp *n, enum wire_type type, const struct wire_target *who, const struct text *rooms,
	unsigned count)
{
	if (n->broker->form->alone)
		return 0;
	return publish_request(n, wire_write_rooms(&n->broker->out, type, broker_nsp_uid(n), who, rooms, count));
}

int
broker_join(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	return write_rooms(n, WIRE_REMOTE_JOIN, who, rooms, count);
}

int
broker_leave(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	return write_rooms(n, WIRE_REMOTE_LEAVE, who, rooms, count);
}

int
broker_disconnect(struct broker_nsp *n, const struct wire_target *who, bool close)
{
	if (n->broker->form->alone)
		return 0;
	return publish_request(n, wire_write_disconnect(&n->broker->out, broker_nsp_uid(n), who, close));
}

int
broker_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments)
{
	if (n->broker->form->alone)
		return 0;
	return publish_request(
		n, wire_write_server_emit(&n->broker->out, broker_nsp_uid(n), TEXT_NONE, data, attachments));
}
