/*
 * Decides when a process that has ended is started again: at once the first time, then after a pause that doubles
 * with each failure, up to a maximum. The failures of a process that lived long enough are forgotten. Pure; times are
 * milliseconds of one monotonic clock.
 */
#ifndef NODE_PROCESS_PAUSE_H
#define NODE_PROCESS_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

struct pause {
	uint64_t started; /* the last start */
	uint64_t due;	  /* when to start again; 0: not at all */
	unsigned failures;
};

/* Call it when the process is started. */
void pause_start(struct pause *pause, uint64_t now);
/*
 * Sets `due`. Call it when the process has ended or could not be started. `served` is true if the process has served
 * clients, so its start was good.
 */
void pause_fail(struct pause *pause, uint64_t now, bool served);
/* Returns the time until `due`, for the log. */
uint64_t pause_left(const struct pause *pause, uint64_t now);

/* Makes *when the earlier of itself and `due`, where 0 means never. */
static inline void
pause_due_at_most(uint64_t *when, uint64_t due)
{
	if (due > 0 && due < *when)
		*when = due;
}

#endif
