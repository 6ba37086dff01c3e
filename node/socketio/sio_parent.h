/* Parents: patterns and functions that make namespaces when a client asks for them. */
#ifndef NODE_SOCKETIO_SIO_PARENT_H
#define NODE_SOCKETIO_SIO_PARENT_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"

/* Parents with a pattern only. */
bool sio_parent_matches(const struct sio_parent *p, struct text name);
void sio_parent_free(struct sio_parent *p);

/*
 * The namespace of that name, which stays; made when missing. A name that fits a pattern becomes that parent's child,
 * so that its middlewares cannot be passed by. Any other name, while clients are served, may be one that a function
 * has allowed, or is going to: nobody may join it until then, unless `claim`. NULL: there are max_children.
 */
struct sio_nsp *sio_parent_name(struct sio_server *io, struct text name, bool claim);

/*
 * Asks the parents whether the namespace may be made, then `decided`, now or later, unless the client is gone by
 * then. It gets the namespace, or NULL: no parent makes one of that name.
 */
void sio_parent_ask(struct sio_client *c, struct text nsp, struct text auth, sio_parent_decided_fn *decided);

#endif
