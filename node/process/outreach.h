/*
 * Whom the HTTP API reaches, and how (struct api_ops):
 *
 *   one process alone        its server; a namespace that it does not have has no sockets
 *   one process with Redis   its server, which tells the others; of a namespace that it does not have: its visitor
 *   the hub process          its visitor: the workers are nodes like others
 *
 * A namespace is never made on a server that has clients: that would let them in.
 */
#ifndef NODE_PROCESS_OUTREACH_H
#define NODE_PROCESS_OUTREACH_H

#include "node/api/api.h"
#include "node/process/process_options.h"
#include "node/process/stats.h"

struct visitor;

struct outreach {
	sio_server *own; /* NULL: none */
	struct visitor *visitor;
	struct api *api; /* NULL: there are no keys */
	const struct stats_page *pages;
	struct stats *snapshot; /* room for one */
	unsigned workers;
};

struct outreach_setup {
	struct loop *loop;
	sio_server *own;		     /* of this process, listening; NULL: it is the hub's */
	const struct api_options *api;	     /* borrowed */
	const struct server_options *server; /* how nodes are reached, and what an event may hold */
	const char *hub_name;		     /* NULL: none */
	const struct stats_page *pages;	     /* of the workers; borrowed */
	unsigned workers;
};

#define OUTREACH_ERROR_MAX BUS_ERROR_MAX

/* struct api_ops, `arg` being the outreach. */
void outreach_reach(void *arg, struct text nsp, struct api_reach *out);

/* Opens the API if there are keys. ERROR_ARGUMENT, ERROR_TLS with one line in `error`. */
int outreach_init(struct outreach *o, const struct outreach_setup *setup, char error[OUTREACH_ERROR_MAX]);
/* After admin_free(); runs the loop, so not from a callback. Harmless for one that is zeroed. */
void outreach_fini(struct outreach *o);
/* SIGHUP: reads the keys again, with a line in the log. */
void outreach_reload(struct outreach *o);

#endif
