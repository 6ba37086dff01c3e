/*
 * The backends of one server: composes node/backend with the server's options, its place among siblings and the doors
 * between them.
 */
#ifndef NODE_PROCESS_BACKENDS_H
#define NODE_PROCESS_BACKENDS_H

#include "node/backend/backend.h"
#include "node/process/handover.h"
#include "node/process/place.h"
#include "node/process/process_options.h"

struct backends;

/*
 * Opens the addresses of the options, or takes those of the place. Without any, `*out` is NULL, which all functions
 * below accept. Errors as of backend_open(), with one line in `error`. `options` and `place` (may be NULL) are
 * borrowed.
 */
int backends_open(struct backends **out, struct loop *l, const struct server_options *options,
	const struct place *place, char error[BACKEND_ERROR_MAX]);
/* They answer for the namespaces that the application inside does not have. When nothing can fail any more. */
void backends_serve(struct backends *b, sio_server *io);
/* By which connections go to siblings; borrowed. NULL: not any more. */
void backends_set_handover(struct backends *b, struct handover *h);
/* Who hears where backends serve HTTP, see backend_links.h. */
void backends_on_upstream(struct backends *b, void (*fn)(void *arg, const char *url, bool there), void *arg);
/* A connection that a sibling has accepted. `b` NULL: closed. */
void backends_take(struct backends *b, const struct handover_guest *g);
int backends_reload_tls(struct backends *b, char error[BACKEND_ERROR_MAX]);
/* True if certificates are used for backends. */
bool backends_have_tls(const struct backends *b);

void backends_drain(struct backends *b);
void backends_leave(struct backends *b);
bool backends_are_gone(const struct backends *b);
void backends_free(struct backends *b);
const struct backend_links_stats *backends_stats(const struct backends *b); /* NULL: there are none */
void backends_client_stats(const struct backends *b, struct backend_clients_stats *out);

#endif
