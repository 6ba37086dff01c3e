/*
 * Namespaces that the edge does not know. NSPASK asks a backend of the group that serves all other namespaces.
 *
 *   state    is in         ends with
 *   waiting  core->asks    a backend that takes work: asked
 *                          a HELLO names the namespace: answered yes
 *                          backendWait is over, or the client has gone: answered no
 *   asked    member->asks  NSPANSWER: answered
 *                          the link is lost: waiting
 *                          the client has gone: answered no
 */
#ifndef NODE_BACKEND_BACKEND_ASK_H
#define NODE_BACKEND_BACKEND_ASK_H

#include "node/backend/backend_group.h"

/* A client asks for an unknown namespace. */
void backend_ask(struct backend_core *core, sio_step *step, struct text name, struct text auth);
void backend_ask_answered(struct backend_member *m, uint32_t id, bool yes);
/* The link of `m` is lost: its questions wait for another backend. */
void backend_ask_again(struct backend_member *m);
/* Sends the waiting questions if a backend takes work. */
void backend_ask_serve(struct backend_core *core);
/* Answers no to the questions that have waited too long. Returns true if others still wait. */
bool backend_ask_sweep(struct backend_core *core);
/* At shutdown: answers no to all questions. */
void backend_ask_end(struct backend_core *core);

#endif
