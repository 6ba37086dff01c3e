/*
 * A namespace and its sockets on other nodes. This node's sockets are served first and whatever becomes of the
 * others; what is here tells the broker afterwards (sio_cluster.c) and does what other nodes ask for
 * (sio_cluster_in.c). Nothing is encoded for nobody: alone, a namespace has no broker_nsp.
 */
#ifndef NODE_SOCKETIO_SIO_CLUSTER_H
#define NODE_SOCKETIO_SIO_CLUSTER_H

#include "broker/broker.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_target.h"

/* Are there other nodes for a target with these flags? */
bool sio_cluster_reached(const struct sio_nsp *nsp, unsigned flags);

/* The broker's and wire's errors as those of sockeye.h. */
int sio_cluster_error(int error);

/* All of these: sio_cluster_reached() was asked. */
int sio_cluster_broadcast(
	struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, const struct sio_content *what);
/* Answers go to the gather, which must not have been started. */
void sio_cluster_ask_ack(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	const struct sio_content *what, struct sio_gather *g, uint32_t timeout_ms);
void sio_cluster_ask_servers(
	struct sio_nsp *nsp, const struct sio_content *what, struct sio_gather *g, uint32_t timeout_ms);

int sio_cluster_server_emit(struct sio_nsp *nsp, const struct sio_content *what);

/* What is done to sockets: with rooms for the first two. */
enum sio_cluster_order { SIO_CLUSTER_JOIN, SIO_CLUSTER_LEAVE, SIO_CLUSTER_DISCONNECT, SIO_CLUSTER_CLOSE };
int sio_cluster_order(struct sio_nsp *nsp, const struct sio_selector *who, enum sio_cluster_order order,
	const struct text *rooms, unsigned n);

#endif
