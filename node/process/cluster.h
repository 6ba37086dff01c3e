/*
 * The connection of one server to the other nodes: a broker, which the server opens when it listens and leaves when
 * its last session is gone.
 *
 *   state     ends by
 *   JOINED    cluster_leave(): LEAVING
 *   LEAVING   queued messages were sent, or flush_ms have passed, and the broker reports that it is closed: GONE
 *   GONE      cluster_free()
 */
#ifndef NODE_PROCESS_CLUSTER_H
#define NODE_PROCESS_CLUSTER_H

#include "broker/broker_options.h"
#include "node/socketio/sio_core.h"

struct cluster;

/* The hub of this machine. */
struct cluster_hub {
	const char *name;		   /* of hub_listen(); NULL: no hub */
	const struct broker_settings *ear; /* the Redis at which the hub subscribes for its workers; NULL: none */
	bool keeper;  /* the hub keeps the sessions and events of connection state recovery; never with Redis */
	bool history; /* the hub keeps the history of rooms */
};

/* What this worker tells the other nodes about itself. */
struct cluster_self {
	const char *instance; /* of the node: its workers share it; NULL: one is chosen */
	unsigned node, worker, port;
	bool recovers; /* connection state recovery is on; with Redis, sessions and events are kept there */
};

/*
 * Joins the other nodes through Redis if the settings have a Redis URL, else through the hub if it has a name.
 * Without both, the server has no other nodes. With Redis, the node subscribes through the hub if the hub's ear is at
 * the same Redis. Connects in the background. `self` NULL: a visitor, see struct broker_options. Errors:
 * ERROR_ARGUMENT, ERROR_TLS, with one line in `error`.
 */
int cluster_join(struct cluster **out, struct loop *l, struct sio_server *io, const struct broker_settings *settings,
	const struct cluster_hub *hub, const struct cluster_self *self, char error[BUS_ERROR_MAX]);
/*
 * Opens the history of rooms, if the server's options want one, after sio_core_attach(). The arguments are those of
 * cluster_join().
 */
void cluster_remember(struct cluster *cluster, struct loop *l, const struct broker_settings *settings,
	const struct cluster_hub *hub);
/* From now on the broker makes no up-calls, and what the server's namespaces emit stays on this node. Messages that
 * are queued for other nodes have up to `flush_ms` to leave. */
void cluster_leave(struct cluster *cluster, uint64_t flush_ms);
void cluster_drain(struct cluster *cluster);	     /* tells the other nodes that this one drains; accepts NULL */
bool cluster_is_gone(const struct cluster *cluster); /* true for NULL */
void cluster_free(struct cluster *cluster);	     /* requires cluster_is_gone(); accepts NULL */

/* For metrics; NULL after cluster_leave(). */
const struct broker *cluster_broker(const struct cluster *cluster);

#endif
