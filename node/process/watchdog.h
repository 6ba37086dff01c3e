/*
 * Looks after a serving process that has no master: a child that logs when a handler of the application does not
 * return, and where it stands. A child and not a thread, because in a process with one thread the C library takes no
 * locks: with a second one, each message cost 3 % more.
 */
#ifndef NODE_PROCESS_WATCHDOG_H
#define NODE_PROCESS_WATCHDOG_H

#include <stdint.h>

#include "node/process/vitals.h"

struct watchdog;

/*
 * Called by the main thread, which counts its turns in vitals->turn and answers by report_watch() into vitals->hang;
 * `vitals` is shared memory, of vitals_new(). NULL: there is no process to be had, and nobody looks.
 */
struct watchdog *watchdog_start(struct vitals *vitals, uint64_t warning_ms);
void watchdog_stop(struct watchdog *w); /* accepts NULL */

#endif
