/*
 * The master of several workers. It opens what outlives them (listening sockets, doors, the hub's socket), forks the
 * hub and one worker per slot, restarts children that die, and passes signals on. It serves no clients and has no
 * event loop, so a fork copies nothing but memory.
 */
#ifndef NODE_PROCESS_MASTER_H
#define NODE_PROCESS_MASTER_H

#include "node/process/worker.h"

/*
 * Serves with `workers` children until a signal ends the master. Returns the exit code. If a listener cannot be
 * opened or the first worker does not start, the master ends with one line on stderr. `server` has flags and
 * environment applied.
 */
int master_run(const struct worker_setup *setup, struct server_options *server, unsigned workers);

/* Returns true if this program replaces a running one. The old master then waits for the report of the new master. */
bool master_has_predecessor(const struct inherited *inherited);

#endif
