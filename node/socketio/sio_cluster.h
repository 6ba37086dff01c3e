/*
 * A namespace and its sockets on other nodes. A call always serves this node's sockets first; then sio_cluster.c
 * passes it to the broker. sio_cluster_in.c carries out the requests of other nodes. A standalone server has no
 * broker_nsp, so nothing is encoded without a receiver.
 */
#ifndef NODE_SOCKETIO_SIO_CLUSTER_H
#define NODE_SOCKETIO_SIO_CLUSTER_H

#include "broker/broker.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_target.h"

/* Returns true if an emit with these flags reaches other nodes. */
bool sio_cluster_reached(const struct sio_nsp *nsp, unsigned flags);

/* Translates an error of the broker or the wire format into an error of sockeye.h. */
int sio_cluster_error(int error);

/* The functions below require that sio_cluster_reached() returned true. */

/* Returns true if sio_cluster_broadcast() copies the late arguments of the event and needs no text. */
bool sio_cluster_copies(const struct sio_nsp *nsp, const struct sio_content *what);
/*
 * Publishes an event. `recording` belongs to connection state recovery; NULL if the event takes no part in it. `mark`
 * is the event's mark in the history of a room; origin 0: none.
 */
int sio_cluster_broadcast(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	const struct sio_content *what, const struct sio_recording *recording, struct wire_mark mark);
/* Answers go to `gather`, which must not have been started. */
void sio_cluster_ask_ack(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	const struct sio_content *what, struct sio_gather *gather, uint32_t timeout_ms);
/* serverSideEmitWithAck(): as sio_cluster_ask_ack(), but the other servers themselves answer. */
void sio_cluster_ask_servers(
	struct sio_nsp *nsp, const struct sio_content *what, struct sio_gather *gather, uint32_t timeout_ms);
/* serverSideEmit(). Returns 0 or an error of sockeye.h. */
int sio_cluster_server_emit(struct sio_nsp *nsp, const struct sio_content *what);

/* Changes the sockets that match. `rooms` applies to the first two orders. */
enum sio_cluster_order { SIO_CLUSTER_JOIN, SIO_CLUSTER_LEAVE, SIO_CLUSTER_DISCONNECT, SIO_CLUSTER_CLOSE };
int sio_cluster_order(struct sio_nsp *nsp, const struct sio_selector *who, enum sio_cluster_order order,
	const struct text *rooms, unsigned rooms_count);

#endif
