/*
 * Sockets that have passed the middlewares of a namespace that is not yet subscribed at the other nodes. They are
 * admitted once the subscription is confirmed. So a client that has read the answer to its CONNECT misses no
 * broadcast that another node publishes afterwards. Sockets wait at most SIO_ARRIVAL_MS, and only while the bus is up
 * or connecting for the first time. While the bus is down they are admitted at once.
 */
#ifndef NODE_SOCKETIO_SIO_ARRIVAL_H
#define NODE_SOCKETIO_SIO_ARRIVAL_H

#include "node/socketio/sio_socket.h"

#define SIO_ARRIVAL_MS 5000

/*
 * Returns false if the socket may be admitted at once. Otherwise `admit`, the same function for all sockets, is
 * called later, unless the socket leaves first.
 */
bool sio_arrival_waits(struct sio_socket *s, void (*admit)(struct sio_socket *s));

/* Admits all sockets that wait. */
void sio_arrival_admit(struct sio_nsp *nsp);

#endif
