/*
 * The hub process of a machine. It is the bus between the workers or subscribes at Redis for them, and it has the
 * admin listener. It has no clients. The master starts it first, restarts it when its loop does not turn, and stops
 * it last.
 */
#ifndef NODE_PROCESS_HUB_PROCESS_H
#define NODE_PROCESS_HUB_PROCESS_H

#include <stdint.h>

#include "node/process/admin.h"
#include "node/process/cluster.h"
#include "node/process/hub_watch.h"
#include "node/process/process_options.h"

/*
 * The signal that ends the hub. Workers need the hub to the end of their drain, so it ignores SIGTERM, which a
 * supervisor may send to all processes at once.
 */
#define HUB_STOP_SIGNAL SIGQUIT

/*
 * In an upgrade: the hub gives up the duties that hub_life.loss names. If it names none, the hub ignores the signal,
 * because `pkill` or `systemctl kill` may send SIGUSR2 to all processes, the hub among them.
 */
#define HUB_LOSS_SIGNAL SIGUSR2

struct hub_process_setup {
	int listening_fd;	    /* of hub_listen() */
	struct listener_set *admin; /* of admin_listen(), taken over; empty: no admin listener */
	const struct stats_page *pages;
	const struct exec_stats *exec; /* NULL: no --exec */
	struct log_control *log;       /* changed at the admin listener; the hub applies changes on SIGTTIN */
	struct hub_life *life;	       /* shared with the master, which watches the hub's turns */
	unsigned workers;
	/* For the HTTP API and the page of the admin UI; both NULL: they are off. */
	const struct api_options *api;
	const struct server_options *server;
	/* The address of listening_fd, and the Redis at which this hub subscribes. */
	struct cluster_hub hub;
};

/* Serves until HUB_STOP_SIGNAL. Returns the exit code. */
int hub_process_run(const struct hub_process_setup *setup);

#endif
