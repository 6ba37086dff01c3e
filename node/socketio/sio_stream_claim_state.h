/*
 * One claim of a client that comes back with the pid of a session (sio_stream_claim.c). It lasts from the CONNECT
 * until the client continues, with the session or without one. The list stream->claims owns it.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_CLAIM_STATE_H
#define NODE_SOCKETIO_SIO_STREAM_CLAIM_STATE_H

#include "broker/bus_stream_store.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_stream_letter.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_state.h"

struct stream_claim {
	struct list link; /* in stream->claims */
	struct sio_stream *stream;
	struct sio_step *step; /* holds the client, its auth and the namespace */
	sio_recovery_then *then_connect;
	struct bus_stream_question question;
	uint64_t until; /* loop time */
	enum { CLAIM_READ, CLAIM_TELL, CLAIM_WAIT, CLAIM_AGAIN, CLAIM_CHECK, CLAIM_TAKE, CLAIM_REMOVE } phase;
	bool told;   /* the worker `told_to` has been told to let the session go */
	bool busy;   /* and has done so, or is claiming it for another client */
	bool silent; /* or it is dead */
	bool doubt;  /* the worker that the record names did not have the session */
	bool ghost;  /* the client came back before its loss was noticed */
	bool ended;  /* the session has been ended meanwhile (sio_stream_end_stored()) */
	bool has_offset;
	bool found; /* the stream has the entry `from` */
	uint64_t offset, from;
	struct buffer map, rooms; /* `record` points into them; `map` is what Redis has, without Base64 */
	struct sio_stream_session record;
	uint8_t pid_n, told_n;
	char pid[SIO_STREAM_PID_MAX];
	char told_to[SIO_STREAM_UID_MAX];
};

static inline struct text
claim_pid(const struct stream_claim *claim)
{
	return text_of(claim->pid, claim->pid_n);
}

/*
 * Reads the stored session into claim->record: `value` is what Redis has under the session's key. Returns
 * SIO_RECOVERY_RECOVERED, or why the claim fails.
 */
enum sio_recovery_result sio_stream_claim_read_record(struct stream_claim *claim, struct text value);

/*
 * Asks Redis to store claim->record as that of a session of this worker, if it is still what Redis has
 * (sio_stream_swap.h). Returns 0 or an error.
 */
int sio_stream_claim_take(struct stream_claim *claim);

/* Makes the claimed session from claim->record. Returns NULL if this worker knows it already or cannot make it. */
struct sio_recovery_session *sio_stream_claim_session(const struct stream_claim *claim);

#endif
