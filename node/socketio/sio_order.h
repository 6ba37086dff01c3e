/* Orders for all sockets of a target: carried out at once on this node, on other nodes when the message arrives. */
#ifndef NODE_SOCKETIO_SIO_ORDER_H
#define NODE_SOCKETIO_SIO_ORDER_H

#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_rooms.h"

/*
 * `flags`: SIO_FLAG_LOCAL. `rooms`: the rooms to join or leave. Returns the first error of a socket of this node
 * (sio_rooms_join()), else the error of publishing to the other nodes, which is done in any case. Makes no up-call
 * except to listeners of rooms.
 */
int sio_order_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, enum sio_cluster_order order,
	const struct text *rooms, unsigned rooms_count);
/* Applies an order to one socket. */
int sio_order_one(struct sio_socket *s, enum sio_cluster_order order, const struct text *rooms, unsigned rooms_count);

#endif
