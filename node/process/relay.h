/*
 * A relay passes bytes between a TLS client of this worker and the sibling that owns its session, in both directions,
 * with back-pressure, until both ends are closed. The sibling sees a plain connection.
 */
#ifndef NODE_PROCESS_RELAY_H
#define NODE_PROCESS_RELAY_H

#include "common/io/conn.h"

/*
 * Takes over `outer`, which must have no owner, and `fd`, this worker's end of a socket pair. Bytes that `outer` has
 * read already are sent first. Both connections end on their own, or by conn_finish_all() like any connection.
 * `services` is NULL for the connection of a client. For the connection of a service it is the list that holds the
 * relay until both ends are gone, so that relay_end_all() can end it.
 */
void relay_start(struct conn *outer, int fd, const struct conn_limits *limits, struct list *services);
/* Cuts all relays of the list. They leave it at the end of the turn. */
void relay_end_all(struct list *services);

#endif
