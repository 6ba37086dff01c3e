#include "node/process/server_request.h"

#include <string.h>

#include "common/base/must.h"
#include "node/engineio/eio_sid.h"
#include "node/http/http_bundle.h"
#include "node/http/http_cors.h"
#include "node/http/http_query.h"
#include "node/process/server_internal.h"

/* The part of the path below the engine's: "socket.io.js" for "/socket.io/socket.io.js". */
static struct text
path_below(const char *prefix, struct text path)
{
	size_t n = strlen(prefix);

	if (n > 0 && prefix[n - 1] == '/')
		n--;
	if (path.n <= n + 1 || path.at[n] != '/')
		return TEXT_NONE;
	return text_of(path.at + n + 1, path.n - n - 1);
}

static bool
is_bundle_file(struct text name)
{
	for (const struct http_bundle_file *file = http_bundle_files; file->name; file++) {
		if (text_is(name, text_from(file->name)))
			return true;
	}
	return false;
}

static void
server_serve_bundle(struct sio_host *host, struct http_request *request, struct text name)
{
	if (host->state != HOST_OPEN) /* the handshake that follows must reach another server */
		http_close_after(request);
	if (http_cors_apply(eio_cors(host->engine), request))
		return;
	must(http_bundle_handle(request, name));
}

/*
 * Returns the index for handover_request() of the worker that should answer, or -1 if this worker should. The owner
 * of the session that the request names answers. If no worker owns it, the successor's workers answer, if any.
 */
static int
server_find_worker(const struct sio_host *host, const struct http_request *request)
{
	char sid[EIO_SID_LENGTH + 1];
	unsigned node, worker;
	int n, index = -1;

	if (!host->handover)
		return -1;
	n = eio_matches(host->engine, request->path) ? http_query_get(request->query, "sid", sid, sizeof sid) : 0;
	if (n > 0 && eio_sid_parse(text_of(sid, (size_t)n), &node, &worker) == 0 &&
		node == host->options.node.node_id)
		index = doors_find(host->place->doors, worker);
	if (index >= 0)
		return index != (int)host->place->slot ? index : -1;
	return server_is_succeeded(host) ? (int)doors_successor(host->place->doors) : -1;
}

void
server_on_guest(void *arg, const struct handover_guest *guest)
{
	struct sio_host *host = arg;

	if (guest->kind == HANDOVER_BACKEND)
		backends_take(host->backends, guest);
	else
		front_take(host->front, guest);
}

/* Returns true if a program of --exec is expected and no backend is attached. */
static bool
server_is_awaiting(const struct sio_host *host)
{
	const struct backend_links_stats *stats = backends_stats(host->backends);

	return host->awaits_program && host->state == HOST_OPEN && stats && stats->ready + stats->draining == 0;
}

void
server_on_request(void *arg, struct http_request *request)
{
	struct sio_host *host = arg;
	int worker = server_find_worker(host, request);

	if (worker >= 0) {
		handover_request(host->handover, request, (unsigned)worker);
	} else if (eio_matches(host->engine, request->path)) {
		struct text name = path_below(host->options.eio.path, request->path);

		if (host->options.sio.serve_client && name.n > 0 && !request->upgrade && is_bundle_file(name))
			server_serve_bundle(host, request, name);
		else
			eio_handle(host->engine, request);
	} else if (upstream_is_active(host->upstream) || server_is_awaiting(host)) {
		front_rest(host->front, request, host->upstream);
	} else if (request->upgrade) {
		eio_handle_unclaimed_upgrade(host->engine, request);
	} else {
		front_rest(host->front, request, NULL);
	}
}
