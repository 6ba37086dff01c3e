/*
 * The admin listener: GET /healthz (alive), /readyz (accepting), /metrics and /log, for a single worker or, in the
 * hub process, for several. It reads the workers' stats pages and does not ask the workers. Paths below /api go to
 * the HTTP API, and those below /ui to the page of the admin UI.
 *
 * /readyz is 200 while at least one worker accepts clients and has, or once had, an application; else it is 503. The
 * loss of the bus does not make a node unready, as the node still serves its clients; the answer then has
 * "degraded":true.
 *
 * The loop counts the listener's connections as services, not as clients.
 */
#ifndef NODE_PROCESS_ADMIN_H
#define NODE_PROCESS_ADMIN_H

#include "common/io/inherited.h"
#include "common/io/listener.h"
#include "node/adminui/adminui_options.h"
#include "node/api/api.h"
#include "node/process/exec_stats.h"
#include "node/process/log_control.h"
#include "node/process/stats.h"

struct admin;
struct hub;
struct hub_life;
struct history_table;
struct sio_keeper;

struct admin_options {
	char *host;
	uint64_t port; /* 0: no admin listener */
};

#define ADMIN_ERROR_MAX 256

/*
 * Opens the listening sockets and logs a line. It is separate from admin_new(), so that the sockets can outlive a
 * process that serves them. Inherited sockets are taken over; `inherited` may be NULL. Returns 0, or ERROR_ARGUMENT
 * or ERROR_SYSTEM with one line in `error`.
 */
int admin_listen(struct listener_set *out, const struct admin_options *options, const struct inherited *inherited,
	char error[ADMIN_ERROR_MAX]);
/* Appends the sockets to the text for the program that replaces this one, see inherited.h. */
void admin_hand_on(const struct listener_set *set, const struct admin_options *options, struct buffer *out);

/*
 * Takes over the sockets of `set`. `pages`, `exec` (NULL: no --exec), `log` and `api` (NULL: no HTTP API) are
 * borrowed.
 */
struct admin *admin_new(struct loop *l, struct listener_set *set, const struct stats_page *pages, unsigned count,
	const struct exec_stats *exec, struct log_control *log, struct api *api);

/* Adds to the metrics what the hub keeps for connection state recovery. `keeper` is borrowed; NULL adds nothing. */
void admin_set_keeper(struct admin *admin, const struct sio_keeper *keeper);
/* Adds the history of rooms that the hub keeps. `table` is borrowed; NULL adds nothing. */
void admin_set_history(struct admin *admin, const struct history_table *table);
/* Adds the hub's connection to Redis to the metrics. `hub` is borrowed. */
void admin_set_hub(struct admin *admin, const struct hub *hub);

/* Adds the number of restarts of the hub to the metrics. `life` is borrowed. */
void admin_set_hub_life(struct admin *admin, const struct hub_life *life);

/* Serves the page of the admin UI if the options enable it, see admin_page_new(). */
void admin_serve_page(struct admin *admin, const struct adminui_options *options);

/* Returns the number of open connections. Accepts NULL. */
unsigned admin_connections(const struct admin *admin);

/* Stops accepting connections. Open ones end after their next answer. Accepts NULL. */
void admin_stop(struct admin *admin);

/* Cuts the connections and finishes the turn of the loop, so it must not be called from a callback. Accepts NULL. */
void admin_free(struct admin *admin);

#endif
