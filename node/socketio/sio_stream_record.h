/* Reads what Redis has under the key of a session (sio_stream_session.h). Calls nothing but the broker's seals. */
#ifndef NODE_SOCKETIO_SIO_STREAM_RECORD_H
#define NODE_SOCKETIO_SIO_STREAM_RECORD_H

#include "node/socketio/sio_stored.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_state.h"

/*
 * Decodes the value of the session with this pid, and checks its seal and its pid. `out` points into the buffers
 * `map` and `rooms`, whose former content is dropped. Returns SIO_RECOVERY_RECOVERED, or what a claim of the session
 * results in.
 */
enum sio_recovery_result sio_stream_record_read(struct sio_stream *stream, const struct sio_nsp *nsp, struct text pid,
	struct text value, struct buffer *map, struct buffer *rooms, struct sio_stream_session *out);

/* Returns the data of a session, or NULL if it has none. On an error, sets *failed and returns NULL. */
struct sio_stored *sio_stream_record_data(const struct sio_stream_session *record, bool *failed);

#endif
