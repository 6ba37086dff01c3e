/*
 * The vital signs of a worker: a few words in memory shared by the worker and its master. The worker writes them
 * without a system call. The master reads them while it supervises the workers, and after a worker has died.
 */
#ifndef NODE_PROCESS_VITALS_H
#define NODE_PROCESS_VITALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/process/incident.h"

struct vitals {
	_Atomic bool served;	  /* a client has connected; cleared before each start */
	_Atomic uint64_t turn;	  /* counted by the loop; odd while it runs callbacks */
	_Atomic bool node_drains; /* set by the master: the whole node drains, not only this worker */
	_Atomic bool succeeded;	  /* set by the master: another program has taken the port over */
	_Atomic bool drained;	  /* all clients of the worker have left */
	struct incident crash, hang;
};

/* Maps `count` zeroed structs, which children share after a fork. Returns NULL with errno. */
struct vitals *vitals_new(unsigned count);
void vitals_free(struct vitals *vitals, unsigned count); /* accepts NULL */

/* Returns true if all `count` workers have drained. */
bool vitals_all_drained(const struct vitals *vitals, unsigned count);

static inline bool
vitals_is_succeeded(const struct vitals *vitals)
{
	return atomic_load_explicit(&vitals->succeeded, memory_order_relaxed);
}

static inline void
vitals_set_served(struct vitals *vitals)
{
	atomic_store_explicit(&vitals->served, true, memory_order_relaxed);
}

#endif
