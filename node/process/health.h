/* Asks a server on this machine whether it lives, for `sockeye --health`: the health check of a container. */
#ifndef NODE_PROCESS_HEALTH_H
#define NODE_PROCESS_HEALTH_H

#include "node/process/admin.h"

#define HEALTH_ERROR_MAX 256

/*
 * Requests /healthz at the admin port that the options name; at a loopback address if they name all addresses. Blocks
 * for HEALTH_MS at most for each step. Returns 0 if the status is 200; ERROR_ARGUMENT without an admin port, or
 * ERROR_SYSTEM, with one line in `error`.
 */
#define HEALTH_MS 2000
int health_check(const struct admin_options *options, char error[HEALTH_ERROR_MAX]);

#endif
