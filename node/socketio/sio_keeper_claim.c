#include "node/socketio/sio_keeper_claim.h"

#include "common/base/mem.h"
#include "node/socketio/sio_keeper_missed.h"
#include "node/socketio/sio_keeper_session.h"

#define ANSWER_MS 20000 /* no worker waits longer for an answer (sio_keep_ask.h) */

/* ------------------------------------------------------------------ claim */

void
sio_keeper_answer_claim(struct sio_keeper *keeper, const struct claim *claim, enum sio_recovery_result result,
	const struct keeper_session *session)
{
	const struct keeper_origin *origin = sio_keeper_origin(keeper, claim->origin);
	char pid[SIO_PID_LENGTH] = "", sid[SIO_ID_LENGTH];
	struct buffer *out;

	if (origin == NULL)
		return; /* the claiming worker is gone */
	out = sio_keeper_begin(keeper, SIO_KEEP_CLAIMED, origin->id);
	keep_put_u64(out, claim->nonce);
	buffer_add_byte(out, (uint8_t)result);
	if (session != NULL)
		sio_keeper_id_unpack(session->pid, SIO_PID_LENGTH, pid);
	buffer_add(out, pid, SIO_PID_LENGTH);
	if (result == SIO_RECOVERY_RECOVERED) {
		buffer_add_byte(out, claim->ghost);
		buffer_add_byte(out, session->own);
		sio_keeper_id_unpack(session->sid, SIO_ID_LENGTH, sid);
		keep_put_text(out, text_of(sid, SIO_ID_LENGTH));
		keep_put_u64(out, sio_keeper_session_room_count(session));
		keep_put_text(out, sio_keeper_session_rooms(session));
		keep_put_text(out, sio_keeper_session_data(session));
		if (sio_keeper_session_given(session).n != 0)
			keep_put_text(out, sio_keeper_session_given(session));
	}
	sio_keeper_send(keeper, origin->channel);
}

/*
 * Checks the claim of a stored session, and sets the session's `from` to the client's offset. Returns
 * SIO_RECOVERY_RECOVERED, or why the claim fails.
 */
static enum sio_recovery_result
session_check_claim(
	struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct sio_recovery_position from = {.origin = 0};
	const struct keeper_origin *former;
	struct sio_recovery_found missed;
	enum sio_recovery_result result;

	if (now - session->past->lost_at > keeper->options.window_ms)
		return SIO_RECOVERY_EXPIRED;
	if (claim->has_offset && !sio_recovery_position_read(session->log->epoch, claim->offset, &from))
		return SIO_RECOVERY_OFFSET_GONE;
	former = sio_keeper_origin_known(keeper, from.origin);
	/* an event that the client has received is still to reach the keeper; a replay could send it again */
	if (from.heard > keeper->number || (former != NULL && from.local > former->local))
		return SIO_RECOVERY_OFFSET_GONE;
	session->past->from = from;
	result = sio_keeper_find_missed(keeper, session, claim->max_bytes, &missed);
	sio_recovery_found_fini(&missed);
	return result;
}

/*
 * Answers a claim of a stored session: gives the session to the claiming worker, or sends the reason for a refusal.
 */
static void
keeper_decide_claim(
	struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct keeper_origin *origin = sio_keeper_origin(keeper, claim->origin);
	enum sio_recovery_result result;

	if (origin == NULL)
		return; /* the claiming worker is gone */
	result = session_check_claim(keeper, session, claim, now);
	sio_keeper_answer_claim(keeper, claim, result, session);
	if (result != SIO_RECOVERY_RECOVERED)
		return;
	sio_keeper_session_give(keeper, session, origin);
}

/* Asks the worker that has the session, or has claimed it, to end the socket. */
static void
session_send_take(struct sio_keeper *keeper, const struct keeper_session *session)
{
	struct buffer *out = sio_keeper_begin(keeper, SIO_KEEP_TAKE, session->origin->id);
	char pid[SIO_PID_LENGTH];

	sio_keeper_id_unpack(session->pid, SIO_PID_LENGTH, pid);
	keep_put_text(out, text_of(pid, SIO_PID_LENGTH));
	sio_keeper_send(keeper, session->origin->channel);
}

void
sio_keeper_session_stored(struct sio_keeper *keeper, struct keeper_session *session, uint64_t now)
{
	struct keeper_waiting *waiting = sio_keeper_session_take_waiting(session);

	if (waiting != NULL && now - waiting->since <= ANSWER_MS)
		keeper_decide_claim(keeper, session, &waiting->claim, now);
	mem_free(waiting);
}

