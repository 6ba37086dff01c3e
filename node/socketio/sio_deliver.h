/*
 * Delivers a packet to sockets of this node: listeners of outgoing packets first, then the client, for which it is
 * encoded if nobody before needed that encoding.
 */
#ifndef NODE_SOCKETIO_SIO_DELIVER_H
#define NODE_SOCKETIO_SIO_DELIVER_H

#include "node/socketio/sio_socket.h"

/*
 * To sockets of one namespace that are connected. `name` is the event's, with a NUL at its end; TEXT_NONE: it is
 * found in the packet, if a listener wants it. `droppable`: not to those that cannot take it now.
 */
void sio_deliver(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable);
/* To one, also while its middlewares run. */
void sio_deliver_one(struct sio_socket *s, struct sio_outgoing *out, struct text name, bool droppable);
/* The packet alone: no listener hears of it. */
void sio_deliver_quietly(struct sio_socket *s, struct sio_outgoing *out, bool droppable);

#endif
