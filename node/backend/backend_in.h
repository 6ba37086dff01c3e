/*
 * What a frame from a backend does. Its content is checked like that of a client: what cannot be carried out is
 * dropped, counted and logged; a frame that cannot be read ends the link.
 */
#ifndef NODE_BACKEND_BACKEND_IN_H
#define NODE_BACKEND_BACKEND_IN_H

#include "node/backend/backend_group.h"

/* False: it makes no sense. */
bool backend_in_frame(struct backend_member *m, const struct backend_frame *f);

#endif
