/* Writes sessions to Redis in streams mode, and deals with what Redis does not take (sio_stream_write.c). */
#ifndef NODE_SOCKETIO_SIO_STREAM_WRITE_H
#define NODE_SOCKETIO_SIO_STREAM_WRITE_H

#include "node/socketio/sio_stream_state.h"

/*
 * Sends the SET of the session with this pid. `live`: the session of a connected socket; NULL: its client is away.
 * Returns 0, ERROR_TOO_MANY if too many commands wait, or another error. sio_stream_write_failed() must follow an
 * error.
 */
int sio_stream_write(struct sio_stream *stream, struct text pid, struct sio_recovery_session *live, unsigned count,
	const struct text *args);
/* The session could not be sent to Redis. `error` is the reason. */
void sio_stream_write_failed(
	struct sio_stream *stream, struct text pid, struct sio_recovery_session *live, int error);
/* Removes a session from Redis. */
void sio_stream_remove(struct sio_stream *stream, struct text pid);

void sio_stream_write_init(struct sio_stream *stream);
/* Forgets what Redis has not answered. What waits in the bus is still sent. */
void sio_stream_write_fini(struct sio_stream *stream);

#endif
