#include "node/socketio/sio_deliver.h"

#include "common/base/json.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_recovery_state.h"

static bool
has_outgoing_listeners(const struct sio_nsp *nsp)
{
	return !sio_listeners_empty(&nsp->any_outgoing) || nsp->any_outgoing_sockets > 0 ||
	       (nsp->parent != NULL && !sio_listeners_empty(&nsp->parent->any_outgoing));
}

/*
 * Makes the event that listeners of outgoing packets get. `args` has room for SIO_ARGS_MAX. The name is decoded into
 * `room`. The name buffer of the server must not be used here: it may hold the event whose handler sends this packet.
 */
static void
deliver_make_event(
	struct sio_event *event, struct buffer *room, struct sio_outgoing *out, struct text name, struct text *args)
{
	const struct sio_packet_out *packet = &out->packet;
	struct text rest, quoted;

	/* if there is no memory for the text, the listeners get an event without arguments; delivery goes on */
	(void)sio_outgoing_write(out);
	rest = packet->json;

	if (name.at == NULL && json_array_next(&rest, &quoted))
		name = sio_event_name_of(room, quoted);
	if (name.at == NULL)
		name = TEXT(""); /* no memory for the name */
	sio_event_outgoing(event, name, packet->json, packet->attachments, args);
}

void
sio_deliver_quietly(struct sio_socket *s, struct sio_outgoing *out, bool droppable)
{
	if (s->state == SIO_WAITING || s->state == SIO_CONNECTED)
		sio_client_put(s->client, out, droppable);
}

void
sio_deliver_record_one(struct sio_socket *s, struct sio_outgoing *out)
{
	/* a waiting socket enters its own room later, but its session already gets the events for that room */
	bool own = s->in_own_room || (s->state == SIO_WAITING && s->session != NULL && s->session->own);
	uint64_t number;

	sio_recovery_stamp(out);
	number = out->recording->number;
	if (number == 0)
		return;
	if (s->state == SIO_CONNECTED || !own)
		s->last_event = number;
	/* the rooms do not tell that the event was for this socket, so a client that misses it cannot be recovered */
	if (!own && s->session != NULL)
		sio_recovery_session_moved(s->session, number, false);
}

void
sio_deliver_one(struct sio_socket *s, struct sio_outgoing *out, struct text name, bool droppable)
{
	if (has_outgoing_listeners(s->nsp)) {
		struct sio_scratch *scratch = sio_scratch_take(&s->nsp->io->turn);
		struct text args[SIO_ARGS_MAX];
		struct sio_event event;

		deliver_make_event(&event, &scratch->payload.json, out, name, args);
		sio_event_outgoing_run(&event, s);
		sio_event_fini(&event);
		sio_scratch_give(&s->nsp->io->turn, scratch);
	}
	if (out->recording != NULL)
		sio_deliver_record_one(s, out);
	sio_deliver_quietly(s, out, droppable);
}

void
sio_deliver_look_ahead(const struct sio_selection *to, unsigned i)
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

/*
 * A listener may disconnect other receivers. They are freed at the end of the turn and are skipped here. A recorded
 * event is sent later, by sio_deliver().
 */
static void
deliver_heard(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable)
{
	struct sio_turn *turn = &to->at[0]->nsp->io->turn;
	struct sio_scratch *scratch = sio_scratch_take(turn);
	struct text args[SIO_ARGS_MAX];
	struct sio_event event;

	deliver_make_event(&event, &scratch->payload.json, out, name, args);
	for (unsigned i = 0; i < to->count; i++) {
		struct sio_socket *s = to->at[i];

		if (s->state == SIO_CONNECTED)
			sio_event_outgoing_run(&event, s);
		if (s->state == SIO_CONNECTED && out->recording == NULL)
			sio_client_put(s->client, out, droppable);
	}
	sio_event_fini(&event);
	sio_scratch_give(turn, scratch);
}

/*
 * Records an event, after its listeners and before it is sent. Numbers follow the order in which clients get events,
 * so a listener, which may emit, must not run between the number and the last receiver. `head` and `moves` are values
 * of the log from before the listeners. If a listener has moved a receiver to other rooms, its new rooms do not tell
 * that the event was for it, so a client that misses the event cannot be recovered.
 */
static void
deliver_record(const struct sio_selection *to, struct sio_outgoing *out, uint64_t head, uint64_t moves)
{
	const struct sio_recovery_log *log = out->recording->nsp->log;
	bool moved = log->moves != moves;
	uint64_t number;

	sio_recovery_stamp(out);
	number = out->recording->number;
	for (unsigned i = 0; number != 0 && i < to->count; i++) {
		struct sio_socket *s = to->at[i];

		if (s->state != SIO_CONNECTED)
			continue;
		s->last_event = number;
		if (moved && s->session != NULL && s->session->changed_head >= head)
			sio_recovery_session_moved(s->session, number, false);
	}
}

void
sio_deliver(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable)
{
	bool heard = to->count != 0 && has_outgoing_listeners(to->at[0]->nsp);
	const struct sio_recovery_log *log = out->recording != NULL ? out->recording->nsp->log : NULL;
	uint64_t head = log != NULL ? log->head : 0, moves = log != NULL ? log->moves : 0;

	out->shared = to->count > 1;
	if (heard)
		deliver_heard(to, out, name, droppable);
	if (log != NULL)
		deliver_record(to, out, head, moves);
	else if (heard)
		return;
	for (unsigned i = 0; i < to->count; i++) {
		sio_deliver_look_ahead(to, i);
		if (to->at[i]->state == SIO_CONNECTED)
			sio_client_put(to->at[i]->client, out, droppable);
	}
}
