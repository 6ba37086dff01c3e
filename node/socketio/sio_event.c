#include "node/socketio/sio_event.h"
#include "node/socketio/sio_check.h"

#include "broker/broker.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_received.h"

static void
event_run_listeners(
	struct sio_listeners *listeners, struct sio_socket *s, struct sio_event *event, const char *handler)
{
	SIO_RUN(listeners, &event->io->underway, s->nsp->name, handler, sio_event_fn, s, event);
}

/* A number used as an event name becomes the text that JavaScript would use for it as a property name. */
struct text
sio_event_name_of(struct buffer *out, struct text quoted)
{
	buffer_reset(out);
	if (quoted.n != 0 && quoted.at[0] == '"') {
		char *room = (char *)buffer_room(out, quoted.n + 1);

		if (room == NULL)
			return TEXT_NONE;
		out->len = json_string_decode_name(quoted, room);
	} else {
		json_write_double(out, json_number_double(quoted));
	}
	buffer_add_byte(out, '\0');
	if (buffer_error(out) != 0)
		return TEXT_NONE;
	return text_of((const char *)out->data, out->len - 1);
}

void
sio_event_dispatch_any(struct sio_event *event)
{
	struct sio_socket *s = event->socket;

	if (s->nsp->parent != NULL)
		event_run_listeners(&s->nsp->parent->any, s, event, event->name.at);
	event_run_listeners(&s->nsp->any, s, event, event->name.at);
	if (s->extra != NULL && s->extra->any != NULL && s->state == SIO_CONNECTED)
		event_run_listeners(&s->extra->any->received, s, event, event->name.at);
}

static bool
event_has_listeners(const struct sio_event *event)
{
	struct sio_socket *s = event->socket;

	return (s->nsp->parent != NULL && sio_event_listeners(&s->nsp->parent->events, event->name) != NULL) ||
	       sio_event_listeners(&s->nsp->events, event->name) != NULL ||
	       (s->extra != NULL && sio_event_listeners(&s->extra->events, event->name) != NULL);
}

static void
event_dispatch(struct sio_event *event)
{
	struct sio_socket *s = event->socket;

	if (s->nsp->parent != NULL)
		event_run_listeners(
			sio_event_listeners(&s->nsp->parent->events, event->name), s, event, event->name.at);
	event_run_listeners(sio_event_listeners(&s->nsp->events, event->name), s, event, event->name.at);
	if (s->extra != NULL && s->state == SIO_CONNECTED)
		event_run_listeners(sio_event_listeners(&s->extra->events, event->name), s, event, event->name.at);
}

static void
event_dispatch_measured(struct sio_event *event)
{
	uint64_t began = loop_clock_us();

	event_dispatch(event);
	sio_handler_times_add(&event->io->handler_times, event->name, loop_clock_us() - began);
}

void
sio_event_dispatch(struct sio_event *event)
{
	struct sio_socket *s = event->socket;

	if (s == NULL || s->state != SIO_CONNECTED)
		return;
	if (sio_handler_times_due(&event->io->handler_times) && event_has_listeners(event))
		event_dispatch_measured(event);
	else
		event_dispatch(event);
}

static void
event_copy_unref(struct sio_event *copy)
{
	must(copy->refs > 0);
	if (--copy->refs > 0)
		return;
	if (copy->socket != NULL) {
		sio_socket_waits_no_more(copy->socket, copy->bytes);
		if (copy->owner.no_memory)
			sio_client_no_memory(copy->socket->client);
	}
	if (copy->reply != NULL)
		copy->io->kept_server_events--;
	broker_reply_unref(copy->reply);
	list_remove(&copy->held.link);
	sio_value_owner_fini(&copy->owner);
	attachments_fini(&copy->attachments);
	sio_died(copy);
	sio_retire(copy);
}

/* The live event drops its reference to its copy. */
static void
event_release_copy(struct sio_event *event)
{
	event->kept->live = false;
	event_copy_unref(event->kept);
	event->kept = NULL;
}

/* Finds the indices of the first and the last value between `at` and `end`. */
static void
event_find_values(
	const struct sio_event *event, const uint8_t *at, const uint8_t *end, unsigned *first, unsigned *last)
{
	const struct msgpack_values *values = &event->list.values;
	struct msgpack_input in = {values->at, values->at + values->n};
	unsigned i = 0;

	for (; in.at < at; i++)
		must(msgpack_item_skip(&in) > 0);
	*first = i;
	do {
		must(msgpack_item_skip(&in) > 0);
		*last = i++;
	} while (in.at < end);
}

