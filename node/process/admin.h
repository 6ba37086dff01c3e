/*
 * The admin listener: GET /healthz (alive), /readyz (accepting) and /metrics, for one worker alone or for the hub
 * process of several. It reads stats pages and asks nobody; what is below /api it gives to the HTTP API.
 *
 * /readyz is 200 while at least one worker accepts, else 503. A bus that is away does not make a node unready, as
 * clients of this node are still served: the answer then says "degraded":true.
 *
 * Its connections are services of the loop: no client's counter grows by a scrape.
 */
#ifndef NODE_PROCESS_ADMIN_H
#define NODE_PROCESS_ADMIN_H

#include "common/io/listener.h"
#include "node/api/api.h"
#include "node/process/exec_stats.h"
#include "node/process/log_control.h"
#include "node/process/stats.h"

struct admin;

struct admin_options {
	char *host;
	uint64_t port; /* 0: no admin listener */
};

#define ADMIN_ERROR_MAX 256

/*
 * The listening sockets, so that they outlive whoever serves them, with a line in the log; ERROR_ARGUMENT,
 * ERROR_SYSTEM and one line in `error`.
 */
int admin_listen(struct listener_set *out, const struct admin_options *o, char error[ADMIN_ERROR_MAX]);

/* Takes the sockets. `pages`, `exec` (NULL: there is no --exec), `log` and `api` (NULL: none) are borrowed. */
struct admin *admin_new(struct loop *l, struct listener_set *set, const struct stats_page *pages, unsigned count,
	const struct exec_stats *exec, struct log_control *log, struct api *api);

/* Cuts its connections, and ends a turn of the loop for that: not from a callback. Accepts NULL. */
void admin_free(struct admin *a);

#endif
