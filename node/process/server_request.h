/*
 * The callbacks for the requests of a server, and for the connections that its siblings hand over. They call down:
 * the engine, the files, the upstream, the backends, or the handover to the worker that should answer. `arg` is the
 * struct sio_host.
 */
#ifndef NODE_PROCESS_SERVER_REQUEST_H
#define NODE_PROCESS_SERVER_REQUEST_H

#include "node/process/handover.h"

struct http_request;

/* The callback front_setup.on_request. The request is answered, or handed to a sibling. */
void server_on_request(void *arg, struct http_request *request);

/* The callback handover_setup.on_guest. */
void server_on_guest(void *arg, const struct handover_guest *guest);

#endif
