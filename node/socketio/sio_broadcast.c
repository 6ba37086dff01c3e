#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_broadcast.h"

#include "common/base/error.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_cluster.h"

int
sio_outgoing_make(struct sio_outgoing *out, const struct sio_nsp *nsp, enum sio_packet_type type, const uint64_t *id,
	struct sio_scratch *scratch, unsigned flags)
{
	out->packet = (struct sio_packet_out){.type = type,
		.has_id = id != NULL,
		.id = id != NULL ? *id : 0,
		.nsp = sio_nsp_text(nsp),
		.json = buffer_text(&scratch->payload.json),
		.attachments = &scratch->payload.attachments};
	return sio_outgoing_init(out, &nsp->io->out_limits, &scratch->head, (flags & SIO_FLAG_NO_COMPRESS) == 0);
}

void
sio_outgoing_send(struct sio_outgoing *out, struct sio_socket *s, unsigned flags)
{
	if (s->state == SIO_WAITING || s->state == SIO_CONNECTED)
		sio_client_put(s->client, out, (flags & SIO_FLAG_VOLATILE) != 0);
}

bool
sio_nsp_hears_outgoing(const struct sio_nsp *nsp)
{
	return !sio_listeners_empty(&nsp->any_outgoing) ||
	       (nsp->parent != NULL && !sio_listeners_empty(&nsp->parent->any_outgoing));
}

/*
 * In a crowd each receiver is far away in memory, and the way goes from object to object: the steps towards the next
 * ones are taken while this one is served.
 */
static void
look_ahead(const struct sio_selection *to, unsigned i)
{
	if (i + 4 < to->count)
		__builtin_prefetch(to->at[i + 4]);
	if (i + 3 < to->count && to->at[i + 3]->client != NULL)
		__builtin_prefetch(to->at[i + 3]->client);
	if (i + 2 < to->count && to->at[i + 2]->client != NULL)
		__builtin_prefetch(to->at[i + 2]->client->session);
	if (i + 1 < to->count && to->at[i + 1]->client != NULL && to->at[i + 1]->client->session != NULL)
		eio_look_ahead(to->at[i + 1]->client->session);
}

/* A listener may disconnect others of the selection: they are not freed before the turn ends, and not sent to. */
void
sio_deliver(const struct sio_selection *to, struct sio_outgoing *out, unsigned flags, struct sio_event *outgoing)
{
	for (unsigned i = 0; i < to->count; i++) {
		struct sio_socket *s = to->at[i];

		look_ahead(to, i);
		if (outgoing != NULL && s->state == SIO_CONNECTED && sio_nsp_hears_outgoing(s->nsp))
			sio_event_outgoing_run(outgoing, s);
		if (s->state == SIO_CONNECTED)
			sio_outgoing_send(out, s, flags);
	}
}

/* ------------------------------------------------------------------ emits */

/* One emit under way. */
struct emission {
	const sio_target *target;
	const char *name;
	struct sio_scratch *scratch;
	sio_answers_fn *fn; /* NULL: no acknowledgement */
	void *arg;
};

static int
emit_only(const struct emission *m)
{
	const sio_target *t = m->target;
	struct sio_socket *s = t->socket;
	struct sio_server *io = s->nsp->io;
	struct sio_outgoing out;
	uint64_t id;
	int rc;

	if (!sio_socket_open(s)) {
		if (m->fn != NULL)
			sio_gather_end(sio_gather_new(io, m->fn, m->arg), SIO_ERR_STATE);
		return 0;
	}
	id = s->nsp->ids;
	rc = sio_outgoing_make(&out, s->nsp, SIO_EVENT, m->fn != NULL ? &id : NULL, m->scratch, t->flags);
	if (rc == 0 && m->fn != NULL) {
		rc = sio_ack_wait(s, id, (t->flags & SIO_FLAG_TIMEOUT) != 0, t->timeout, m->fn, m->arg);
		if (rc == 0)
			s->nsp->ids++;
	}
	if (rc == 0 && sio_nsp_hears_outgoing(s->nsp)) {
		struct text args[SIO_ARGS_MAX];
		struct sio_event e;

		sio_event_outgoing(&e, text_from(m->name), buffer_text(&m->scratch->payload.json),
			&m->scratch->payload.attachments, args);
		sio_event_outgoing_run(&e, s);
		sio_event_fini(&e);
	}
	if (rc == 0)
		sio_outgoing_send(&out, s, t->flags);
	sio_outgoing_fini(&out);
	return rc;
}

