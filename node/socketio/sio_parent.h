/* Parents: patterns and functions that make namespaces when clients ask for them. */
#ifndef NODE_SOCKETIO_SIO_PARENT_H
#define NODE_SOCKETIO_SIO_PARENT_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"

/* Does the pattern match? For parents with a pattern only. */
bool sio_parent_matches(const struct sio_parent *parent, struct text name);
void sio_parent_free(struct sio_parent *parent);

/*
 * Returns the namespace of that name, which is made if missing and is then kept. A name that matches a pattern
 * becomes that parent's child, so that clients cannot bypass its middlewares. While clients are served, any other
 * name may be one that a parent's function will have to allow: clients cannot join it until then, unless `claim`.
 * Returns NULL if there are max_children.
 */
struct sio_nsp *sio_parent_name(struct sio_server *io, struct text name, bool claim);

/*
 * Asks the parents whether the namespace may be made. Calls `decided`, now or later, with the namespace or NULL (no
 * parent makes it); not if the client has gone meanwhile.
 */
void sio_parent_ask(struct sio_client *c, struct text nsp, struct text auth, sio_parent_decided_fn *decided);

#endif
