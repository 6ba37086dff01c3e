/*
 * The backends of one server. This composes node/backend with the server's options, the server's place among its
 * siblings and the doors between them.
 */
#ifndef NODE_PROCESS_BACKENDS_H
#define NODE_PROCESS_BACKENDS_H

#include "node/backend/backend.h"
#include "node/process/handover.h"
#include "node/process/place.h"
#include "node/process/process_options.h"

struct backends;

/*
 * Opens the addresses in the options, or uses the addresses that `place` has already opened. Without addresses, *out
 * is NULL, which all functions below accept. Errors are those of backend_open(), with one line in `error`. `options`
 * and `place` (may be NULL) are borrowed. Without a place, sockets may be taken over from `inherited` (may be NULL).
 */
int backends_open(struct backends **out, struct loop *l, const struct server_options *options,
	const struct place *place, const struct inherited *inherited, char error[BACKEND_ERROR_MAX]);
/*
 * Lets backends answer for the namespaces that the application inside lacks. Call it when start-up can no longer
 * fail.
 */
void backends_serve(struct backends *backends, sio_server *io);
/* Sets the handover for connections that belong to siblings; borrowed. NULL removes it. */
void backends_set_handover(struct backends *backends, struct handover *handover);
/* Sets the callback that reports where backends serve HTTP, see backend_links.h. */
void backends_on_upstream(struct backends *backends, void (*fn)(void *arg, const char *url, bool there), void *arg);
/* Serves a connection that a sibling has accepted. If `backends` is NULL, closes the connection. */
void backends_take(struct backends *backends, const struct handover_guest *guest);
int backends_reload_tls(struct backends *backends, char error[BACKEND_ERROR_MAX]);
/* Returns true if backends connect by TLS. */
bool backends_have_tls(const struct backends *backends);

void backends_drain(struct backends *backends);
void backends_leave(struct backends *backends);
bool backends_are_gone(const struct backends *backends);
void backends_free(struct backends *backends);
const struct backend_links_stats *backends_stats(const struct backends *backends); /* NULL: no backends */
void backends_client_stats(const struct backends *backends, struct backend_clients_stats *out);

#endif
