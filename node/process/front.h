/*
 * The front door: the listener, the TLS context and the HTTP server of one loop, the static files, and the answer for
 * paths that nothing else handles.
 *
 * Life: front_open() starts accepting, front_stop() ends that, front_finish() ends every connection. When
 * loop->connections is 0, front_free() may be called.
 */
#ifndef NODE_PROCESS_FRONT_H
#define NODE_PROCESS_FRONT_H

#include <stdint.h>

#include "common/io/loop.h"
#include "common/io/listener.h"
#include "node/http/http.h"
#include "node/process/handover.h"
#include "node/process/process_options.h"
#include "node/process/vitals.h"

struct front;
struct upstream;

/* Size of a buffer for an error line. */
#define FRONT_ERROR_MAX OPTION_ERROR_MAX

struct front_setup {
	const struct front_options *options; /* borrowed until front_open() returns */
	uint64_t gzip_threshold;	     /* http_limits.gzip_threshold */
	uint64_t max_queue;		     /* minimum of conn_limits.max_queue if the option is 0 */
	unsigned workers;		/* number of workers that share the machine's memory; 0: a single process */
	struct listener_set *listeners; /* open listeners to take over; NULL: host and port are opened */
	const uint8_t *ticket_keys;	/* for struct tls_options; borrowed for the life of the front */
	struct vitals *vitals; /* notes that a client has arrived; borrowed for the life of the front; may be NULL */
	/* Called for every request. It passes those that it does not handle to front_rest(). */
	void (*on_request)(void *arg, struct http_request *request);
	void *arg;
};

/* Returns 0, or ERROR_ARGUMENT, ERROR_SYSTEM or ERROR_TLS with one line in `error`; then nothing is left open. */
int front_open(struct front **out, struct loop *l, const struct front_setup *setup, char error[FRONT_ERROR_MAX]);

/*
 * Answers a request that nothing else handles: with a static file, by the upstream (may be NULL), or with 404. While
 * the server drains, the connection closes after the reply, and the upstream gets no new WebSockets (503).
 */
void front_rest(struct front *front, struct http_request *request, struct upstream *upstream);

/*
 * Reads the certificate and the key again, for new connections. Returns 0; ERROR_TLS with one line in `error` if the
 * old ones stay in use; or ERROR_STATE if TLS is off.
 */
int front_reload_tls(struct front *front, char error[FRONT_ERROR_MAX]);

/* Serves a connection that a sibling has accepted. */
void front_take(struct front *front, const struct handover_guest *guest);

/* Returns the limits of the front's connections, for connections that are made elsewhere. */
const struct conn_limits *front_limits(const struct front *front);

/* Returns the port, or 0 after front_stop(). */
uint16_t front_port(const struct front *front);
bool front_is_tls(const struct front *front);

/*
 * Begins to drain. The front then accepts connections only if `accepting` is true; connections that siblings pass are
 * served in either case. May be called again, also after front_stop().
 */
void front_drain(struct front *front, bool accepting);

/* Stops accepting and frees the port. Open connections stay. */
void front_stop(struct front *front);

/* Ends every connection gracefully: queued data is sent first, within sendTimeout, then lingerTimeout applies. */
void front_finish(struct front *front);

/* Requires that no connection is left. Accepts NULL. */
void front_free(struct front *front);

#endif