/* Refuses the claim that waits for the session, if there is one. */
static void
session_refuse_waiting(struct sio_keeper *keeper, struct keeper_session *session)
{
	struct keeper_waiting *waiting = sio_keeper_session_take_waiting(session);

	if (waiting != NULL)
		sio_keeper_answer_claim(keeper, &waiting->claim, SIO_RECOVERY_NO_SESSION, NULL);
	mem_free(waiting);
}

void
sio_keeper_session_drop(struct sio_keeper *keeper, struct keeper_session *session)
{
	session_refuse_waiting(keeper, session);
	sio_keeper_session_free(keeper, session);
}

/*
 * The client is back before its loss was noticed. Asks the worker that has the session to end the socket; the claim
 * waits until it has left, and replaces an older one. Returns SIO_RECOVERY_RECOVERED, or why the claim fails at once.
 */
static enum sio_recovery_result
session_wait(struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct keeper_waiting *waiting;

	if (claim->offset.n > SIO_OFFSET_MAX)
		return SIO_RECOVERY_OFFSET_GONE;
	session_refuse_waiting(keeper, session);
	waiting = mem_alloc(sizeof *waiting);
	waiting->claim = *claim;
	waiting->claim.ghost = true;
	waiting->claim.offset.at = waiting->offset;
	waiting->since = now;
	memcpy(waiting->offset, claim->offset.at, claim->offset.n);
	session->past->waiting = waiting;
	session_send_take(keeper, session);
	return SIO_RECOVERY_RECOVERED;
}

/*
 * Returns false if the client has claimed the session by a newer connection. A busy worker may read the CONNECT of a
 * connection that the client has left later than another worker reads the next one. If it took the session, the
 * connection in use would be closed.
 */
static bool
session_note_claim(struct keeper_session *session, const struct claim *claim)
{
	struct keeper_past *past = sio_keeper_session_past(session);

	if (claim->began < past->newest)
		return false;
	past->newest = claim->began;
	return true;
}

static void
keeper_claim(struct sio_keeper *keeper, const struct claim *claim, struct text pid, struct text nsp, uint64_t now)
{
	struct keeper_session *session = sio_keeper_session_find(keeper, pid);
	enum sio_recovery_result result = SIO_RECOVERY_RECOVERED;

	if (session == NULL)
		result = SIO_RECOVERY_NO_SESSION;
	else if (!text_is(nsp, text_of(session->log->name, session->log->node.key_len)))
		result = SIO_RECOVERY_FOREIGN;
	else if (!session_note_claim(session, claim))
		result = SIO_RECOVERY_NO_SESSION;
	else if (session->state == KEEPER_STORED)
		keeper_decide_claim(keeper, session, claim, now);
	else
		result = session_wait(keeper, session, claim, now);
	if (result != SIO_RECOVERY_RECOVERED)
		sio_keeper_answer_claim(keeper, claim, result, session);
}

/* Keeps the claim of an unknown session until sio_keeper_unpark(). */
static void
keeper_park(struct sio_keeper *keeper, const struct claim *claim, struct text pid, struct text nsp)
{
	struct keeper_parked *parked = mem_alloc(sizeof *parked + nsp.n); /* names of namespaces are short */

	parked->claim = *claim;
	memcpy(parked->pid, pid.at, SIO_PID_LENGTH);
	memcpy(parked->offset, claim->offset.at, claim->offset.n);
	parked->claim.offset.at = parked->offset;
	parked->nsp_n = (uint32_t)nsp.n;
	memcpy(parked->nsp, nsp.at, nsp.n);
	list_add_tail(&keeper->parked, &parked->link);
	keeper->options.settle_later(keeper->options.arg);
}

void
sio_keeper_unpark(struct sio_keeper *keeper, uint64_t now)
{
	while (!list_empty(&keeper->parked)) {
		struct keeper_parked *parked = container_of(keeper->parked.next, struct keeper_parked, link);

		list_remove(&parked->link);
		keeper_claim(keeper, &parked->claim, text_of(parked->pid, SIO_PID_LENGTH),
			text_of(parked->nsp, parked->nsp_n), now);
		mem_free(parked);
	}
}

