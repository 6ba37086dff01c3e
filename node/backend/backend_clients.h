/*
 * The clients of a worker whose application is in backends: owner of all namespaces that the application inside does
 * not have, and whom links tell what comes. Lives as long as its server's sessions.
 */
#ifndef NODE_BACKEND_BACKEND_CLIENTS_H
#define NODE_BACKEND_BACKEND_CLIENTS_H

#include "node/backend/backend_core.h"

struct backend_core *backend_clients_new(struct loop *l, const struct backend_limits *limits);
/* Takes the namespaces, for the life of `io`; before the first link is ready. */
void backend_clients_serve(struct backend_core *core, sio_server *io);
/* What waits for a backend is told that none comes. Links and sessions may be there still. */
void backend_clients_close(struct backend_core *core);
/* All links and sessions must be gone. Accepts NULL. */
void backend_clients_free(struct backend_core *core);

#define BACKEND_INSTANCES_MAX 16 /* shown by name; more are summed up */
#define BACKEND_INSTANCE_MAX 65	 /* bytes of a name, with its NUL */

/* What an operator sees of it, plain numbers. */
struct backend_clients_stats {
	uint64_t serves;      /* there are backends, or will be */
	uint64_t ever;	      /* one was there at some time */
	uint64_t orphans;     /* sockets that have lost their backend and wait for another */
	uint64_t waiting;     /* clients without a backend, those of the orphans too */
	uint64_t queue_bytes; /* events that wait */
	struct backend_times attach, request;
	uint64_t instance_count, other_sessions;
	struct {
		uint64_t sessions;
		char name[BACKEND_INSTANCE_MAX];
	} instances[BACKEND_INSTANCES_MAX];
};
void backend_clients_stats(const struct backend_core *core, struct backend_clients_stats *out);

/* For links, with the core as `arg`. */
extern const struct backend_link_ops backend_clients_ops;

#endif
