/*
 * Connection state recovery with several workers: the worker's side. The keeper in the hub (sio_keeper.h) has the log
 * and the sessions of lost clients. A worker has the sessions of its live sockets, and sends each change of a session
 * to the keeper before the next flush. The keeper's answers come through the broker.
 *
 *   state     what the worker does
 *   unknown   gives events no offsets; lets claims wait for up to 5 seconds. Ends with WELCOME from the keeper,
 *             or with OTHER_VERSION: refused
 *   welcome   gives events offsets, reports sessions, sends claims. Ends with UNKNOWN from the keeper, or when the
 *             channel to the hub is ready again after a loss
 *   refused   gives events no offsets; claims fail. Ends when the channel to the hub is ready again after a loss
 *
 * The keeper's answer to REPLAY has the events that the keeper knew when it was asked. So nsp->log keeps the events
 * that this worker emits while one of its clients waits for the answer.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_H
#define NODE_SOCKETIO_SIO_KEEP_H

#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_payload.h"

/* Makes recovery->keep and opens its channel. Called when the server joins its hub, if recovery is on. */
void sio_keep_new(struct sio_recovery *recovery, struct broker *broker);
/* Fails the claims and replays that wait, and closes the channel. Accepts NULL. */
void sio_keep_free(struct sio_keep *keep);

/* An event of the namespace has arrived from the hub. `number`: its number in the keeper's log; 0: not recorded. */
void sio_keep_number(struct sio_nsp *nsp, uint64_t number);
/* Prepares the log of a new namespace. */
void sio_keep_adopt(struct sio_nsp *nsp);
/* Sends a recorded event for one socket to the keeper. */
void sio_keep_record_one(struct sio_nsp *nsp, const struct sio_selector *who, const struct sio_content *what);

/*
 * A waiting socket is about to connect. Returns true if it must first wait for the events that it missed: `then` is
 * called when they have been sent, or when the socket goes on as a new one.
 */
bool sio_keep_replay(struct sio_socket *s, void (*then)(struct sio_socket *s));

#endif
