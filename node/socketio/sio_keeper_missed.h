/* Finds the events that the client of a session has missed, from the positions that it is known to have reached. */
#ifndef NODE_SOCKETIO_SIO_KEEPER_MISSED_H
#define NODE_SOCKETIO_SIO_KEEPER_MISSED_H

#include "node/socketio/sio_keeper_state.h"

/*
 * Returns SIO_RECOVERY_RECOVERED and the events in `missed`, or why they cannot be replayed. `max_bytes` limits the
 * events. The caller calls sio_recovery_found_fini() in any case.
 */
enum sio_recovery_result sio_keeper_find_missed(const struct sio_keeper *keeper, const struct keeper_session *session,
	uint64_t max_bytes, struct sio_recovery_found *missed);

#endif
