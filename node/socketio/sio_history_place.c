#include "node/socketio/sio_history_place.h"

#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_stream_state.h"

/* Returns the state of recovery in streams mode if the socket may be recovered, else NULL. */
static const struct sio_stream *
stream_of(const struct sio_socket *s)
{
	return s->session != NULL && s->nsp->io->recovery != NULL ? sio_stream_of(s->nsp) : NULL;
}

/* Returns true if a peer keeps the session for other workers (sio_keep.h). */
static bool
is_kept(const struct sio_socket *s)
{
	return s->session != NULL && s->nsp->io->recovery->keep != NULL;
}

/* The session is stored again. Offsets below s->last_event are invalid from now on. */
static void
session_moved(const struct sio_socket *s)
{
	sio_recovery_session_moved(s->session, s->last_event, s->state != SIO_CONNECTED);
}

/* The client may have any offset up to the position, so only a later one shows that it has got the event. */
static void
event_without_offset(struct sio_socket *s)
{
	s->last_event = sio_recovery_session_head(s->session) + 1;
}

void
sio_history_place_begin(const struct sio_history_join *join)
{
	struct sio_socket *s = join->socket;

	if (stream_of(s) == NULL && !is_kept(s))
		return;
	s->session->asked_history = true;
	session_moved(s);
}

bool
sio_history_place_find(struct sio_history_join *join)
{
	const struct sio_stream *stream = stream_of(join->socket);

	return stream != NULL && stream->ops->find_place(join->socket->nsp, &join->place);
}

bool
sio_history_place_is_shared(const struct sio_history_join *join)
{
	const struct sio_history_join *other = join->socket->extra->joins;

	while (other != NULL &&
		(other == join || other->state != JOIN_PLACING || other->place.number != join->place.number))
		other = other->next;
	return other != NULL;
}

bool
sio_history_place_needed(const struct sio_history_join *join)
{
	return stream_of(join->socket) != NULL;
}

void
sio_history_place_end(const struct sio_history_join *join)
{
	struct sio_socket *s = join->socket;
	bool begun = join->limits != NULL && (stream_of(s) != NULL || is_kept(s));

	if (s->session == NULL || (!begun && !join->sent_any && !join->passed_any))
		return;
	if (stream_of(s) != NULL && join->sent_any && (join->offset == 0 || s->last_event < join->offset))
		event_without_offset(s);
	session_moved(s);
}

void
sio_history_place_lost(const struct sio_history_join *join)
{
	if (join->socket->session == NULL)
		return;
	event_without_offset(join->socket);
	session_moved(join->socket);
}

void
sio_history_place_leaving(struct sio_socket *s)
{
	if (stream_of(s) != NULL || !sio_history_place_waits(s))
		return;
	event_without_offset(s);
	session_moved(s);
}

void
sio_history_place_repeated(struct sio_socket *s, uint64_t entry)
{
	if (s->session == NULL)
		return;
	if (stream_of(s) == NULL) {
		if (s->nsp->io->recovery->keep != NULL)
			sio_keep_passed_over(s->session);
		return;
	}
	if (entry == 0)
		return;
	session_moved(s);
	/* the replay begins behind the event, so the client does not get it again after a loss */
	if (!s->session->claimed && s->session->changed_head < entry)
		s->session->changed_head = entry;
}

bool
sio_history_place_waits(const struct sio_socket *s)
{
	const struct sio_history_join *join = s->extra->joins;

	while (join != NULL && join->state == JOIN_SETTLED)
		join = join->next;
	return join != NULL;
}
