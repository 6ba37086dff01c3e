/*
 * Broadcasts from backends. A broadcast with acknowledgements has a struct backend_cast until its last answer. The
 * backend gets:
 *
 *   CASTED with the number of receivers   at once; with fanout "bus", when all have answered or the time is over
 *   CASTED with ACK                       for each answer, as it comes; with fanout "bus", after the number
 *   CASTED with LAST                      when all have answered or left, or the time is over
 *
 * If the link is lost first, the remaining answers are discarded.
 */
#ifndef NODE_BACKEND_BACKEND_CAST_H
#define NODE_BACKEND_BACKEND_CAST_H

#include "node/backend/backend_group.h"

/* Carries out a CAST. Returns false if the frame is malformed. */
bool backend_cast(struct backend_member *m, const struct backend_frame *f);
/* The link of `m` is lost: discards the answers that still come. */
void backend_cast_forget(struct backend_member *m);

#endif
