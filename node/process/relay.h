/*
 * A relay: bytes between a TLS client of this worker and the sibling that owns its session, both ways, with
 * back-pressure, until both ends are closed. The sibling sees a plain connection.
 */
#ifndef NODE_PROCESS_RELAY_H
#define NODE_PROCESS_RELAY_H

#include "common/io/conn.h"

/*
 * Takes over `outer`, which has no owner, and `fd`, this worker's end of a socket pair. What `outer` has read already
 * goes first. Both connections end by themselves; conn_finish_all() ends them as any other. `services`: `outer` is a
 * service's, the relay is in that list until both are gone, and relay_end_all() ends it; NULL: it is a client's.
 */
void relay_start(struct conn *outer, int fd, const struct conn_limits *limits, struct list *services);
/* Cuts off all relays of the list, which leave it at the end of the turn. */
void relay_end_all(struct list *services);

#endif
