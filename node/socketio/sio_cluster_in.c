/* Requests from other nodes: struct broker_ops. All of this is untrusted input. */
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/must.h"
#include "node/socketio/sio_arrival.h"
#include "node/socketio/sio_cluster_in.h"
#include "node/socketio/sio_deliver.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_fetched.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_presence_peers.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_server_event.h"
#include "node/socketio/sio_stream_state.h"
#include "node/socketio/sio_tables.h"

#define MARK_MAX 256 /* bytes of the observer's mark of a socket */

static struct sio_selector
selector_of(const struct wire_target *to)
{
	return (struct sio_selector){.rooms = to->rooms,
		.except = to->except,
		.rooms_count = to->room_count,
		.except_count = to->except_count};
}

static void
cluster_in_refuse(struct sio_nsp *nsp, const char *why)
{
	counter_add(&nsp->io->loop->counters, COUNT_CLUSTER_REFUSED, 1);
	sio_log_limit(&nsp->io->turn, "cluster_event_refused", TEXT_NONE, why);
}

/* ------------------------------------------------------------- broadcasts */

/*
 * The message may contain more attachments than the event uses, and may number them differently. Clients get exactly
 * the attachments of the event. Without attachments the text is used as it is.
 */
static int
emission_take(struct sio_emission *emission, struct text data, const struct attachments *attachments)
{
	struct sio_payload *payload = &emission->scratch->payload;
	struct text rest = data, name;
	int rc;

	emission->what = (struct sio_content){.json = data};
	if (!json_array_next(&rest, &name) || !sio_event_name_allowed(name))
		return ERROR_SYNTAX;
	if (attachments == NULL || attachments->count == 0)
		return 0;
	rc = json_placeholders_copy(data, attachments, &payload->attachments, &payload->json);
	emission->what = sio_payload_content(payload);
	return rc;
}

static void
reply_count(void *arg, unsigned receivers)
{
	broker_reply_count(broker_reply_ref(arg), receivers);
}

static void
reply_add(void *arg, struct sio_socket *s, const struct sio_packet *packet)
{
	(void)s;
	broker_reply_ack(arg, packet->argc != 0 ? packet->args[0] : TEXT_NONE, packet->blocks);
}

static void
reply_release(void *arg)
{
	broker_reply_unref(arg);
}

static const struct sio_sink sink_to_asker = {.count = reply_count, .answer = reply_add, .end = reply_release};

/*
 * Returns true if this process records the events of other nodes. With several workers the hub records them; in
 * streams mode the stream has them.
 */
static bool
cluster_in_records(const struct sio_nsp *nsp)
{
	return sio_recovery_on(nsp) && nsp->io->recovery->keep == NULL && nsp->io->recovery->stream == NULL;
}

static void
cluster_in_on_number(void *owner, uint64_t number)
{
	const struct sio_nsp *nsp = owner;

	if (nsp->io->recovery != NULL && nsp->io->recovery->stream != NULL)
		nsp->io->recovery->stream->entry = number;
	else
		sio_keep_number(owner, number);
}

static void
cluster_in_on_own(void *owner, uint64_t number, uint64_t entry)
{
	const struct sio_nsp *nsp = owner;

	if (nsp->io->recovery != NULL && nsp->io->recovery->stream != NULL)
		nsp->io->recovery->stream->ops->on_own(owner, number, entry);
}

static void
cluster_in_on_direct(void *owner, struct text message)
{
	const struct sio_nsp *nsp = owner;

	if (nsp->io->recovery != NULL && nsp->io->recovery->stream != NULL)
		nsp->io->recovery->stream->ops->on_direct(owner, message);
}

struct cluster_in_emission {
	struct sio_emission emission;
	struct sio_selector who;
	int rc; /* result of the emission, or of the selection if the event is not emitted */
};

/* Selects the receivers. Returns false if the event need not be emitted. cluster_in_end() follows in any case. */
static bool
cluster_in_begin(struct cluster_in_emission *in, struct sio_nsp *nsp, const struct wire_target *to)
{
	in->emission = (struct sio_emission){.nsp = nsp,
		.name = TEXT_NONE,
		.flags = ((to->flags & WIRE_VOLATILE) != 0 ? SIO_FLAG_VOLATILE : 0u) |
			 ((to->flags & WIRE_NO_COMPRESS) != 0 ? SIO_FLAG_NO_COMPRESS : 0u),
		.timeout_ms = BROKER_REPLY_MS,
		.remote = true,
		.mark = to->mark,
		.entry = sio_recovery_on(nsp) && nsp->io->recovery->stream != NULL ? nsp->io->recovery->stream->entry
										   : 0,
		.scratch = sio_scratch_take(&nsp->io->turn)};
	in->who = selector_of(to);
	in->rc = sio_rooms_select(nsp, &in->who, &in->emission.scratch->selection);
	return in->emission.scratch->selection.count != 0 || cluster_in_records(nsp);
}