static void
event_set_texts(struct sio_event *event, const struct sio_packet *packet)
{
	struct msgpack_values values = event->list.values;

	event->owner.json = packet->data;
	event->owner.attachments = packet->blocks;
	event->list = sio_args_make(event->args, event->list.count, &event->owner);
	event->list.values = values;
}

/* Implements sio_value_owner.write: makes the texts of an event that came as MessagePack. */
static struct text
event_write(struct sio_value_owner *owner, const uint8_t *at, const uint8_t *end)
{
	struct sio_event *event = container_of(owner, struct sio_event, owner);
	unsigned first, last;

	if (owner->json.n == 0) {
		if (sio_received_write(event->io) != 0) {
			owner->no_memory = true;
			return TEXT_NONE;
		}
		event_set_texts(event, &event->io->packet);
	}
	if (at == NULL)
		return owner->json;
	event_find_values(event, at, end, &first, &last);
	return text_of(
		event->args[first].at, (size_t)(event->args[last].at + event->args[last].n - event->args[first].at));
}

/* The arguments follow the name. */
void
sio_event_received_late(struct sio_event *event, const struct sio_packet *packet)
{
	const uint8_t *end = packet->values.at + packet->values.n, *at = (const uint8_t *)packet->name.at;

	at += packet->name.n;
	event->list = (struct sio_args){.count = packet->argc - 1,
		.values = {at, (size_t)(end - at), packet->argc - 1, packet->values.bins},
		.owner = &event->owner};
	event->owner.write = event_write;
	event->owner.values_end = end;
	/* the owner of the namespace may have read the texts, so they have been made */
	if (packet->data.n != 0)
		event_set_texts(event, packet);
}

void
sio_event_outgoing(struct sio_event *event, struct text name, struct text json, const struct attachments *attachments,
	struct text *args)
{
	int n = json_array_split(json, args, SIO_ARGS_MAX, JSON_DEPTH_MAX);

	*event = (struct sio_event){.name = name, .args = args + 1};
	sio_born(SIO_AN_EVENT, event);
	sio_value_owner_init(&event->owner, json, attachments);
	event->list = sio_args_make(args + 1, n > 0 ? (unsigned)n - 1 : 0, &event->owner);
}

void
sio_event_outgoing_run(struct sio_event *event, struct sio_socket *s)
{
	event->socket = s;
	event->io = s->nsp->io;
	if (s->nsp->parent != NULL)
		event_run_listeners(&s->nsp->parent->any_outgoing, s, event, "any outgoing");
	event_run_listeners(&s->nsp->any_outgoing, s, event, "any outgoing");
	if (s->extra != NULL && s->extra->any != NULL)
		event_run_listeners(&s->extra->any->sent, s, event, "any outgoing");
	/* a copy that a listener kept belongs to this socket only, so the next socket gets a new one */
	if (event->kept != NULL)
		event_release_copy(event);
}

void
sio_event_fini(struct sio_event *event)
{
	sio_died(event);
	if (event->kept != NULL)
		event_release_copy(event);
	sio_value_owner_fini(&event->owner);
}

/* ------------------------------------------------------------- keeping */

static void
event_orphan(struct sio_held *held)
{
	container_of(held, struct sio_event, held)->socket = NULL;
}

/*
 * Copies the event in one allocation: the struct, the bounds of its arguments, the name, the JSON text. Returns NULL
 * if there is no memory.
 */
static struct sio_event *
event_copy_with_data(const struct sio_event *event)
{
	unsigned n = event->list.count;
	struct text json = event->owner.json;
	size_t texts = n * sizeof(struct text);
	struct sio_event *copy = mem_try_zalloc(sizeof *copy + texts + event->name.n + 1 + json.n);
	struct text *args = (struct text *)(copy + 1);
	char *name = (char *)args + texts, *at = name + event->name.n + 1;

	if (copy == NULL)
		return NULL;
	memcpy(name, event->name.at, event->name.n);
	memcpy(at, json.at, json.n);
	for (unsigned i = 0; i < n; i++)
		args[i] = text_of(at + (event->args[i].at - json.at), event->args[i].n);
	attachments_init(&copy->attachments);
	copy->bytes = sizeof *copy + texts + event->name.n + 1 + json.n;
	for (unsigned i = 0; event->owner.attachments != NULL && i < event->owner.attachments->count; i++) {
		attachments_add(&copy->attachments, event->owner.attachments->blocks[i]);
		copy->bytes += event->owner.attachments->blocks[i]->len;
	}
	copy->name = text_of(name, event->name.n);
	copy->args = args;
	sio_value_owner_init(&copy->owner, text_of(at, json.n), &copy->attachments);
	copy->list = sio_args_make(args, n, &copy->owner);
	return copy;
}

