/*
 * How the master looks after workers that do not do their work, because a handler of the application does not return
 * or because they are being started again.
 *
 *   a worker               its master
 *   stands in one turn     two looks later accepts the connections that wait at its port, and those that still
 *                          come, and passes each to a worker that serves: new clients notice nothing
 *   for hangWarning        has it say where it stands, and logs that
 *   for hangTimeout        aborts it, so that it leaves a core dump where that is wanted; kills it if that
 *                          does not help
 *   goes on                leaves its port to it again
 *   is started again       accepts for it until it is ready
 *   drains by a signal     the same, as long as its last clients are there
 */
#ifndef NODE_PROCESS_CARE_H
#define NODE_PROCESS_CARE_H

#include <poll.h>

#include "common/io/listener.h"
#include "node/process/handover.h"
#include "node/process/stats.h"
#include "node/process/vitals.h"

struct care;

/* All but the times is borrowed. */
struct care_setup {
	unsigned workers;
	uint64_t warning_ms, timeout_ms; /* 0: never */
	const struct doors *doors;
	const struct stats_page *pages; /* one per worker, as the next */
	struct vitals *vitals;
};

struct care *care_new(const struct care_setup *setup);
void care_free(struct care *c); /* accepts NULL */

/* The worker serves from now on; `listeners` are its own, borrowed until it has ended. */
void care_ready(struct care *c, unsigned slot, pid_t pid, const struct listener_set *listeners);
/* It has ended; its listeners stay, if it will be started again. */
void care_ended(struct care *c, unsigned slot);

/* Looks at all of them; to be called when care_due() is over. Times are milliseconds of the monotonic clock. */
void care_look(struct care *c, uint64_t now);
uint64_t care_due(const struct care *c);

/* The descriptors to poll now, at most LISTENER_SOCKETS_MAX per worker; then care_polled() with the same. */
unsigned care_polls(const struct care *c, struct pollfd *out);
void care_polled(struct care *c, const struct pollfd *polls, unsigned n, uint64_t now);

#endif
