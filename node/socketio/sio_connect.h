/* How a client joins a namespace. */
#ifndef NODE_SOCKETIO_SIO_CONNECT_H
#define NODE_SOCKETIO_SIO_CONNECT_H

#include "node/socketio/sio_socket.h"

/* Handles a CONNECT packet for a namespace that the client is not in. */
void sio_connect(struct sio_client *c, struct text name, struct text auth);
/* Sends CONNECT_ERROR. `data` is JSON or TEXT_NONE. */
void sio_connect_error(struct sio_client *c, struct text nsp, const char *message, struct text data);
/*
 * Carry out the decision of the namespace's owner. "connection" listeners are called at the end of the turn, or
 * before any other listener of the socket.
 */
void sio_connect_accept_later(struct sio_socket *s);
/* Ends the recovered session of a socket that waits for the owner: the client goes on with a new socket. */
void sio_connect_restart(struct sio_socket *s);
void sio_connect_refuse(struct sio_socket *s, const char *message, struct text data);

#endif
