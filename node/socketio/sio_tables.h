/* The counters of this layer (names.h). */
#ifndef NODE_SOCKETIO_SIO_TABLES_H
#define NODE_SOCKETIO_SIO_TABLES_H

#include "common/base/names.h"

/*        number                      name of the metric     help */
#define SIO_COUNTER_TABLE(X)                                                                                         \
	X(COUNT_PACKETS_IN, "packets_received", "Socket.IO packets received")                                        \
	X(COUNT_PACKETS_OUT, "packets_sent", "Socket.IO packets sent, one per receiver")                             \
	X(COUNT_VOLATILE_DROPPED, "volatile_dropped", "volatile packets dropped because the transport was busy")     \
	X(COUNT_DECODE_ERRORS, "decode_errors", "Socket.IO packets that could not be decoded")                       \
	X(COUNT_MSGPACK_CLIENTS, "msgpack_clients", "clients of the MessagePack parser")                             \
	X(COUNT_CONNECTS_REFUSED, "connects_refused", "CONNECT packets answered with CONNECT_ERROR")                 \
	X(COUNT_REFUSED_TOO_OFTEN, "refused_too_often", "clients closed by the limit on refused CONNECT packets")    \
	X(COUNT_ROOMS_REFUSED, "rooms_refused", "times a socket could not join a room because of a limit")           \
	X(COUNT_CLUSTER_REFUSED, "cluster_refused",                                                                  \
		"events of other nodes that were refused as invalid or over a limit")                                \
	X(COUNT_CLUSTER_UNCONFIRMED, "cluster_unconfirmed",                                                          \
		"times that sockets were admitted to a namespace before the bus had confirmed its subscription")     \
	X(COUNT_PRESENCE_REFUSED, "presence_refused",                                                                \
		"users left out of presence, and messages about presence refused, as malformed or over a limit")

NAMES_DECLARE(NAMES_SIO, SIO_COUNTER_TABLE, SIO_COUNTER_END);
extern const struct names sio_counters;

#endif
