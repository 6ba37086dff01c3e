/*
 * Carries out the frames of backends. Their content is checked like that of a client. A frame that cannot be carried
 * out is dropped, counted and logged. A malformed frame ends the link.
 */
#ifndef NODE_BACKEND_BACKEND_IN_H
#define NODE_BACKEND_BACKEND_IN_H

#include "node/backend/backend_group.h"

/* Returns false if the frame is malformed. */
bool backend_in_frame(struct backend_member *m, const struct backend_frame *f);

#endif
