/*
 * The front door: the listener, the TLS context and the HTTP server of one
 * loop, the static files, and the answer for paths that are nobody's.
 *
 * Life: front_open() starts accepting, front_stop() ends that, front_finish() ends every connection; once
 * loop->connections is 0 front_free() may be called.
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

/* Room for an error line of this module. */
#define FRONT_ERROR_MAX OPTION_ERROR_MAX

struct front_setup {
	const struct front_options *options; /* borrowed until front_open() returns */
	uint64_t gzip_threshold;	     /* http_limits.gzip_threshold */
	uint64_t max_queue;		     /* conn_limits.max_queue at least, where the option says 0 */
	unsigned workers;		     /* that share the machine's memory; 0: it is alone */
	struct listener_set *listeners;	     /* open already, taken over; NULL: host and port are opened */
	const uint8_t *ticket_keys;	     /* of struct tls_options; borrowed for as long as it lives */
	struct vitals *vitals;		     /* told when a client arrives; borrowed likewise; NULL: nobody asks */
	/* Every request; those that nobody claims go to front_rest(). */
	void (*on_request)(void *arg, struct http_request *r);
	void *arg;
};

/* ERROR_ARGUMENT, ERROR_SYSTEM, ERROR_TLS; `error` then holds one line. Nothing is left open. */
int front_open(struct front **out, struct loop *l, const struct front_setup *setup, char error[FRONT_ERROR_MAX]);

/* Answers a request that nobody claimed: a static file, what the upstream has (NULL: there is none), or 404. */
void front_rest(struct front *f, struct http_request *r, struct upstream *upstream);

/*
 * Reads the certificate and the key again; connections from now on get the new ones. ERROR_TLS with one line in
 * `error`: the old ones stay. ERROR_STATE: no TLS here.
 */
int front_reload_tls(struct front *f, char error[FRONT_ERROR_MAX]);

/* Serves a connection that comes from a sibling. */
void front_take(struct front *f, const struct handover_guest *g);

/* The limits of its connections, for those that others make. */
const struct conn_limits *front_limits(const struct front *f);

/* 0 once it has stopped. */
uint16_t front_port(const struct front *f);
bool front_is_tls(const struct front *f);

/* Stops accepting; the port is free again. Open connections stay. */
void front_stop(struct front *f);

/* Ends every connection in good order: what is queued is sent first, within sendTimeout, then lingerTimeout. */
void front_finish(struct front *f);

/* No connection may be left. Accepts NULL. */
void front_free(struct front *f);

#endif