static void
cluster_in_end(struct cluster_in_emission *in)
{
	if (in->rc < 0)
		cluster_in_refuse(in->emission.nsp, sio_error_text(in->rc));
	sio_scratch_give(&in->emission.nsp->io->turn, in->emission.scratch);
}

/* `reply` NULL: no acknowledgements. Otherwise the asker gets the number of clients, 0 for a refused event. */
static void
cluster_in_broadcast(struct sio_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, struct broker_reply *reply)
{
	struct cluster_in_emission in;

	if (cluster_in_begin(&in, nsp, to)) {
		in.rc = emission_take(&in.emission, data, attachments);
		if (in.rc == 0)
			in.rc = sio_emission_here(
				&in.emission, &in.who, reply != NULL ? &sink_to_asker : NULL, reply);
	}
	if (in.rc <= 0 && reply != NULL)
		broker_reply_count(reply, 0);
	cluster_in_end(&in);
}

static void
cluster_in_on_broadcast(
	void *owner, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	cluster_in_broadcast(owner, to, data, attachments, NULL);
}

/* An event whose array is still MessagePack. cluster_in_write_event() writes its text to `payload`. */
struct cluster_in_event {
	struct sio_late late;
	struct text array;
	struct sio_payload *payload;
};

static int
cluster_in_write_event(struct sio_late *late, struct sio_content *out)
{
	struct cluster_in_event *event = container_of(late, struct cluster_in_event, late);
	struct sio_payload *payload = event->payload;
	int64_t n;

	if (payload->json.len == 0) {
		n = msgpack_to_json((const uint8_t *)event->array.at, event->array.n, JSON_DEPTH_MAX,
			&payload->attachments, &payload->json);
		if (n <= 0)
			return n == ERROR_MEMORY ? SIO_ERR_SYSTEM : SIO_ERR_TOO_BIG;
	}
	*out = sio_payload_text(payload);
	out->late = late;
	return 0;
}

/* Splits the array into the name, its first element, and the values. */
static void
cluster_in_take_event(struct cluster_in_event *out, const struct wire_event *event, struct sio_payload *payload)
{
	struct msgpack_input in = {event->values.at, event->values.at + event->values.n};
	struct msgpack_item name;

	must(msgpack_item_read(&in, &name) > 0 && name.kind == MSGPACK_KIND_STR);
	*out = (struct cluster_in_event){
		.late = {.name = name.body,
			.values = {in.at, (size_t)(in.end - in.at), event->values.count - 1, event->values.bins},
			.write = cluster_in_write_event},
		.array = event->array,
		.payload = payload};
}

static void
cluster_in_on_broadcast_late(void *owner, const struct wire_target *to, const struct wire_event *event)
{
	struct cluster_in_emission in;
	struct cluster_in_event taken;

	if (cluster_in_begin(&in, owner, to)) {
		cluster_in_take_event(&taken, event, &in.emission.scratch->payload);
		in.emission.what = (struct sio_content){.late = &taken.late};
		in.rc = sio_event_name_reserved(taken.late.name)
				? ERROR_SYNTAX
				: sio_emission_here(&in.emission, &in.who, NULL, NULL);
	}
	cluster_in_end(&in);
}

static void
cluster_in_on_broadcast_ack(void *owner, const struct wire_target *to, struct text data,
	const struct attachments *attachments, struct broker_reply *reply)
{
	cluster_in_broadcast(owner, to, data, attachments, reply);
}

/* ------------------------------------------------------------------ rooms */

static bool
cluster_in_has_room(void *owner, struct text room)
{
	/* a recorded event may be for a socket that is away */
	return sio_rooms_exists(owner, room) || cluster_in_records(owner);
}

static bool
cluster_in_has_sockets(void *owner)
{
	const struct sio_nsp *nsp = owner;

	return nsp->count > 0 || cluster_in_records(nsp);
}

