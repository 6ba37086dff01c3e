/*
 * The nodes of the cluster, as the application sees them: sio_nodes() lists them all. In the callback of a question,
 * sio_silent_nodes() lists the nodes that did not answer.
 */
#ifndef NODE_SOCKETIO_SIO_NODES_H
#define NODE_SOCKETIO_SIO_NODES_H

#include "broker/broker.h"
#include "node/sockeye.h"

/* The nodes that did not answer a question. The list is kept from the end of the question until its callback. */
struct sio_silent {
	sio_node *nodes; /* NULL: the list is empty, or memory ran out */
	unsigned count;
};

/* Fills the list. Call it in on_end of a question to the broker. */
void sio_silent_take(struct sio_silent *silent, const struct sio_server *io);
void sio_silent_fini(struct sio_silent *silent);

#endif
