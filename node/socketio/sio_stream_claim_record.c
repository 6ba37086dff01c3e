/* The stored session of a claim: reading it, and making the session that the client continues. */
#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/json_msgpack.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_stream_claim_state.h"
#include "node/socketio/sio_stream_store.h"

#define DATA_DEPTH 64

/* Compares in constant time. */
static bool
same_secret(struct text a, struct text b)
{
	unsigned char differs = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		differs |= (unsigned char)(a.at[i] ^ b.at[i]);
	return differs == 0;
}

enum sio_recovery_result
sio_stream_claim_read_record(struct stream_claim *claim, struct text value)
{
	const struct sio_nsp *nsp = claim->step->made;
	struct text key = sio_stream_key(claim->stream, nsp, claim_pid(claim)), map;
	uint8_t *room;
	int64_t n;

	if (value.n == 0)
		return SIO_RECOVERY_NO_SESSION;
	if (value.n > BASE64_ENCODED(SIO_STREAM_SESSION_MAX))
		return SIO_RECOVERY_TOO_BIG;
	buffer_reset(&claim->map);
	buffer_reset(&claim->rooms);
	room = buffer_room(&claim->map, BASE64_DECODED_MAX(value.n));
	if (room == NULL)
		return SIO_RECOVERY_FAILED;
	n = base64_decode(value, room);
	if (n < 0)
		return SIO_RECOVERY_FAILED;
	claim->map.len += (size_t)n;
	map = buffer_text(&claim->map);
	if (!broker_stream_unseal(nsp->broker, key, &map))
		return SIO_RECOVERY_FOREIGN;
	if (sio_stream_session_read(map, broker_stream_tag(nsp->broker), &claim->rooms, &claim->record) < 0 ||
		!sio_recovery_session_accepts_id(nsp, claim->record.sid) ||
		!same_secret(claim->record.pid, claim_pid(claim)))
		return SIO_RECOVERY_FAILED;
	if (claim->record.ours ? !text_is(claim->record.nsp, sio_nsp_text(nsp))
			       : !nsp->io->options.recovery_trust_foreign)
		return SIO_RECOVERY_FOREIGN;
	return SIO_RECOVERY_RECOVERED;
}

/* Returns the data of the session, or NULL if it has none. On an error, sets *failed and returns NULL. */
static struct sio_stored *
claim_data(const struct stream_claim *claim, bool *failed)
{
	struct text packed = claim->record.data;
	struct sio_stored *stored = NULL;
	struct attachments attachments;
	struct buffer json;

	*failed = false;
	if (packed.n == 0)
		return NULL;
	attachments_init(&attachments);
	buffer_init(&json, SIO_STREAM_SESSION_MAX * 4);
	if (msgpack_to_json((const uint8_t *)packed.at, packed.n, DATA_DEPTH, &attachments, &json) > 0 &&
		buffer_error(&json) == 0)
		stored = sio_stored_new(buffer_text(&json), attachments.count != 0 ? &attachments : NULL);
	*failed = stored == NULL;
	buffer_fini(&json);
	attachments_fini(&attachments);
	return stored;
}

struct sio_recovery_session *
sio_stream_claim_session(const struct stream_claim *claim)
{
	const struct sio_stream_session *record = &claim->record;
	struct sio_nsp *nsp = claim->step->made;
	struct sio_recovery_session *session;
	struct sio_stored *data;
	bool failed;

	if (table_find(&nsp->io->recovery->sessions, text_of(claim->pid, SIO_PID_HANDLE)) != NULL)
		return NULL;
	data = claim_data(claim, &failed);
	if (failed)
		return NULL;
	session = sio_recovery_session_of(nsp, claim_pid(claim), record->sid, record->rooms, record->room_count);
	if (session == NULL) {
		sio_stored_unref(data);
		return NULL;
	}
	session->data = data;
	session->own = record->own;
	session->ghost = claim->ghost;
	session->start = record->start;
	session->changed_last = record->moved;
	session->changed_head = record->since;
	session->heard = record->heard;
	/* a worker that has died did not store the number of the last event for the socket */
	session->last = record->ours && record->owner.n == 0 ? record->last : UINT64_MAX;
	session->lost_at = record->lost != 0 ? record->lost : loop_wall_ms();
	session->from = claim->from;
	session->missed = nsp->log->early != 0;
	return session;
}
