/*
 * The crash report of a process that ends by SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT, which a broken invariant
 * raises. The handler writes an incident, on an alternate stack since the usual one may have overflowed. Then the
 * signal has its former effect: the process ends and leaves a core dump if configured; a sanitizer's handler writes
 * its report.
 *
 * The state is process-wide.
 */
#ifndef NODE_PROCESS_CRASH_H
#define NODE_PROCESS_CRASH_H

#include "node/process/incident.h"

/*
 * Reports crashes from now on: of the calling thread, and of other threads, which have no alternate stack. `underway`
 * belongs to the calling thread and may be NULL. The incident goes to `shared`, for a master that logs it; if
 * `shared` is NULL, this process logs a line "crash". Both are borrowed until crash_unwatch() or the next call.
 */
void crash_watch(const struct sio_underway *underway, struct incident *shared);
void crash_unwatch(void);

#endif
