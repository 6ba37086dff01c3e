/*
 * The peer of a worker (struct sio_keep_peer) when the workers of a machine share a hub: the keeper in the hub
 * (sio_keeper.h). This file writes the messages of sio_keep_wire.h and passes the answers up.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_HUB_H
#define NODE_SOCKETIO_SIO_KEEP_HUB_H

#include "node/socketio/sio_keep_state.h"

/* Sets keep->peer and the callbacks of keep->bus. */
void sio_keep_hub_open(struct sio_keep *keep);

#endif
