/*
 * The master of several workers: it opens what outlives them (listening sockets, doors, the hub's socket), forks the
 * hub and one worker per slot, starts again what dies, and passes signals on. It serves nobody and has no event loop,
 * so that a fork copies nothing but memory.
 */
#ifndef NODE_PROCESS_MASTER_H
#define NODE_PROCESS_MASTER_H

#include "node/process/worker.h"

/* The option `workers`, 0 being the cores that this process may use. */
unsigned master_workers(const struct program_options *o);

/*
 * Serves by `workers` children until a signal ends it; the exit code. Errors of the listeners, and a first worker
 * that does not start, end it with one line on stderr. `server`: flags and environment.
 */
int master_run(const struct worker_setup *setup, const struct server_options *server, unsigned workers);

#endif
