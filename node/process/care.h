/*
 * How the master looks after workers that do not serve, because a handler of the application does not return or
 * because they are being restarted.
 *
 *   worker                   master
 *   is stuck in one turn     after two looks it accepts the connections at the worker's port and passes each of
 *                            them to a worker that serves, so new clients are not affected
 *   ... for hangWarning      asks the worker where it is, and logs the answer
 *   ... for hangTimeout      aborts the worker, so that it leaves a core dump if configured; kills it if that fails
 *   continues                leaves the port to the worker again
 *   is restarted             accepts for the worker until it is ready
 *   drains by a signal       accepts for the worker until its last clients have left
 */
#ifndef NODE_PROCESS_CARE_H
#define NODE_PROCESS_CARE_H

#include <poll.h>

#include "common/io/listener.h"
#include "node/process/handover.h"
#include "node/process/stats.h"
#include "node/process/vitals.h"

struct care;

/* Everything except the times is borrowed. */
struct care_setup {
	unsigned workers;
	uint64_t warning_ms, timeout_ms; /* 0: never */
	const struct doors *doors;
	const struct stats_page *pages; /* one per worker, like `vitals` */
	struct vitals *vitals;
};

struct care *care_new(const struct care_setup *setup);
void care_free(struct care *care); /* accepts NULL */

/* Call it when the worker serves. Its `listeners` are borrowed until the worker has ended. */
void care_ready(struct care *care, unsigned slot, pid_t pid, const struct listener_set *listeners);
/* Call it when the worker has ended. Its listeners stay open if it will be restarted. */
void care_ended(struct care *care, unsigned slot);

/* Looks at all workers. Call it when care_due() has passed. Times are milliseconds of the monotonic clock. */
void care_look(struct care *care, uint64_t now);
uint64_t care_due(const struct care *care);

/* Fills in the descriptors to poll now, at most LISTENER_SOCKETS_MAX per worker. Pass the same to care_polled(). */
unsigned care_polls(const struct care *care, struct pollfd *out);
void care_polled(struct care *care, const struct pollfd *polls, unsigned n, uint64_t now);

#endif
