/* Sends the missed events to a client that comes back (sio_stream.h). */
#ifndef NODE_SOCKETIO_SIO_STREAM_REPLAY_H
#define NODE_SOCKETIO_SIO_STREAM_REPLAY_H

#include "node/socketio/sio_stream_state.h"

/* As struct sio_stream_ops. */
bool sio_stream_replay(struct sio_socket *s, void (*then)(struct sio_socket *s));

void sio_stream_replays_init(struct sio_stream *stream);
/* Fails all replays: their sockets continue as new ones. */
void sio_stream_replays_fini(struct sio_stream *stream);

#endif
