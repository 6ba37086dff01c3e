/*
 * The clients of a worker whose application runs in backends. It owns every namespace that the application inside
 * does not serve, and handles the frames that links receive. Lives as long as the sessions of its server.
 */
#ifndef NODE_BACKEND_BACKEND_CLIENTS_H
#define NODE_BACKEND_BACKEND_CLIENTS_H

#include "node/backend/backend_core.h"

/* Never returns NULL. The limits are copied. */
struct backend_core *backend_clients_new(struct loop *l, const struct backend_limits *limits);
/* Takes over the namespaces of `io` for the life of `io`. Call this before the first link is ready. */
void backend_clients_serve(struct backend_core *core, sio_server *io);
/* At shutdown: ends every wait for a backend, because no backend will come. Links and sessions may still exist. */
void backend_clients_close(struct backend_core *core);
/* All links and sessions must be gone. Accepts NULL. */
void backend_clients_free(struct backend_core *core);

#define BACKEND_INSTANCES_MAX 16 /* instances listed by name; the rest are summed up */
#define BACKEND_INSTANCE_MAX 65	 /* bytes of a name, with its NUL */

/* Figures for metrics. */
struct backend_clients_stats {
	uint64_t serves;      /* 1 if this server has backends or is waiting for them */
	uint64_t ever;	      /* 1 if a link was ready at any time */
	uint64_t orphans;     /* sockets that have lost their backend and wait for another */
	uint64_t waiting;     /* clients without a backend, including the clients of orphans */
	uint64_t queue_bytes; /* bytes of events that wait */
	struct backend_times attach, request;
	uint64_t instance_count, other_sessions;
	struct {
		uint64_t sessions;
		char name[BACKEND_INSTANCE_MAX];
	} instances[BACKEND_INSTANCES_MAX];
};
void backend_clients_stats(const struct backend_core *core, struct backend_clients_stats *out);

/* Callbacks for the links; `arg` is the core. */
extern const struct backend_link_ops backend_clients_ops;

#endif
