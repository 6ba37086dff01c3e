/*
 * How a socket leaves its namespace. Closing is noted only (sio_socket_close()); what is here runs the listeners,
 * leaves the rooms and frees, at the end of the turn or when the client goes.
 */
#ifndef NODE_SOCKETIO_SIO_LEAVE_H
#define NODE_SOCKETIO_SIO_LEAVE_H

#include "node/socketio/sio_socket.h"

/* Closes it, and listeners run now. A waiting socket is dropped. Makes up-calls. */
void sio_leave_now(struct sio_socket *s, unsigned reason);
/* Forgets a socket that never connected. */
void sio_leave_drop(struct sio_socket *s);
/* The jobs of io->closing and io->gone. */
void sio_leave_closing(struct sio_job *job);
void sio_leave_gone(struct sio_job *job);

#endif
