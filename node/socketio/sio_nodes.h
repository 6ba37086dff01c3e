/*
 * The nodes of the cluster, as the application sees them: all of them (sio_nodes()), and those that did not answer a
 * question, while its callback runs (sio_silent_nodes()).
 */
#ifndef NODE_SOCKETIO_SIO_NODES_H
#define NODE_SOCKETIO_SIO_NODES_H

#include "broker/broker.h"
#include "node/sockeye.h"

/* The members that a question names as silent. It is kept from the end of the question until its callback. */
struct sio_silent {
	sio_node *nodes; /* NULL if there are none, or no memory for them */
	unsigned count;
};

/* For on_end of a question to the broker. */
void sio_silent_take(struct sio_silent *silent, const struct sio_server *io);
void sio_silent_fini(struct sio_silent *silent);

#endif
