/*
 * The HTTP API: whoever has a key sends events to sockets, moves them between rooms, disconnects them and lists them,
 * on all nodes, without speaking Socket.IO. It stands on the raw entry (sio_raw.h) alone; which server it speaks to,
 * the one of this process or one that visits the bus, is told by struct api_ops. docs/http-api.md is its reference.
 *
 * A request is under way from its head until its answer; what it asks of the cluster may outlive it: a client that
 * goes away meanwhile hears nothing, and its Idempotency-Key has the answer. One loop; calls go down, up-calls of the
 * raw entry come back by struct api_call.
 */
#ifndef NODE_API_API_H
#define NODE_API_API_H

#include "common/io/loop.h"
#include "node/api/api_keys.h"
#include "node/api/api_options.h"
#include "node/api/api_reach.h"
#include "node/http/http.h"

struct api;

/* With the keys of the options, which are borrowed. ERROR_ARGUMENT with one line in `error`. */
int api_new(struct api **out, struct loop *l, const struct api_options *o, const struct api_ops *ops, void *arg,
	char error[API_KEYS_ERROR_MAX]);
/* Connections are cut before. What is still asked of the cluster ends by itself. Accepts NULL. */
void api_free(struct api *a);

/* Reads the file of keys again; ERROR_ARGUMENT, and those of before stay. */
int api_reload(struct api *a, char error[API_KEYS_ERROR_MAX]);

/* True for "/api" and all below it. */
bool api_matches(struct text path);
/* Answers such a request. `a` NULL: there is no API here. */
void api_handle(struct api *a, struct http_request *r);

/* Metrics: appends the samples (`a` NULL: no samples), and the rows of the table in docs/operations.md. */
void api_metrics(const struct api *a, struct buffer *out);
void api_metrics_markdown(struct buffer *out);

#endif
