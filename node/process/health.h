/* The health check of `sockeye --health`: asks a server on this machine whether it is alive. Containers use it. */
#ifndef NODE_PROCESS_HEALTH_H
#define NODE_PROCESS_HEALTH_H

#include "node/process/admin.h"

#define HEALTH_ERROR_MAX 256

/*
 * Requests /healthz at the admin port of the options. If the options name all addresses, it uses a loopback address.
 * Each step blocks for at most HEALTH_MS. Returns 0 if the status is 200; ERROR_ARGUMENT without an admin port, or
 * ERROR_SYSTEM, with one line in `error`.
 */
#define HEALTH_MS 2000
int health_check(const struct admin_options *options, char error[HEALTH_ERROR_MAX]);

#endif