static void
deliver_heard(const struct emission *m, struct sio_outgoing *out)
{
	struct text args[SIO_ARGS_MAX];
	struct sio_event e;

	sio_event_outgoing(&e, text_from(m->name), buffer_text(&m->scratch->payload.json),
		&m->scratch->payload.attachments, args);
	sio_deliver(&m->scratch->selection, out, m->target->flags, &e);
	sio_event_fini(&e);
}

/* Acknowledgements of this node's sockets are expected before the packet goes out to them. */
static struct sio_gather *
gather(const struct emission *m, struct sio_nsp *nsp)
{
	const struct sio_selection *to = &m->scratch->selection;
	struct sio_gather *g;

	if (m->fn == NULL)
		return NULL;
	g = sio_gather_new(nsp->io, m->fn, m->arg);
	for (unsigned i = 0; i < to->count; i++)
		sio_gather_wait(g, to->at[i], nsp->ids);
	nsp->ids++;
	return g;
}

/* The other nodes get the payload as it was packed. */
static int
emit_elsewhere(const struct emission *m, struct sio_nsp *nsp, const struct sio_selector *who, struct sio_gather *g)
{
	const sio_target *t = m->target;
	uint32_t timeout = (t->flags & SIO_FLAG_TIMEOUT) != 0 ? t->timeout : SIO_GATHER_MS;
	int rc = 0;

	if (!sio_cluster_reached(nsp, t->flags))
		rc = 0;
	else if (g != NULL)
		sio_cluster_ask_ack(nsp, who, t->flags, &m->scratch->payload, g, timeout);
	else
		rc = sio_cluster_broadcast(nsp, who, t->flags, &m->scratch->payload);
	if (g != NULL)
		sio_gather_start(g, timeout);
	return rc;
}

/* To one namespace of the target: this node's sockets first, whatever becomes of the others. */
static int
emit_nsp(const struct emission *m, struct sio_nsp *nsp, const struct sio_selector *who)
{
	struct sio_selection *to = &m->scratch->selection;
	struct sio_outgoing out;
	struct sio_gather *g;
	int rc;

	rc = sio_outgoing_make(&out, nsp, SIO_EVENT, m->fn != NULL ? &nsp->ids : NULL, m->scratch, m->target->flags);
	if (rc != 0)
		return rc;
	sio_rooms_select(nsp, who, to);
	g = gather(m, nsp);
	if (sio_nsp_hears_outgoing(nsp) && to->count != 0)
		deliver_heard(m, &out);
	else
		sio_deliver(to, &out, m->target->flags, NULL);
	sio_outgoing_fini(&out);
	return emit_elsewhere(m, nsp, who, g);
}

static int
emit_many(const struct emission *m)
{
	struct sio_nsp *nsp = m->target->nsp;
	struct sio_target_rooms rooms;
	struct list *it, *next;
	int rc;

	rc = sio_target_rooms(&rooms, m->target);
	if (rc != 0)
		return rc;
	if (nsp->family == NULL) {
		rc = emit_nsp(m, nsp, &rooms.who);
	} else if (m->fn != NULL) {
		rc = SIO_ERR_ARGUMENT; /* ids are a namespace's: a family cannot collect */
	} else {
		list_each(it, next, &nsp->family->children)
		{
			rc = emit_nsp(m, container_of(it, struct sio_nsp, sibling), &rooms.who);
			if (rc != 0)
				break;
		}
	}
	sio_target_rooms_fini(&rooms);
	return rc;
}

static int
emit(const sio_target *t, sio_answers_fn *fn, void *arg, const char *name, const char *format, va_list args)
{
	struct emission m = {.target = t, .name = name, .fn = fn, .arg = arg};
	int rc;

	if (t->nsp == NULL || name == NULL || (t->flags & SIO_FLAG_MALFORMED) != 0)
		return SIO_ERR_ARGUMENT;
	if (sio_event_name_reserved(text_from(name)))
		return SIO_ERR_RESERVED;
	m.scratch = sio_scratch_take(&t->nsp->io->turn);
	rc = sio_pack_args(&m.scratch->payload, name, format, args);
	if (rc == 0)
		rc = (t->flags & SIO_FLAG_ONLY) != 0 ? emit_only(&m) : emit_many(&m);
	sio_scratch_give(&t->nsp->io->turn, m.scratch);
	return rc;
}

int
sio_emit(sio_target target, const char *event, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = emit(&target, NULL, NULL, event, format, args);
	va_end(args);
	return rc;
}

int
sio_emit_ack(sio_target target, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...)
{
	va_list args;
	int rc;

	if (fn == NULL)
		return SIO_ERR_ARGUMENT;
	va_start(args, format);
	rc = emit(&target, fn, arg, event, format, args);
	va_end(args);
	return rc;
}
