/*
 * Connection state recovery with several workers: the side of a worker. The log and the sessions of lost clients are
 * in the hub (sio_keeper.h). The worker has the sessions of its live sockets, and tells the keeper of each change
 * before the next flush. The keeper's answers come through the broker.
 *
 *   state     what the worker does
 *   unknown   events get no offsets, claims wait for some seconds. Ends when the keeper says WELCOME
 *   welcome   the rest of this file. Ends when a connection to the hub is lost, or the keeper says UNKNOWN
 *
 * While a client waits for its missed events, nsp->log keeps the events that this worker emits meanwhile: the answer
 * has what the keeper had when it was asked.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_H
#define NODE_SOCKETIO_SIO_KEEP_H

#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_payload.h"

/* Begins when the server joins its hub, if recovery is on. */
void sio_keep_new(struct sio_recovery *recovery, struct broker *broker);
/* Claims that wait fail. Accepts NULL. */
void sio_keep_free(struct sio_keep *keep);

/* A recorded event of the namespace has come with that number; 0: an event without one. */
void sio_keep_number(struct sio_nsp *nsp, uint64_t number);
/* The namespace is new. */
void sio_keep_adopt(struct sio_nsp *nsp);
/* Sends a recorded event for one socket to the keeper. */
void sio_keep_record_one(struct sio_nsp *nsp, const struct sio_selector *who, const struct sio_content *what);

/* The waiting socket is about to connect. Returns true if it has to wait for what it missed; then `then` is called.
 */
bool sio_keep_replay(struct sio_socket *s, void (*then)(struct sio_socket *s));

#endif
