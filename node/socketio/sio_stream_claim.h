/*
 * Finds the session of a client that comes back (sio_stream.h). The functions are those of struct sio_stream_ops.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_CLAIM_H
#define NODE_SOCKETIO_SIO_STREAM_CLAIM_H

#include "node/socketio/sio_stream_state.h"

bool sio_stream_claim(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
	struct text auth, sio_recovery_then *then);
void sio_stream_end_stored(struct sio_nsp *nsp, struct text pid);
void sio_stream_on_direct(struct sio_nsp *nsp, struct text message);

void sio_stream_claims_init(struct sio_stream *stream);
/* Fails the waiting claims: their clients continue as new ones. */
void sio_stream_claims_fini(struct sio_stream *stream);

#endif