/*
 * If there is no memory for the data, the copy keeps only the sender and the right to answer, and the sender is
 * closed.
 */
static struct sio_event *
event_copy_without_data(const struct sio_event *event)
{
	struct sio_event *copy = mem_zalloc(sizeof *copy);

	copy->bytes = sizeof *copy;
	copy->name = TEXT("");
	attachments_init(&copy->attachments);
	sio_value_owner_init(&copy->owner, TEXT_NONE, NULL);
	copy->list = sio_args_make(NULL, 0, &copy->owner);
	if (event->socket != NULL)
		sio_client_no_memory(event->socket->client);
	else
		loop_count_no_memory(event->io->loop);
	return copy;
}

static struct sio_event *
event_copy(struct sio_event *event)
{
	bool late = event->list.values.at != NULL && event->owner.json.n == 0;
	struct sio_event *copy = NULL;

	if (!late || event_write(&event->owner, NULL, NULL).n != 0)
		copy = event_copy_with_data(event);
	if (copy == NULL)
		copy = event_copy_without_data(event);
	sio_born(SIO_AN_EVENT, copy);
	sio_held_init(&copy->held, event_orphan);
	copy->id = event->id;
	copy->wants_ack = event->wants_ack;
	copy->answered = event->answered;
	copy->io = event->io;
	if (event->reply != NULL) {
		copy->reply = broker_reply_ref(event->reply);
		copy->io->kept_server_events++;
	}
	return copy;
}

sio_event *
sio_event_keep(sio_event *event)
{
	SIO_NEEDS(SIO_AN_EVENT, event, NULL);
	struct sio_event *copy = event->refs != 0 ? event : event->kept;

	if (copy != NULL) {
		copy->refs++;
		return copy;
	}
	copy = event_copy(event);
	copy->refs = 2; /* one for the live event, one for the caller */
	copy->live = true;
	event->kept = copy;
	if (event->socket != NULL && event->socket->state != SIO_GONE) {
		copy->socket = event->socket;
		list_add_tail(&sio_socket_extra(copy->socket)->held, &copy->held.link);
		sio_socket_waits(copy->socket, copy->bytes);
	}
	return copy;
}

void
sio_event_release(sio_event *copy)
{
	if (copy == NULL)
		return;
	SIO_NEEDS(SIO_AN_EVENT, copy, );
	SIO_NEEDS_GOOD(SIO_AN_EVENT, copy->refs > copy->live, );
	event_copy_unref(copy);
}

/* -------------------------------------------------------------- reading */

const char *
sio_event_name(const sio_event *event)
{
	SIO_NEEDS(SIO_AN_EVENT, event, NULL);
	return event->name.at;
}

unsigned
sio_argc(const sio_event *event)
{
	SIO_NEEDS(SIO_AN_EVENT, event, 0);
	return event->list.count;
}

/* Returns an argument of an event that came as MessagePack and whose text has not been made. */
static sio_value
event_late_arg(const struct sio_event *event, unsigned index)
{
	struct msgpack_input in = {event->list.values.at, event->owner.values_end};

	while (index-- > 0)
		must(msgpack_item_skip(&in) > 0);
	return sio_value_late(&event->owner, in.at);
}

sio_value
sio_arg(const sio_event *event, unsigned index)
{
	SIO_NEEDS(SIO_AN_EVENT, event, sio_value_none());
	if (index >= event->list.count)
		return sio_value_none();
	if (__builtin_expect(event->owner.json.n == 0, 0))
		return event_late_arg(event, index);
	return sio_value_make(event->args[index], &event->owner);
}

const struct sio_args *
sio_event_args(const struct sio_event *event)
{
	return &event->list;
}

bool
sio_wants_ack(const sio_event *event)
{
	SIO_NEEDS(SIO_AN_EVENT, event, false);
	return event->wants_ack;
}

sio_socket *
sio_event_socket(const sio_event *event)
{
	SIO_NEEDS(SIO_AN_EVENT, event, NULL);
	return event->socket != NULL && sio_connected(event->socket) ? event->socket : NULL;
}
