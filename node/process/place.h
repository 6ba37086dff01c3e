/* Where a worker stands among its siblings: what the master gives it. Borrowed for as long as the server lives. */
#ifndef NODE_PROCESS_PLACE_H
#define NODE_PROCESS_PLACE_H

#include "common/io/listener.h"
#include "node/backend/backend_address.h"
#include "node/process/handover.h"
#include "node/process/log_control.h"
#include "node/process/stats.h"
#include "node/process/vitals.h"

struct place {
	unsigned slot; /* 0 ... doors->count - 1; the worker part of sids */
	const struct doors *doors;
	struct listener_set *listeners; /* the slot's; taken when the server listens */
	const char *host;		/* the options that they were opened with */
	uint64_t port;
	const char *hub_name;	  /* of this machine; NULL: none */
	struct stats_page *stats; /* the slot's */
	struct vitals *vitals;	  /* the slot's */
	const struct log_control *log;
	const uint8_t *ticket_keys;	    /* a client resumes its TLS session at any worker: see common/io/tls.h */
	struct backend_addresses *backends; /* of all workers: where backends dial; may be none */
	const char *backend_urls;	    /* the option that they were opened with; NULL: none */
	const char *edge;		    /* the node's name for backends */
	int ready_fd;			    /* a pipe to the master: see worker.h */
};

#endif
