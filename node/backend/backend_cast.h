/*
 * Broadcasts of backends. One with acknowledgements has a struct backend_cast until the last answer came:
 *
 *   CASTED with the number of receivers   at once
 *   CASTED with ACK                       for each answer
 *   CASTED with LAST                      all have answered or left, or the time is over
 *
 * When the link is lost before, the rest goes nowhere.
 */
#ifndef NODE_BACKEND_BACKEND_CAST_H
#define NODE_BACKEND_BACKEND_CAST_H

#include "node/backend/backend_group.h"

/* False: the frame makes no sense. */
bool backend_cast(struct backend_member *m, const struct backend_frame *f);
/* The member is going: what is still answered has nobody to go to. */
void backend_cast_forget(struct backend_member *m);

#endif
