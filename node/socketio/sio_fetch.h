/* A fetchSockets() whose answer waits for the end of the turn: a copy of what the sockets were at the call. */
#ifndef NODE_SOCKETIO_SIO_FETCH_H
#define NODE_SOCKETIO_SIO_FETCH_H

#include "node/socketio/sio_broadcast.h"

struct sio_fetch {
	struct list link; /* in io->fetches */
	struct sio_server *io;
	sio_fetch_fn *fn;
	void *arg;
	unsigned count;
	struct sio_fetched *fetched;
};

/* The up-call; frees it. */
void sio_fetch_finish(struct sio_fetch *f);

#endif
