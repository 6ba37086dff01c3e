/* The keys of sessions in Redis, in streams mode. Calls go to the broker. */
#ifndef NODE_SOCKETIO_SIO_STREAM_KEY_H
#define NODE_SOCKETIO_SIO_STREAM_KEY_H

#include "node/socketio/sio_stream_state.h"

/* Writes the key of a session to stream->key. */
struct text sio_stream_key(struct sio_stream *stream, struct text pid);

#endif
