/* Finds the matching sockets of all nodes for sio_fetch(). */
#ifndef NODE_SOCKETIO_SIO_FETCH_H
#define NODE_SOCKETIO_SIO_FETCH_H

#include "node/socketio/sio_rooms.h"

/* `flags`: SIO_FLAG_LOCAL, SIO_FLAG_TIMEOUT, SIO_FLAG_MARKED. Calls `fn` once, at the end of this turn or later. */
void sio_fetch_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, uint32_t timeout_ms,
	sio_fetch_fn *fn, void *arg);
/* Finds only the ids. On other nodes only the rooms of `who` apply, not its exceptions. */
void sio_ids_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, uint32_t timeout_ms,
	sio_rooms_fn *fn, void *arg);

#endif
