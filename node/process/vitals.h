/*
 * The signs of life of a worker: a few words in memory that the worker and its master share. The worker writes them
 * without a system call; the master reads them when it looks after its workers, also after the worker died.
 */
#ifndef NODE_PROCESS_VITALS_H
#define NODE_PROCESS_VITALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/process/incident.h"

struct vitals {
	_Atomic bool served;   /* a client has reached it: set at the first connection, cleared before each start */
	_Atomic uint64_t turn; /* counted by its loop: odd while it runs callbacks */
	struct incident crash, hang;
};

/* `count` of them, all zero, which children share after a fork; NULL with errno. Free by vitals_free(). */
struct vitals *vitals_new(unsigned count);
void vitals_free(struct vitals *vitals, unsigned count); /* accepts NULL */

static inline void
vitals_set_served(struct vitals *v)
{
	atomic_store_explicit(&v->served, true, memory_order_relaxed);
}

#endif
