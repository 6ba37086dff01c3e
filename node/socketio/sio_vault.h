/*
 * The peer of a worker (struct sio_keep_peer) if the nodes of a cluster share a Redis server with a log: sessions are
 * kept in Redis, and events are in the log (bus_log.h). So a client can come back at any node, after the death of its
 * node too.
 *
 * The order of the log is the order in which every worker hears events, so a place in it (sio_vault_place.h) says
 * what a client has got. A worker delivers its own events before they are in the log, and numbers them.
 *
 *   question   what happens
 *   claim      A script takes the session. If its socket is still connected, its worker is asked to give it up, and
 *              the script runs again until it has. If middlewares or an owner are asked then, another script checks
 *              before that the log is whole behind the place of the client.
 *   replay     A script reads the log and publishes what it has found to this worker, which so hears it in its place
 *              between the events: those before are in it, and those after are delivered live.
 *
 * A session is saved when it is made and when its rooms or its data change, and renewed twice a minute. It ends by
 * its time to live, so nobody is told.
 *
 * Events of other servers have no numbers. Each worker notes in Redis when it hears one, and while there are Node.js
 * servers in the cluster. Clients that may have missed such an event are new.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_H
#define NODE_SOCKETIO_SIO_VAULT_H

#include "node/socketio/sio_keep_state.h"

/* Makes keep->vault, and sets keep->peer and the callbacks of keep->bus. */
void sio_vault_open(struct sio_keep *keep);

#endif