/* Returns the sockets that match. The caller gives the scratch back. */
static struct sio_scratch *
cluster_in_select(struct sio_nsp *nsp, const struct wire_target *who)
{
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	struct sio_selector selector = selector_of(who);

	if (sio_rooms_select(nsp, &selector, &scratch->selection) != 0)
		cluster_in_refuse(nsp, sio_error_text(SIO_ERR_SYSTEM));
	return scratch;
}

static void
cluster_in_on_join(void *owner, const struct wire_target *who, const struct text *rooms, unsigned rooms_count)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = cluster_in_select(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		sio_deliver_look_ahead(&scratch->selection, i);
		for (unsigned r = 0; r < rooms_count; r++) {
			if (sio_rooms_join(scratch->selection.at[i], rooms[r]) == ERROR_TOO_MANY)
				break; /* the socket is in as many rooms as allowed; a name that is too long is
					  skipped */
		}
	}
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
cluster_in_on_leave(void *owner, const struct wire_target *who, const struct text *rooms, unsigned rooms_count)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = cluster_in_select(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		sio_deliver_look_ahead(&scratch->selection, i);
		for (unsigned r = 0; r < rooms_count; r++)
			sio_rooms_leave(scratch->selection.at[i], rooms[r]);
	}
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
cluster_in_on_disconnect(void *owner, const struct wire_target *who, bool close)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = cluster_in_select(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		sio_deliver_look_ahead(&scratch->selection, i);
		sio_disconnect(scratch->selection.at[i], close);
	}
	sio_scratch_give(&nsp->io->turn, scratch);
}

/* -------------------------------------------------------------- questions */

static void
cluster_in_on_select(void *owner, const struct wire_target *who, struct buffer *names)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = cluster_in_select(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++)
		broker_add_name(names, sio_socket_id_text(scratch->selection.at[i]));
	if (scratch->selection.no_memory)
		buffer_fail(names, ERROR_MEMORY);
	sio_scratch_give(&nsp->io->turn, scratch);
}

/* Writes one socket of an answer, with the observer's mark. */
static void
cluster_in_on_socket(void *owner, struct text id, struct buffer *json, struct attachments *attachments)
{
	struct sio_nsp *nsp = owner;
	const struct sio_observer *observer = &nsp->io->observer;
	const struct sio_socket *s = sio_socket_find(nsp, id);
	struct buffer mark;

	if (s == NULL)
		return;
	buffer_init(&mark, MARK_MAX);
	if (observer->write_mark != NULL)
		observer->write_mark(s, &mark);
	sio_fetched_write(s, buffer_error(&mark) == 0 ? buffer_text(&mark) : TEXT_NONE, json, attachments);
	buffer_fini(&mark);
}

static void
cluster_in_add_room(void *arg, struct text name)
{
	broker_add_name(arg, name);
}

static void
cluster_in_on_all_rooms(void *owner, struct buffer *names)
{
	sio_rooms_each(owner, cluster_in_add_room, names);
}

static void
cluster_in_on_server_emit(
	void *owner, struct text data, const struct attachments *attachments, struct broker_reply *reply)
{
	struct sio_nsp *nsp = owner;
	int rc;

	if (nsp->presence != NULL && sio_presence_hear(nsp->presence, data, attachments))
		return;
	rc = sio_server_event_receive(nsp, data, attachments, reply);
	if (rc != 0)
		cluster_in_refuse(nsp, sio_error_text(rc));
}

static void
cluster_in_on_settled(void *owner)
{
	sio_arrival_admit(owner);
}

const struct broker_ops sio_cluster_ops = {
	.has_room = cluster_in_has_room,
	.has_sockets = cluster_in_has_sockets,
	.on_broadcast = cluster_in_on_broadcast,
	.on_broadcast_late = cluster_in_on_broadcast_late,
	.on_broadcast_ack = cluster_in_on_broadcast_ack,
	.on_join = cluster_in_on_join,
	.on_leave = cluster_in_on_leave,
	.on_disconnect = cluster_in_on_disconnect,
	.on_select = cluster_in_on_select,
	.on_all_rooms = cluster_in_on_all_rooms,
	.on_socket = cluster_in_on_socket,
	.on_server_emit = cluster_in_on_server_emit,
	.on_number = cluster_in_on_number,
	.on_own = cluster_in_on_own,
	.on_direct = cluster_in_on_direct,
	.on_settled = cluster_in_on_settled,
};
