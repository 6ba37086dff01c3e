/*
 * The HTTP API. A program with a key sends events to sockets, moves them between rooms, disconnects them and lists
 * them, on all nodes, without Socket.IO. docs/http-api.md is the reference. The API uses the raw entry (sio_raw.h)
 * alone. struct api_ops says which server the API uses: the server of this process, or one that only visits the bus.
 *
 * A request is under way from its head to its answer. Its question to the cluster may outlive it: if the client
 * leaves earlier, the answer is still kept under its Idempotency-Key. The API belongs to one loop. Calls go down;
 * answers of the raw entry come back to a struct api_call.
 */
#ifndef NODE_API_API_H
#define NODE_API_API_H

#include "common/io/loop.h"
#include "node/api/api_keys.h"
#include "node/api/api_options.h"
#include "node/api/api_reach.h"
#include "node/http/http.h"

struct api;

/*
 * Makes the API with the keys of `options`, which are borrowed. Returns 0, or ERROR_ARGUMENT with one line in
 * `error`.
 */
int api_new(struct api **out, struct loop *l, const struct api_options *options, const struct api_ops *ops, void *arg,
	char error[API_KEYS_ERROR_MAX]);
/* Connections must be closed before. Questions to the cluster that are still open end by themselves. Accepts NULL. */
void api_free(struct api *api);

/* Reads the key file again. On ERROR_ARGUMENT the old keys stay in use. */
int api_reload(struct api *api, char error[API_KEYS_ERROR_MAX]);

/* True for "/api" and every path below it. */
bool api_matches(struct text path);
/* Answers a request to such a path. If `api` is NULL, the answer says that the HTTP API is off. */
void api_handle(struct api *api, struct http_request *request);

/*
 * api_metrics() appends the samples, or none if `api` is NULL. api_metrics_markdown() appends the rows of the table
 * in docs/monitoring.md.
 */
void api_metrics(const struct api *api, struct buffer *out);
void api_metrics_markdown(struct buffer *out);

#endif
