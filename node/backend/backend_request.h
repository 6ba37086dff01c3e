/*
 * Handshakes that a backend is asked about, where its HELLO wants that.
 *
 *   state    in                goes on by
 *   waiting  no member         a backend of a group that asks takes work: asked
 *   asked    member->requests  RESPONSE: allowed, or answered so; the link is lost: waiting
 *   allowed  no member         on_open() with its number, or the peer went away meanwhile: gone
 *   any                        BACKEND_REQUEST_MS are over: 503
 *
 * And refused requests, of which backends are told that want it (CONNERR).
 */
#ifndef NODE_BACKEND_BACKEND_REQUEST_H
#define NODE_BACKEND_BACKEND_REQUEST_H

#include "node/backend/backend_group.h"

/* Of struct sio_watcher: on_allow() and on_refused(). */
void backend_request_ask(struct backend_core *core, struct eio_pending *pending, const struct http_request *r);
void backend_request_refused(
	struct backend_core *core, const struct http_request *r, int code, const char *message, const char *context);
/* The handshake with that number has opened a session: the member that allowed it, or NULL; the number is used up. */
struct backend_member *backend_request_opened(struct backend_core *core, uint32_t ticket);

/* RESPONSE. False: it makes no sense. */
bool backend_request_answered(struct backend_member *m, uint32_t id, struct text json);
/* The link is lost. */
void backend_request_again(struct backend_member *m);
/* Those that wait are asked, if a backend takes work. */
void backend_request_serve(struct backend_core *core);
/* Those that have waited too long. True: some wait still. */
bool backend_request_sweep(struct backend_core *core);
/* At the end: all are refused. */
void backend_request_end(struct backend_core *core);

#endif
