/*
 * Watches a serving process that has no master: a child process logs when a handler of the application does not
 * return, and where it is. It is a process and not a thread because the C library takes no locks in a single-threaded
 * process: with a second thread each message cost 3 % more.
 */
#ifndef NODE_PROCESS_WATCHDOG_H
#define NODE_PROCESS_WATCHDOG_H

#include <stdint.h>

#include "node/process/vitals.h"

struct watchdog;

/*
 * Must be called by the main thread, whose loop counts its turns in vitals->turn, and which answers into vitals->hang
 * by report_watch(). `vitals` is shared memory from vitals_new(). If no process can be made, logs a warning and
 * returns NULL.
 */
struct watchdog *watchdog_start(struct vitals *vitals, uint64_t warning_ms);
void watchdog_stop(struct watchdog *watchdog); /* accepts NULL */

#endif
