/*
 * Namespaces that nobody here knows: a backend of the group that serves the rest is asked (NSPASK).
 *
 *   state    in             goes on by
 *   waiting  core->asks     a backend takes work: asked; backendWait is over, its client has gone: answered no
 *   asked    member->asks   NSPANSWER: answered; the link is lost: waiting; its client has gone: answered no
 */
#ifndef NODE_BACKEND_BACKEND_ASK_H
#define NODE_BACKEND_BACKEND_ASK_H

#include "node/backend/backend_group.h"

/* A client asks for one. */
void backend_ask(struct backend_core *core, sio_step *step, struct text name, struct text auth);
void backend_ask_answered(struct backend_member *m, uint32_t id, bool yes);
/* The link is lost. */
void backend_ask_again(struct backend_member *m);
/* Those that wait are asked, if a backend takes work. */
void backend_ask_serve(struct backend_core *core);
/* Those that have waited too long. True: some wait still. */
bool backend_ask_sweep(struct backend_core *core);
/* At the end: all are answered no. */
void backend_ask_end(struct backend_core *core);

#endif
