/* Writes sessions to Redis in streams mode, and deals with what Redis does not take (sio_stream_write.c). */
#ifndef NODE_SOCKETIO_SIO_STREAM_WRITE_H
#define NODE_SOCKETIO_SIO_STREAM_WRITE_H

#include "node/socketio/sio_stream_state.h"

/* DELs that wait for their next attempt. Beyond that, the oldest are dropped, which is logged. */
#define SIO_STREAM_REMOVALS_MAX 16384

/*
 * Sends the SET of the session with this pid. `again`: it has XX. Returns 0, ERROR_TOO_MANY if too many commands
 * wait, or another error. sio_stream_write_failed() must follow an error.
 */
int sio_stream_write(struct sio_nsp *nsp, struct text pid, bool again, unsigned count, const struct text *args);
/* The session could not be sent to Redis. `error` is the reason. */
void sio_stream_write_failed(struct sio_nsp *nsp, struct text pid, int error);
/* Lets nothing follow the earlier commands of this session: a later command replaces what they have written. */
void sio_stream_write_forget(struct sio_stream *stream, struct text pid);
/*
 * Removes a session of this worker from Redis, or with `stored` that of a client that is away. If Redis does not do
 * so at once, another worker may get the session meanwhile, which then stays.
 */
void sio_stream_remove(struct sio_nsp *nsp, struct text pid, bool stored);

void sio_stream_write_init(struct sio_stream *stream);
/* Forgets what Redis has not answered. What waits in the bus is still sent. */
void sio_stream_write_fini(struct sio_stream *stream);

#endif
