/* What is done to all sockets of a target: here at once, on other nodes when they hear of it. */
#ifndef NODE_SOCKETIO_SIO_ORDER_H
#define NODE_SOCKETIO_SIO_ORDER_H

#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_rooms.h"

/*
 * `flags`: SIO_FLAG_LOCAL. `rooms`: to join or leave. The first error of a socket of this node (sio_rooms_join()),
 * else that of the other nodes, which are told in any case. Makes no up-call but those of listeners of rooms.
 */
int sio_order_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, enum sio_cluster_order order,
	const struct text *rooms, unsigned n);
/* The same to one socket. */
int sio_order_one(struct sio_socket *s, enum sio_cluster_order order, const struct text *rooms, unsigned n);

#endif
