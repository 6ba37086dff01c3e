/*
 * Sockets that have passed the middlewares of a namespace which does not hear the other nodes yet: they are let in
 * once it does. So whoever has read the answer to its CONNECT misses no broadcast that another node publishes from
 * then on. They wait while the bus is up, or is being connected for the first time, and never longer than
 * SIO_ARRIVAL_MS; with a bus that is down nobody waits.
 */
#ifndef NODE_SOCKETIO_SIO_ARRIVAL_H
#define NODE_SOCKETIO_SIO_ARRIVAL_H

#include "node/socketio/sio_socket.h"

#define SIO_ARRIVAL_MS 5000

/* False: it may be let in at once. True: `admit`, the same for all, is called later, unless the socket goes before.
 */
bool sio_arrival_waits(struct sio_socket *s, void (*admit)(struct sio_socket *s));

/* Lets all in that wait. */
void sio_arrival_admit(struct sio_nsp *nsp);

#endif
