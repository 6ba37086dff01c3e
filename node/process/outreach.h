/*
 * How the HTTP API reaches sockets (struct api_ops):
 *
 *   process                  reaches them through
 *   one process alone        its server; a namespace that the server lacks has no sockets
 *   one process with Redis   its server, which passes messages on; its visitor for a namespace that the server lacks
 *   the hub process          its visitor: the workers are nodes like others
 *
 * The API never creates a namespace on a server that has clients, because clients could then join that namespace.
 */
#ifndef NODE_PROCESS_OUTREACH_H
#define NODE_PROCESS_OUTREACH_H

#include "node/api/api.h"
#include "node/process/cluster.h"
#include "node/process/process_options.h"
#include "node/process/stats.h"

struct visitor;

struct outreach {
	sio_server *own; /* NULL in the hub process */
	struct visitor *visitor;
	struct api *api; /* NULL: there are no API keys */
	const struct stats_page *pages;
	struct stats *snapshot; /* work space for one worker */
	unsigned workers;
};

struct outreach_setup {
	struct loop *loop;
	sio_server *own;		     /* the server of this process, listening; NULL in the hub process */
	const struct api_options *api;	     /* borrowed */
	const struct server_options *server; /* its settings of the broker, by which nodes are reached */
	struct cluster_hub hub;		     /* of this machine */
	const struct stats_page *pages;	     /* of the workers; borrowed */
	unsigned workers;
};

#define OUTREACH_ERROR_MAX BUS_ERROR_MAX

/* Implements reach() of struct api_ops; `arg` is the outreach. */
void outreach_reach(void *arg, struct text nsp, struct api_reach *out);

/* Opens the API if there are keys. Returns 0, or ERROR_ARGUMENT or ERROR_TLS with one line in `error`. */
int outreach_init(struct outreach *outreach, const struct outreach_setup *setup, char error[OUTREACH_ERROR_MAX]);
/* Call it after admin_free(). Runs the loop, so it must not be called from a callback. Accepts a zeroed struct. */
void outreach_fini(struct outreach *outreach);
/* For SIGHUP: reads the keys again and logs a line. */
void outreach_reload(struct outreach *outreach);

#endif
