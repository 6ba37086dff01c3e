/*
 * Connection state recovery with several workers: the worker's side. The worker's peer has the log and the sessions
 * of lost clients. It is the keeper in the hub (sio_keep_hub.h, sio_keeper.h), or Redis (sio_vault.h). A worker has
 * the sessions of its live sockets, and sends each change of a session to the peer before the next flush. The peer's
 * answers arrive through the broker. With the hub:
 *
 *   state     what the worker does
 *   unknown   gives events no offsets; lets claims wait for up to 5 seconds. Ends with WELCOME from the keeper,
 *             or with OTHER_VERSION: refused
 *   welcome   gives events offsets, reports sessions, sends claims. Ends with UNKNOWN from the keeper, or when the
 *             channel to the hub is ready again after a loss
 *   refused   gives events no offsets; claims fail. Ends when the channel to the hub is ready again after a loss
 *
 * The answer to REPLAY contains the events that the keeper knew when it answered. So nsp->log keeps the events that
 * this worker emits while one of its clients waits for the answer.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_H
#define NODE_SOCKETIO_SIO_KEEP_H

#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_payload.h"

/* Makes recovery->keep and opens its channel. Called when the server joins its hub, if recovery is on. */
void sio_keep_new(struct sio_recovery *recovery, struct broker *broker);
/* Fails the claims and replays that wait, and closes the channel. Accepts NULL. */
void sio_keep_free(struct sio_keep *keep);

/*
 * An event of the namespace has arrived from another worker. `number`: its number in the peer's log; 0: not
 * recorded.
 */
void sio_keep_number(struct sio_nsp *nsp, uint64_t number);
/* Sends a recorded event for one socket to the keeper. */
void sio_keep_record_one(struct sio_nsp *nsp, const struct sio_selector *who, const struct sio_content *what);

#endif
