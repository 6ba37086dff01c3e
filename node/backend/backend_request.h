/*
 * Handshakes that a backend allows or refuses, if its HELLO asks for that.
 *
 *   state    is in             ends with
 *   waiting  no member's list  a backend of a group that asks takes work: asked
 *   asked    member->requests  RESPONSE: allowed, or refused and gone. The link is lost: waiting
 *   allowed  member->requests  on_open() with its number: gone. The link is lost: no member's list, still allowed
 *   any                        BACKEND_REQUEST_MS have passed: gone, with 503 unless it is allowed
 *
 * This file also reports refused requests (CONNERR) to the backends whose HELLO asks for such reports.
 */
#ifndef NODE_BACKEND_BACKEND_REQUEST_H
#define NODE_BACKEND_BACKEND_REQUEST_H

#include "node/backend/backend_group.h"

/* Callbacks of struct sio_watcher: on_allow() and on_refused(). */
void backend_request_ask(struct backend_core *core, struct eio_pending *pending, const struct http_request *r);
void backend_request_refused(
	struct backend_core *core, const struct http_request *r, int code, const char *message, const char *context);
/* The handshake `ticket` has opened a session. Returns the member that allowed it, or NULL. The ticket is used up. */
struct backend_member *backend_request_opened(struct backend_core *core, uint32_t ticket);

/* Carries out RESPONSE. Returns false if it is malformed. */
bool backend_request_answered(struct backend_member *m, uint32_t id, struct text json);
/* The link of `m` is lost: its requests wait for another backend. */
void backend_request_again(struct backend_member *m);
/* Sends the waiting requests if a backend takes work. */
void backend_request_serve(struct backend_core *core);
/* Answers 503 to the requests that have waited too long. Returns true if others still wait. */
bool backend_request_sweep(struct backend_core *core);
/* At shutdown: answers 503 to all requests. */
void backend_request_end(struct backend_core *core);

#endif
