/* Parents: patterns and functions that make namespaces when clients ask for them. */
#ifndef NODE_SOCKETIO_SIO_PARENT_H
#define NODE_SOCKETIO_SIO_PARENT_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"

/* Returns true if the parent's pattern matches the name. The parent must have a pattern. */
bool sio_parent_matches(const struct sio_parent *parent, struct text name);
/*
 * Returns the first parent whose pattern matches a name from outside of the application, or NULL. The time it takes
 * is charged to this turn.
 */
struct sio_parent *sio_parent_by_pattern(const struct sio_server *io, struct text name);
void sio_parent_free(struct sio_parent *parent);

/*
 * Returns the namespace of that name, which is made if missing and is then kept. If the name matches a pattern, the
 * namespace becomes that parent's child, so that clients cannot bypass its middlewares. If the name matches no
 * pattern and clients are served already, a parent's function must allow the name before clients can join, unless
 * `claim` is true. Returns NULL if there are max_children.
 */
struct sio_nsp *sio_parent_name(struct sio_server *io, struct text name, bool claim);

/*
 * Asks the parents whether the namespace may be made. Calls `decided`, now or later, with the namespace, or with NULL
 * if no parent allows it. If the client goes first, `decided` is not called.
 */
void sio_parent_ask(struct sio_client *c, struct text nsp, struct text auth, sio_parent_decided_fn *decided);

#endif
