/*
 * The pass-through: an HTTP/1.1 reverse proxy for the requests that the node does not answer itself. Each loop has
 * one, with its own pool of connections.
 *
 * node/http reads the head of a request. The pass-through writes a new head for the upstream, and passes the body on
 * as it arrives; the response takes the same way back. Request and response may pass at the same time. When one
 * side does not take data, the other side is not read. A request therefore holds a few hundred KiB at most, whatever
 * the length of its bodies.
 *
 * The upstream is a set of targets: the addresses of the option --upstream, and addresses that come and go with
 * backends. Requests use them in turn. A target that could not be connected to is skipped for a second while there
 * are others.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_H
#define NODE_UPSTREAM_UPSTREAM_H

#include <stdbool.h>

#include "common/io/loop.h"
#include "node/http/http.h"
#include "node/upstream/upstream_options.h"

struct upstream;

/* `options` is borrowed, and has passed upstream_options_check(). */
struct upstream *upstream_new(struct loop *l, const struct upstream_options *options);

/*
 * Adds a target that listens at `url` (http://host:port or unix:///path). The same target may be added several times.
 * Returns 0, or ERROR_ARGUMENT with one line in `error` (OPTION_ERROR_MAX bytes).
 */
int upstream_add(struct upstream *upstream, struct text url, char *error);

/*
 * Removes a target; it is gone when it was removed as often as it was added. New requests no longer go there, and
 * requests under way go on. An unknown target is ignored.
 */
void upstream_remove(struct upstream *upstream, struct text url);

/*
 * Returns true once a target has been added. From then on the upstream answers all requests that nothing else
 * answers.
 */
bool upstream_is_active(const struct upstream *upstream);

/* Answers the request, now or later. */
void upstream_handle(struct upstream *upstream, struct http_request *request);

/*
 * The server drains, so no target will be added. Requests for which no target is left get 503 at once instead of
 * waiting for one.
 */
void upstream_drain(struct upstream *upstream);

/* Returns the number of requests and upgraded connections under way. */
unsigned upstream_running(const struct upstream *upstream);

/* Closes all connections and drops the bytes queued in them. Call it when no client is left. */
void upstream_close(struct upstream *upstream);
/* Returns true if everything is closed, so that upstream_free() may be called. Accepts NULL and returns true. */
bool upstream_is_gone(const struct upstream *upstream);
void upstream_free(struct upstream *upstream); /* accepts NULL */

#endif
