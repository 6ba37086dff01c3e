/*
 * The way of one server to the others: a broker, opened when the server listens, left when its last session is gone.
 *
 *   state     goes on by
 *   JOINED    cluster_leave() -> LEAVING
 *   LEAVING   what waits is sent, for a while; the broker says that it is closed -> GONE
 *   GONE      cluster_free()
 */
#ifndef NODE_PROCESS_CLUSTER_H
#define NODE_PROCESS_CLUSTER_H

#include "broker/broker_options.h"
#include "node/socketio/sio_core.h"

struct cluster;

/*
 * In the form that is said: with a Redis URL Redis, else with a hub URL (NULL: none) the hub, else alone. Connecting
 * goes on in the background. `visitor`: see broker_options. ERROR_ARGUMENT, ERROR_TLS with one line in `error`.
 */
int cluster_join(struct cluster **out, struct loop *l, struct sio_server *io, const struct broker_settings *settings,
	const char *hub_name, bool visitor, char error[BUS_ERROR_MAX]);
/* No up-call comes any more, and what the server's namespaces emit stays here. The last words to the other nodes may
 * take that long. */
void cluster_leave(struct cluster *c, uint64_t flush_ms);
bool cluster_is_gone(const struct cluster *c); /* true for NULL */
void cluster_free(struct cluster *c);	       /* one that is gone; accepts NULL */

/* For metrics; NULL once it is being left. */
const struct broker *cluster_broker(const struct cluster *c);

#endif
