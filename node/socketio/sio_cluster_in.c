/* What other nodes ask of this one: struct broker_ops. All of it is input from outside. */
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/must.h"
#include "node/socketio/sio_cluster_in.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_broadcast.h"
#include "node/socketio/sio_fetched.h"
#include "node/socketio/sio_server_event.h"
#include "node/socketio/sio_tables.h"

static struct sio_selector
selector_of(const struct wire_target *to)
{
	return (struct sio_selector){.rooms = to->rooms,
		.except = to->except,
		.rooms_count = to->room_count,
		.except_count = to->except_count};
}

static void
refuse(struct sio_nsp *nsp, const char *why)
{
	counter_add(&nsp->io->loop->counters, COUNT_CLUSTER_REFUSED, 1);
	sio_log_limit(&nsp->io->turn, "cluster-event-refused", TEXT_NONE, why);
}

/* ------------------------------------------------------------- broadcasts */

/* An event from another node on its way to this node's sockets. */
struct arrival {
	struct sio_nsp *nsp;
	struct sio_scratch *scratch;
	struct text data, name;
	const struct attachments *attachments;
	struct sio_outgoing *out;
	unsigned flags;
};

/*
 * The message may have brought more attachments than the event uses, and numbered them otherwise: what clients get
 * has exactly its own. Without attachments the text is taken as it is.
 */
static int
take_attachments(struct arrival *a, const struct attachments *attachments)
{
	struct sio_payload *p = &a->scratch->payload;
	int rc;

	a->attachments = &p->attachments;
	if (attachments == NULL || attachments->count == 0)
		return 0;
	rc = json_placeholders_copy(a->data, attachments, &p->attachments, &p->json);
	a->data = buffer_text(&p->json);
	return rc;
}

static int
describe(struct arrival *a, const struct attachments *attachments, const uint64_t *id)
{
	struct text rest = a->data;
	int rc;

	if (!json_array_next(&rest, &a->name) || !sio_event_name_allowed(a->name))
		return ERROR_SYNTAX;
	rc = take_attachments(a, attachments);
	if (rc != 0)
		return rc;
	a->out->packet = (struct sio_packet_out){.type = SIO_EVENT,
		.has_id = id != NULL,
		.id = id != NULL ? *id : 0,
		.nsp = sio_nsp_text(a->nsp),
		.json = a->data,
		.attachments = a->attachments};
	return sio_outgoing_init(
		a->out, &a->nsp->io->out_limits, &a->scratch->head, (a->flags & SIO_FLAG_NO_COMPRESS) == 0);
}

static void
deliver(struct arrival *a)
{
	struct text args[SIO_ARGS_MAX];
	struct sio_event e;

	if (!sio_nsp_hears_outgoing(a->nsp)) {
		sio_deliver(&a->scratch->selection, a->out, a->flags, NULL);
		return;
	}
	sio_event_outgoing(&e, sio_event_name_of(a->nsp->io, a->name), a->data, a->attachments, args);
	sio_deliver(&a->scratch->selection, a->out, a->flags, &e);
	sio_event_fini(&e);
}

static struct sio_gather *
gather(const struct arrival *a, uint64_t id, struct broker_reply *reply)
{
	const struct sio_selection *to = &a->scratch->selection;
	struct sio_gather *g = sio_gather_new_for(a->nsp->io, reply);

	for (unsigned i = 0; i < to->count; i++)
		sio_gather_wait(g, to->at[i], id);
	return g;
}

/* `reply` NULL: no acknowledgements. Whoever is asked hears how many clients are, none for a refused event. */
static void
arrive(struct sio_nsp *nsp, const struct wire_target *to, struct text data, const struct attachments *attachments,
	struct broker_reply *reply)
{
	struct sio_outgoing out;
	struct arrival a = {.nsp = nsp, .scratch = sio_scratch_take(&nsp->io->turn), .data = data, .out = &out};
	struct sio_selector who = selector_of(to);
	struct sio_gather *g = NULL;
	uint64_t id = nsp->ids;
	unsigned count;
	int rc = 0;

