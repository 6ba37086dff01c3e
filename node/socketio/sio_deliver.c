#include "node/socketio/sio_deliver.h"

#include "common/base/json.h"
#include "node/socketio/sio_event.h"

static bool
hears_outgoing(const struct sio_nsp *nsp)
{
	return !sio_listeners_empty(&nsp->any_outgoing) ||
	       (nsp->parent != NULL && !sio_listeners_empty(&nsp->parent->any_outgoing));
}

/*
 * The packet as its listeners see it; `args` has room for SIO_ARGS_MAX. The name is read into `room`: the one of the
 * server is that of the event being received, whose handler may be the one that sends this.
 */
static void
event_of(
	struct sio_event *e, struct buffer *room, const struct sio_packet_out *p, struct text name, struct text *args)
{
	struct text rest = p->json, quoted;

	if (name.at == NULL && json_array_next(&rest, &quoted))
		name = sio_event_name_of(room, quoted);
	if (name.at == NULL)
		name = TEXT(""); /* there was no memory for it */
	sio_event_outgoing(e, name, p->json, p->attachments, args);
}

void
sio_deliver_quietly(struct sio_socket *s, struct sio_outgoing *out, bool droppable)
{
	if (s->state == SIO_WAITING || s->state == SIO_CONNECTED)
		sio_client_put(s->client, out, droppable);
}

void
sio_deliver_one(struct sio_socket *s, struct sio_outgoing *out, struct text name, bool droppable)
{
	if (hears_outgoing(s->nsp)) {
		struct sio_scratch *scratch = sio_scratch_take(&s->nsp->io->turn);
		struct text args[SIO_ARGS_MAX];
		struct sio_event e;

		event_of(&e, &scratch->payload.json, &out->packet, name, args);
		sio_event_outgoing_run(&e, s);
		sio_event_fini(&e);
		sio_scratch_give(&s->nsp->io->turn, scratch);
	}
	sio_deliver_quietly(s, out, droppable);
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
static void
deliver_heard(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable)
{
	struct sio_turn *turn = &to->at[0]->nsp->io->turn;
	struct sio_scratch *scratch = sio_scratch_take(turn);
	struct text args[SIO_ARGS_MAX];
	struct sio_event e;

	event_of(&e, &scratch->payload.json, &out->packet, name, args);
	for (unsigned i = 0; i < to->count; i++) {
		struct sio_socket *s = to->at[i];

		if (s->state == SIO_CONNECTED)
			sio_event_outgoing_run(&e, s);
		if (s->state == SIO_CONNECTED)
			sio_client_put(s->client, out, droppable);
	}
	sio_event_fini(&e);
	sio_scratch_give(turn, scratch);
}

void
sio_deliver(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable)
{
	if (to->count != 0 && hears_outgoing(to->at[0]->nsp)) {
		deliver_heard(to, out, name, droppable);
		return;
	}
	for (unsigned i = 0; i < to->count; i++) {
		look_ahead(to, i);
		if (to->at[i]->state == SIO_CONNECTED)
			sio_client_put(to->at[i]->client, out, droppable);
	}
}
