/*
 * The hub process of one machine: the bus between its workers, and the admin listener. It has no clients; the master
 * starts it first and stops it last.
 */
#ifndef NODE_PROCESS_HUB_PROCESS_H
#define NODE_PROCESS_HUB_PROCESS_H

#include <stdint.h>

#include "node/process/admin.h"
#include "node/process/process_options.h"

/*
 * What ends it. The workers need it to the end of their drain, so it ignores SIGTERM, which a supervisor may send to
 * all processes at once.
 */
#define HUB_STOP_SIGNAL SIGQUIT

struct hub_process_setup {
	int listening_fd;	    /* of hub_listen() */
	struct listener_set *admin; /* of admin_listen(); taken; empty: no admin listener */
	const struct stats_page *pages;
	const struct exec_stats *exec; /* NULL: there is no --exec */
	struct log_control *log;       /* switched at the admin listener; by SIGUSR2 the hub takes it over */
	unsigned workers;
	/* Of the HTTP API; all NULL: there is none. */
	const struct api_options *api;
	const struct server_options *server;
	const char *hub_name; /* of listening_fd */
};

/* Serves until HUB_STOP_SIGNAL; the exit code. */
int hub_process_run(const struct hub_process_setup *setup);

#endif