	a.flags = ((to->flags & WIRE_VOLATILE) != 0 ? SIO_FLAG_VOLATILE : 0u) |
		  ((to->flags & WIRE_NO_COMPRESS) != 0 ? SIO_FLAG_NO_COMPRESS : 0u);
	sio_rooms_select(nsp, &who, &a.scratch->selection);
	count = a.scratch->selection.count;
	if (count != 0)
		rc = describe(&a, attachments, reply != NULL ? &id : NULL);
	if (rc != 0) {
		refuse(nsp, sio_error_text(rc));
		count = 0;
	}
	if (reply != NULL)
		broker_reply_count(reply, count);
	if (count != 0) {
		if (reply != NULL) {
			nsp->ids++;
			g = gather(&a, id, reply);
		}
		deliver(&a);
		if (g != NULL)
			sio_gather_start(g, BROKER_REPLY_MS);
		sio_outgoing_fini(&out);
	}
	sio_scratch_give(&nsp->io->turn, a.scratch);
}

static void
on_broadcast(void *owner, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	arrive(owner, to, data, attachments, NULL);
}

static void
on_broadcast_ack(void *owner, const struct wire_target *to, struct text data, const struct attachments *attachments,
	struct broker_reply *reply)
{
	arrive(owner, to, data, attachments, reply);
}

/* ------------------------------------------------------------------ rooms */

static bool
has_room(void *owner, struct text room)
{
	return sio_rooms_exists(owner, room);
}

/* The sockets that are meant; to be given back. */
static struct sio_scratch *
select_sockets(struct sio_nsp *nsp, const struct wire_target *who)
{
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	struct sio_selector selector = selector_of(who);

	sio_rooms_select(nsp, &selector, &scratch->selection);
	return scratch;
}

static void
on_join(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = select_sockets(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		for (unsigned r = 0; r < n; r++) {
			if (sio_rooms_join(scratch->selection.at[i], rooms[r]) != 0)
				break; /* it is in as many as it may be */
		}
	}
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
on_leave(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = select_sockets(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		for (unsigned r = 0; r < n; r++)
			sio_rooms_leave(scratch->selection.at[i], rooms[r]);
	}
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
on_disconnect(void *owner, const struct wire_target *who, bool close)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = select_sockets(nsp, who);

	for (unsigned i = 0; i < scratch->selection.count; i++)
		sio_disconnect(scratch->selection.at[i], close);
	sio_scratch_give(&nsp->io->turn, scratch);
}

/* -------------------------------------------------------------- questions */

static void
on_fetch(void *owner, const struct wire_target *who, struct buffer *json, struct attachments *attachments)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = select_sockets(nsp, who);

	buffer_add_byte(json, '[');
	for (unsigned i = 0; i < scratch->selection.count; i++) {
		if (i != 0)
			buffer_add_byte(json, ',');
		sio_fetched_write(scratch->selection.at[i], json, attachments);
	}
	buffer_add_byte(json, ']');
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
on_sockets(void *owner, const struct wire_target *who, struct buffer *json)
{
	struct sio_nsp *nsp = owner;
	struct sio_scratch *scratch = select_sockets(nsp, who);

	buffer_add_byte(json, '[');
	for (unsigned i = 0; i < scratch->selection.count; i++)
		buffer_printf(json, "%s\"%s\"", i != 0 ? "," : "", scratch->selection.at[i]->id);
	buffer_add_byte(json, ']');
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
write_room(void *arg, struct text name)
{
	struct buffer *json = arg;

	if (json->len != 0 && json->data[json->len - 1] != '[')
		buffer_add_byte(json, ',');
	json_write_string(json, name);
}

static void
on_all_rooms(void *owner, struct buffer *json)
{
	buffer_add_byte(json, '[');
	sio_rooms_each(owner, write_room, json);
	buffer_add_byte(json, ']');
}

static void
on_server_emit(void *owner, struct text data, const struct attachments *attachments, struct broker_reply *reply)
{
	struct sio_nsp *nsp = owner;
	int rc = sio_server_event_receive(nsp, data, attachments, reply);

	if (rc != 0)
		refuse(nsp, sio_error_text(rc));
}

const struct broker_ops sio_cluster_ops = {
	.has_room = has_room,
	.on_broadcast = on_broadcast,
	.on_broadcast_ack = on_broadcast_ack,
	.on_join = on_join,
	.on_leave = on_leave,
	.on_disconnect = on_disconnect,
	.on_fetch = on_fetch,
	.on_sockets = on_sockets,
	.on_all_rooms = on_all_rooms,
	.on_server_emit = on_server_emit,
};
