/* The functions through which the broker delivers requests of other nodes. */
#ifndef NODE_SOCKETIO_SIO_CLUSTER_IN_H
#define NODE_SOCKETIO_SIO_CLUSTER_IN_H

#include "broker/broker.h"

extern const struct broker_ops sio_cluster_ops;

#endif
