/*
 * The peer of a worker (struct sio_keep_peer) when the nodes of a cluster share a Redis server with a log. Redis
 * keeps the sessions, and the log (bus_log.h) keeps the events. So a client can come back at any node, even after
 * its node has died.
 *
 * Every worker receives the events of other workers in the order of the log, so a place in the log
 * (sio_vault_place.h) tells which of them a client has received. A worker delivers its own events before they are in
 * the log, and numbers them.
 *
 *   question   what happens
 *   claim      A script takes the session. If a socket has it, or waits for it, the worker of this socket is asked to
 *              give it up, and the script is repeated until the socket has left. If middlewares or an owner run next,
 *              a second script first checks that the log is complete after the client's place.
 *   replay     A script reads the log and publishes the missed events to this worker. The message arrives in its
 *              place among the live events: it contains all events before it, and later ones are delivered live.
 *
 * A session is saved when it begins and when its rooms or data change, and renewed twice a minute. It ends when its
 * time to live in Redis expires. If somebody wants to know when it ends, the worker that has stored it removes it
 * before (sio_expiry.h).
 *
 * A stranger is a server or an emitter that does not keep the log. Each worker notes in Redis when it receives an
 * event of a stranger, and while the cluster contains Node.js servers. A client that may have missed such an event
 * comes back as a new one. So does a client that has missed an event without a number in the log. Such an event comes
 * from a server without recovery, or from a worker that had just started.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_H
#define NODE_SOCKETIO_SIO_VAULT_H

#include "node/socketio/sio_keep_state.h"

/* Makes keep->vault, and sets keep->peer and the callbacks of keep->bus. */
void sio_vault_open(struct sio_keep *keep);

#endif
