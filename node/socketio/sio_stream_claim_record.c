/* The stored session of a claim: reading it, and making the session that the client continues. */
#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_stream_claim_state.h"
#include "node/socketio/sio_stream_record.h"
#include "node/socketio/sio_stream_store.h"

enum sio_recovery_result
sio_stream_claim_read_record(struct stream_claim *claim, struct text value)
{
	const struct sio_nsp *nsp = claim->step->made;
	enum sio_recovery_result result = sio_stream_record_read(
		claim->stream, nsp, claim_pid(claim), value, &claim->map, &claim->rooms, &claim->record);

	if (result != SIO_RECOVERY_RECOVERED)
		return result;
	if (claim->record.ours ? !text_is(claim->record.nsp, sio_nsp_text(nsp))
			       : !nsp->io->options.recovery_trust_foreign)
		return SIO_RECOVERY_FOREIGN;
	return SIO_RECOVERY_RECOVERED;
}

int
sio_stream_claim_take(struct stream_claim *claim)
{
	const struct sio_nsp *nsp = claim->step->made;
	struct sio_stream_session record = claim->record;
	struct buffer old;
	uint8_t *room;
	int rc = ERROR_MEMORY;

	record.nsp = sio_nsp_text(nsp);
	record.owner = broker_nsp_id(nsp->broker);
	record.heard = record.lost = 0;
	buffer_init(&old, BASE64_ENCODED(SIO_STREAM_SESSION_MAX));
	room = buffer_room(&old, BASE64_ENCODED(claim->map.len));
	if (room != NULL) {
		base64_encode(claim->map.data, claim->map.len, (char *)room);
		old.len = BASE64_ENCODED(claim->map.len);
		rc = sio_stream_ask_live(nsp, &record, buffer_text(&old), &claim->question);
	}
	buffer_fini(&old);
	return rc;
}

struct sio_recovery_session *
sio_stream_claim_session(const struct stream_claim *claim)
{
	const struct sio_stream_session *record = &claim->record;
	struct sio_nsp *nsp = claim->step->made;
	struct sio_recovery_session *session;
	struct sio_stored *data;
	uint64_t now = loop_wall_ms();
	bool failed;

	if (table_find(&nsp->io->recovery->sessions, text_of(claim->pid, SIO_PID_HANDLE)) != NULL)
		return NULL;
	data = sio_stream_record_data(record, &failed);
	if (failed)
		return NULL;
	session = sio_recovery_session_of(nsp, claim_pid(claim), record->sid, record->rooms, record->room_count);
	if (session == NULL) {
		sio_stored_unref(data);
		return NULL;
	}
	session->lost->data = data;
	if (!sio_recovery_session_take_given(session, record->given)) {
		sio_recovery_session_free(session);
		return NULL;
	}
	session->own = record->own;
	session->ghost = claim->ghost;
	session->start = record->start;
	session->changed_last = record->moved;
	session->changed_head = record->since;
	session->heard = record->heard;
	/* a worker that has died did not store `last`; events after the client's offset are replayed */
	session->last = record->ours && record->owner.n == 0		     ? record->last
			: claim->has_offset && claim->offset > record->start ? claim->offset
									     : record->start;
	/* the clock of the machine that stored the session may be ahead, or this machine's has been set back */
	session->lost_at = record->lost != 0 && record->lost < now ? record->lost : now;
	session->lost->from = claim->from;
	session->missed = nsp->log->early != 0;
	return session;
}
