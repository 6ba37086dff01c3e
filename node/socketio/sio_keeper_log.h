/*
 * The keeper's logs: one for each namespace that has recorded events or sessions. All of them share the keeper's
 * store, which limits their bytes.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_LOG_H
#define NODE_SOCKETIO_SIO_KEEPER_LOG_H

#include "node/socketio/sio_keeper_state.h"

/* Returns the log of the namespace, and makes it if it is missing. Names of namespaces are short. */
struct keeper_log *sio_keeper_log_of(struct sio_keeper *keeper, struct text nsp);
/*
 * Frees the logs without entries and sessions, or all logs. Offsets that precede the end of a freed log cannot be
 * continued.
 */
void sio_keeper_log_free_unused(struct sio_keeper *keeper, bool all);

#endif
