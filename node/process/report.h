/*
 * Asking a thread where it is, while it hangs: a signal makes its handler write an incident, and the thread goes on.
 */
#ifndef NODE_PROCESS_REPORT_H
#define NODE_PROCESS_REPORT_H

#include <stdint.h>
#include <sys/types.h>

#include "node/process/incident.h"

/*
 * Of the main thread: from now on it answers, into `to`, which may be shared with another process. SIGURG is the
 * signal, which nobody uses for anything else and which is ignored where there is no handler. Both are borrowed until
 * report_unwatch() or the next call.
 */
void report_watch(const struct sio_underway *underway, struct incident *to);
void report_unwatch(void);

/* Asks the main thread of that process, which may be our own, to write `to`: it is whole once that is done. */
void report_ask(struct incident *to, pid_t pid);

/*
 * Is the answer there, or has the thread hung for so long since it was asked that none is to be expected (it waits
 * inside the kernel)? Both are milliseconds of hanging: on a machine that is busy the answer needs a processor.
 */
bool report_is_over(const struct incident *to, uint64_t asked_at, uint64_t now);

#endif