void
sio_keeper_on_claim(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, uint64_t now)
{
	struct claim claim = {.origin = origin->id, .nonce = keep_get_u64(in), .max_bytes = keep_get_u64(in)};
	struct text pid = keep_get_text(in), nsp;

	claim.has_offset = keep_get_u8(in) != 0;
	claim.offset = keep_get_text(in);
	nsp = keep_get_text(in);
	claim.began = keep_get_u64(in);
	if (in->bad)
		return;
	if (pid.n == SIO_PID_LENGTH && claim.offset.n <= SIO_OFFSET_MAX &&
		sio_keeper_session_find(keeper, pid) == NULL)
		keeper_park(keeper, &claim, pid, nsp);
	else
		keeper_claim(keeper, &claim, pid, nsp, now);
}

/* ----------------------------------------------------------------- replay */

/* Writes the missed events, each with the offset of a client that has received it. Returns the last position. */
static struct sio_recovery_position
replay_write(struct buffer *out, const struct keeper_session *session, const struct sio_recovery_found *missed)
{
	const struct sio_recovery_position from = sio_keeper_session_history(session).from;
	struct sio_recovery_position at = from.origin != 0 ? from : sio_keeper_session_first(session);
	char offset[SIO_OFFSET_MAX + 1];

	for (unsigned i = 0; i < missed->count; i++) {
		const struct sio_recovery_entry *entry = missed->at[i];

		at.heard = entry->number;
		if (entry->origin == at.origin)
			at.local = entry->local;
		keep_put_text(out, text_of(offset, sio_recovery_position_write(session->log->epoch, &at, offset)));
		keep_put_text(out, sio_recovery_entry_json(entry));
	}
	return at;
}

/*
 * Makes a claimed session live at its worker. `at` is the position after the replay, and `number` the number of the
 * keeper's last event. `replayed`: events were missed.
 */
static void
session_continue(
	struct keeper_session *session, const struct sio_recovery_position *at, bool replayed, uint64_t number)
{
	struct keeper_past *past = sio_keeper_session_past(session);
	const struct keeper_bound entry = past->entry;
	bool shown = past->from.origin != 0;

	/* `from` replaces `before`: session_covers() has checked that it includes the events before that change */
	past->before = shown ? (struct keeper_bound){past->from.origin, past->from.heard + past->from.local}
			     : (struct keeper_bound){0, 0};
	if (shown)
		session->needs_offset = false; /* from now on `before` requires the offset */
	past->entry = replayed ? (struct keeper_bound){at->origin, at->heard + at->local} : past->before;
	past->former.entry = entry; /* in the place of `from` */
	past->former.start = past->start;
	session->was_quiet = session->quiet;
	session->quiet = false;
	past->start = number + session->origin->local;
	session->state = KEEPER_LIVE;
}

/* `before` stays: it requires the offset that the client has sent, and its next claim has the same offset. */
void
sio_keeper_undo_replay(struct keeper_session *session)
{
	struct keeper_past *past = sio_keeper_session_past(session);

	if (session->state != KEEPER_LIVE)
		return;
	past->entry = past->former.entry;
	past->start = past->former.start;
	session->quiet = session->was_quiet;
}

void
sio_keeper_on_replay(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	uint64_t nonce = keep_get_u64(in), max_bytes = keep_get_u64(in);
	struct text pid = keep_get_text(in);
	struct keeper_session *session = sio_keeper_session_find(keeper, pid);
	enum sio_recovery_result result = SIO_RECOVERY_NO_SESSION;
	struct sio_recovery_found missed = {0};
	struct sio_recovery_position at;
	struct buffer *out;

	if (in->bad || pid.n != SIO_PID_LENGTH)
		return;
	if (sio_keeper_session_at(session, origin->id, KEEPER_CLAIMED))
		result = sio_keeper_find_missed(keeper, session, max_bytes, &missed);
	out = sio_keeper_begin(keeper, SIO_KEEP_REPLAYED, origin->id);
	keep_put_u64(out, nonce);
	buffer_add_byte(out, (uint8_t)result);
	buffer_add(out, pid.at, SIO_PID_LENGTH);
	keep_put_u64(out, keeper->number);
	keep_put_u64(out, missed.count);
	if (result == SIO_RECOVERY_RECOVERED) {
		at = replay_write(out, session, &missed);
		session_continue(session, &at, missed.count != 0, keeper->number);
	}
	sio_keeper_send(keeper, origin->channel);
	if (sio_keeper_session_at(session, origin->id, KEEPER_CLAIMED))
		sio_keeper_session_drop(keeper, session); /* the socket continues as a new one */
	sio_recovery_found_fini(&missed);
}
