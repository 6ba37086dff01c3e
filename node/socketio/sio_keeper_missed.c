#include "node/socketio/sio_keeper_missed.h"

#include "common/base/error.h"
#include "node/socketio/sio_keeper_session.h"
#include "node/socketio/sio_recovery_rooms.h"

/*
 * Returns true if a client with the offset `from` has received the event of the bound. `from` NULL: it sent no
 * offset.
 */
static bool
session_has_got(const struct keeper_session *session, const struct keeper_past *past,
	const struct sio_recovery_position *from, const struct keeper_bound *bound)
{
	if (bound->origin == 0)
		return true;
	if (from == NULL)
		return false;
	if (from->origin == bound->origin)
		return from->heard + from->local >= bound->sum;
	return from->origin == sio_keeper_session_worker(session) && from->heard + from->local >= past->start;
}

/* The positions that a client has reached. The client has received each event that one of them covers. */
struct covers {
	struct sio_recovery_position at[4];
	unsigned count;
	uint64_t lower; /* all events up to this number are covered */
};

static void
covers_add(struct covers *covers, const struct sio_recovery_position *position)
{
	covers->at[covers->count++] = *position;
	if (covers->lower < position->heard)
		covers->lower = position->heard;
}

static bool
covers_entry(const struct covers *covers, const struct sio_recovery_entry *entry)
{
	for (unsigned i = 0; i < covers->count; i++) {
		const struct sio_recovery_position *position = &covers->at[i];

		if (entry->origin == position->origin ? entry->local <= position->local
						      : entry->number <= position->heard)
			return true;
	}
	return false;
}

/* Returns SIO_RECOVERY_RECOVERED and the positions that the client has reached, or SIO_RECOVERY_OFFSET_GONE. */
static enum sio_recovery_result
session_covers(const struct sio_keeper *keeper, const struct keeper_session *session, struct covers *covers)
{
	const struct keeper_past past = sio_keeper_session_history(session);
	const struct sio_recovery_position *from = past.from.origin != 0 ? &past.from : NULL;
	const struct sio_recovery_position quiet = {
		session->quiet_heard, session->quiet_local, sio_keeper_session_worker(session)};
	const struct keeper_bound last = sio_keeper_session_bound(session, &past, session->last);
	const struct sio_recovery_position first_at = sio_keeper_session_first(session);
	const struct keeper_bound first = {first_at.origin, first_at.heard + first_at.local};

	*covers = (struct covers){.count = 0};
	/* an offset older than `first` does not show which events the worker delivered while it was out of reach */
	if ((session->needs_offset && !session_has_got(session, &past, from, &first)) ||
		!session_has_got(session, &past, from, &past.before))
		return SIO_RECOVERY_OFFSET_GONE;
	covers_add(covers, &first_at);
	if (from != NULL)
		covers_add(covers, from);
	if (past.changed.origin != 0)
		covers_add(covers, &past.changed);
	if (session->quiet && session_has_got(session, &past, from, &last))
		covers_add(covers, &quiet);
	if (covers->lower < session->log->log->floor || covers->lower < keeper->hole)
		return SIO_RECOVERY_OFFSET_GONE;
	return SIO_RECOVERY_RECOVERED;
}

/* Drops covered events from the result of a search, which compares only numbers and not origins. */
static void
found_cut(struct sio_recovery_found *found, const struct covers *covers)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < found->count; i++) {
		if (!covers_entry(covers, found->at[i]))
			found->at[kept++] = found->at[i];
	}
	found->count = kept;
}

enum sio_recovery_result
sio_keeper_find_missed(const struct sio_keeper *keeper, const struct keeper_session *session, uint64_t max_bytes,
	struct sio_recovery_found *missed)
{
	struct sio_recovery_rooms rooms;
	char sid[SIO_ID_LENGTH];
	struct covers covers;
	enum sio_recovery_result result = session_covers(keeper, session, &covers);
	int rc = ERROR_MEMORY;

	*missed = (struct sio_recovery_found){0};
	if (result != SIO_RECOVERY_RECOVERED)
		return result;
	sio_keeper_id_unpack(session->sid, SIO_ID_LENGTH, sid);
	if (sio_recovery_rooms_init(&rooms, sio_keeper_session_rooms(session).at,
		    sio_keeper_session_room_count(session), session->own ? text_of(sid, SIO_ID_LENGTH) : TEXT_NONE))
		rc = sio_recovery_log_find(session->log->log, covers.lower, &rooms, max_bytes, missed);
	sio_recovery_rooms_fini(&rooms);
	if (rc != 0)
		return rc == ERROR_TOO_BIG ? SIO_RECOVERY_TOO_BIG : SIO_RECOVERY_FAILED;
	found_cut(missed, &covers);
	return SIO_RECOVERY_RECOVERED;
}
