/*
 * How a socket leaves its namespace. sio_socket_close() only marks the socket. These functions run the listeners,
 * leave the rooms and free the socket, at the end of the turn or when the client goes.
 */
#ifndef NODE_SOCKETIO_SIO_LEAVE_H
#define NODE_SOCKETIO_SIO_LEAVE_H

#include "node/socketio/sio_socket.h"

/* Closes the socket and runs its listeners now. A waiting socket is dropped. Makes up-calls. */
void sio_leave_now(struct sio_socket *s, unsigned reason);
/* Drops a socket that never connected. */
void sio_leave_drop(struct sio_socket *s);
/* Run as the jobs of io->closing and io->gone. */
void sio_leave_closing(struct sio_job *job);
void sio_leave_gone(struct sio_job *job);

#endif
