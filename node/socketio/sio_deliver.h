/*
 * Delivers a packet to sockets of this node. Listeners of outgoing packets run first. Then the client gets the
 * packet, which is encoded unless an earlier receiver needed the same encoding.
 */
#ifndef NODE_SOCKETIO_SIO_DELIVER_H
#define NODE_SOCKETIO_SIO_DELIVER_H

#include "node/socketio/sio_socket.h"

/*
 * Delivers to the connected sockets of a selection from one namespace. `name` is the NUL-terminated event name;
 * TEXT_NONE: it is decoded from the packet if a listener needs it. `droppable`: skips clients that are not writable.
 */
void sio_deliver(const struct sio_selection *to, struct sio_outgoing *out, struct text name, bool droppable);
/*
 * Called before socket `i` of a selection is handled. A socket leads to its client and its session by pointers, and
 * these objects are far apart in memory. So they are prefetched in steps: the struct of socket i + 4, the client of
 * socket i + 3, the session of socket i + 2, and what the session of socket i + 1 points to.
 */
void sio_deliver_look_ahead(const struct sio_selection *to, unsigned i);
/* Delivers to one socket, even while the middlewares of its connection run. */
void sio_deliver_one(struct sio_socket *s, struct sio_outgoing *out, struct text name, bool droppable);
/* Records an event to one socket, which may be leaving, without sending it. out->recording must not be NULL. */
void sio_deliver_record_one(struct sio_socket *s, struct sio_outgoing *out);
/* Like sio_deliver_one(), without calling listeners. */
void sio_deliver_quietly(struct sio_socket *s, struct sio_outgoing *out, bool droppable);

#endif
