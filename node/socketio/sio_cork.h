/*
 * Keeps a client from telling others that it has joined a room before this node receives the room's messages from the
 * other nodes. A node that subscribes room by room (bus_rooms.h) starts to receive them one round trip to Redis after
 * its first socket has joined. Until then, everything that goes to the client is held back: the answer to its
 * CONNECT, because the room named after its id is new, and acknowledgements and events.
 *
 *   event                                                  the client's output
 *   one of its sockets joins a room, and the bus has       is held back; if it is held back already, it waits for
 *   rooms to confirm                                       the newer room as well
 *   the bus has confirmed the rooms, is down, or has not   is sent
 *   confirmed them for 5 s
 *   more than a quarter of maxBuffered waits               is sent
 *   the session closes                                     is sent
 *
 * If the handler of a client's event makes other clients join, that client is held back with them.
 *
 * This file, sio_client.c and sio_socket.c depend on one another in a circle: a socket joins a room, its client is
 * held back, and a client that ends is no longer held back.
 */
#ifndef NODE_SOCKETIO_SIO_CORK_H
#define NODE_SOCKETIO_SIO_CORK_H

#include "node/socketio/sio_socket.h"

/* A socket of the client has joined a room. */
void sio_cork_joined(struct sio_client *c);
/* The client is gone. Frees its cork, if it has one. */
void sio_cork_end(struct sio_client *c);

#endif
