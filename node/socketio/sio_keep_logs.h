/*
 * The logs of the namespaces at one of several workers: their positions, and the events of this worker that they
 * keep.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_LOGS_H
#define NODE_SOCKETIO_SIO_KEEP_LOGS_H

#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_nsp.h"

/* Prepares the log of a new namespace. */
void sio_keep_adopt(struct sio_nsp *nsp);
/* Sets origin, epoch and position of all logs to those that the peer has given this worker. */
void sio_keep_name_logs(struct sio_keep *keep);
/* As keep->ops->trim. */
void sio_keep_trim(struct sio_keep *keep);

#endif
