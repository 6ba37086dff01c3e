#include "node/socketio/sio_stream_ghost.h"

#include "broker/broker.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_stream_claim_state.h"
#include "node/socketio/sio_stream_letter.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_store.h"

bool
sio_stream_missed_from(const struct sio_stream_missed *position, const uint64_t *offset, uint64_t *from)
{
	*from = position->start;
	if (offset != NULL && *offset > *from)
		*from = *offset;
	if (*from == 0 || *from < position->moved)
		return false;
	if (*from < position->since)
		*from = position->since;
	if (position->stored && *from >= position->last && *from < position->heard)
		*from = position->heard;
	return true;
}

enum sio_recovery_result
sio_stream_ghost_end(
	struct sio_client *c, struct sio_nsp *nsp, struct text pid, const uint64_t *offset, bool *was_live)
{
	struct sio_recovery_session *session = sio_recovery_session_find(nsp->io->recovery, pid);
	struct sio_stream_missed position;
	uint64_t from;

	*was_live = false;
	if (session == NULL || session->socket == NULL)
		return SIO_RECOVERY_RECOVERED;
	if (session->nsp != nsp)
		return SIO_RECOVERY_FOREIGN;
	if (c != NULL && sio_client_began(session->socket->client) > sio_client_began(c))
		return SIO_RECOVERY_NO_SESSION; /* the CONNECT of a connection that the client has left came late */
	position = (struct sio_stream_missed){
		.start = session->start, .moved = session->changed_last, .since = session->changed_head};
	if (offset != NULL && *offset > sio_stream_position(nsp) && !session->claimed)
		return SIO_RECOVERY_OFFSET_GONE;
	if (!sio_stream_missed_from(&position, offset, &from))
		return SIO_RECOVERY_OFFSET_GONE;
	*was_live = !session->claimed;
	sio_recovery_end_ghost(c, session->socket);
	return SIO_RECOVERY_RECOVERED;
}

bool
sio_stream_busy(const struct sio_nsp *nsp, struct text pid, const struct stream_claim *except)
{
	const struct sio_recovery *recovery = nsp->io->recovery;
	const struct sio_recovery_session *session = sio_recovery_session_find(recovery, pid);
	struct list *it, *next;

	if (session != NULL && session->nsp == nsp && session->socket != NULL)
		return true;
	list_each(it, next, &recovery->stream->claims)
	{
		const struct stream_claim *claim = container_of(it, struct stream_claim, link);

		if (claim != except && claim->step->made == nsp && text_is(claim_pid(claim), pid))
			return true;
	}
	return false;
}

void
sio_stream_on_take(struct sio_nsp *nsp, struct text rest)
{
	struct sio_stream_letter letter = {.bytes = {'L'}, .n = 1};
	struct text uid, pid, digits;
	enum sio_recovery_result result;
	uint64_t offset = 0;
	bool was_live, busy;

	if (!sio_stream_letter_get(&rest, SIO_STREAM_UID_MAX, &uid) ||
		!sio_stream_letter_get(&rest, SIO_STREAM_PID_MAX, &pid) ||
		!sio_stream_letter_get(&rest, 20, &digits) ||
		(digits.n > 0 && text_number(digits, UINT64_MAX, &offset) < 0))
		return;
	sio_nsp_used(nsp);
	busy = sio_stream_busy(nsp, pid, NULL);
	result = sio_stream_ghost_end(NULL, nsp, pid, digits.n > 0 ? &offset : NULL, &was_live);
	sio_stream_letter_put(&letter, pid);
	sio_stream_letter_put(&letter, result == SIO_RECOVERY_RECOVERED ? TEXT("1") : TEXT("0"));
	sio_stream_letter_put(&letter, busy ? TEXT("1") : TEXT("0"));
	if (nsp->broker != NULL)
		(void)sio_stream_letter_send(
			nsp, NULL, uid, &letter); /* sent after the command that stores the session */
	sio_nsp_unused(nsp);
}
