/* What the master gives to a worker. Borrowed for the life of the server. */
#ifndef NODE_PROCESS_PLACE_H
#define NODE_PROCESS_PLACE_H

#include "common/io/listener.h"
#include "node/backend/backend_address.h"
#include "node/process/cluster.h"
#include "node/process/handover.h"
#include "node/process/log_control.h"
#include "node/process/stats.h"
#include "node/process/vitals.h"

struct place {
	unsigned slot; /* 0 to doors->count - 1; part of the sids */
	const struct doors *doors;
	struct listener_set *listeners; /* of the slot; taken over when the server listens */
	const char *host;		/* the options with which the listeners were opened */
	uint64_t port;
	struct cluster_hub hub;	  /* of this machine */
	const char *instance;	  /* of this run of the node, see struct cluster_self */
	struct stats_page *stats; /* of the slot */
	struct vitals *vitals;	  /* of the slot, in the array of all workers */
	const struct log_control *log;
	const uint8_t *ticket_keys; /* shared, so that a client resumes its TLS session at any worker: see tls.h */
	struct backend_addresses *backends; /* shared by all workers: where backends connect; may be empty */
	const char *backend_urls;	    /* the option with which those addresses were opened; NULL: none */
	const char *edge;		    /* the node's name for backends */
	int ready_fd;			    /* a pipe to the master: see worker.h */
};

#endif
