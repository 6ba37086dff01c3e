/*
 * The last words of a process that crashes by SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT (a broken invariant too): an
 * incident, on a stack of its own, since the usual one may be what ran out. The signal then does what it did before:
 * the process ends by it and leaves a core dump where that is wanted; a sanitizer's handler writes its report.
 *
 * Process-wide.
 */
#ifndef NODE_PROCESS_CRASH_H
#define NODE_PROCESS_CRASH_H

#include "node/process/incident.h"

/*
 * From now on, for the calling thread's crashes and, without an alternate stack, those of others. `underway` may be
 * NULL and is of the calling thread. `shared`: where the incident goes, for a master who logs it; NULL: this process
 * logs a line "crash". Both are borrowed until crash_unwatch() or the next call.
 */
void crash_watch(const struct sio_underway *underway, struct incident *shared);
void crash_unwatch(void);

#endif
