/*
 * The pass-through: an HTTP/1.1 reverse proxy for the requests that nobody here claims. Each loop has its own, with
 * its own pool of connections.
 *
 * A request is read to the end of its head by node/http, written anew for the upstream, and its body passed on as it
 * arrives; so is the response. Both may go on at once. What one side does not take keeps the other side from being
 * read, so that a request holds some hundred KiB at most, however long the bodies are. Nothing is stored.
 *
 * The upstream is a set of targets: those of the option --upstream, and those that come and go with backends. They
 * are used in turn. One that cannot be connected to is passed over for a second while there are others.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_H
#define NODE_UPSTREAM_UPSTREAM_H

#include <stdbool.h>

#include "common/io/loop.h"
#include "node/http/http.h"
#include "node/upstream/upstream_options.h"

struct upstream;

/* `options` is borrowed; upstream_options_check() has seen it. */
struct upstream *upstream_new(struct loop *l, const struct upstream_options *options);

/*
 * A target that listens at `url` (http://host:port, unix:///path) is there; the same one may be added several times.
 * 0, or ERROR_ARGUMENT with one line in `error` (OPTION_ERROR_MAX bytes).
 */
int upstream_add(struct upstream *u, struct text url, char *error);

/*
 * It has gone, as often as it was added: no new request goes there, those under way go on. Unknown ones are ignored.
 */
void upstream_remove(struct upstream *u, struct text url);

/* True since a target was there for the first time: requests that nobody claims are the upstream's to answer. */
bool upstream_is_active(const struct upstream *u);

/* Answers the request, now or later. */
void upstream_handle(struct upstream *u, struct http_request *r);

/* Requests and upgraded connections under way. */
unsigned upstream_running(const struct upstream *u);

/* When no client is left: closes all connections, whatever still waits in them. */
void upstream_close(struct upstream *u);
/* Nothing is left; upstream_free() may be called. NULL has nothing. */
bool upstream_is_gone(const struct upstream *u);
void upstream_free(struct upstream *u); /* accepts NULL */

#endif
