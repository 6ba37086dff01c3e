/*
 * Removes stored sessions from Redis whose windows have ended (sio_expiry.h), in streams mode. A script removes a
 * session only if Redis still has what this worker has stored: the end of the value contains the time of the loss,
 * or the seal.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_EXPIRY_H
#define NODE_SOCKETIO_SIO_STREAM_EXPIRY_H

#include "node/socketio/sio_expiry.h"

extern const struct sio_expiry_peer sio_stream_expiry_peer;

/* Writes the token of the session that is stored as `value`, which is longer than a token. */
void sio_stream_expiry_token(struct text value, char token[SIO_EXPIRY_TOKEN]);

#endif
