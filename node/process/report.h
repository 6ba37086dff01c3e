/*
 * Asks a thread that hangs where it is. A signal makes the thread's handler write an incident; then the thread
 * continues.
 */
#ifndef NODE_PROCESS_REPORT_H
#define NODE_PROCESS_REPORT_H

#include <stdint.h>
#include <sys/types.h>

#include "node/process/incident.h"

/*
 * Call it in the main thread, which from now on answers by writing `to`; another process may share `to`. The signal
 * is SIGURG, which has no other use here and is ignored without a handler. Both pointers are borrowed until
 * report_unwatch() or the next call.
 */
void report_watch(const struct sio_underway *underway, struct incident *to);
void report_unwatch(void);

/* Asks the main thread of that process, which may be the caller's, to write `to`. The answer sets to->whole. */
void report_ask(struct incident *to, pid_t pid);

/*
 * Returns true if the thread has answered, or if it has hung for so long since it was asked that no answer will come,
 * because it waits inside the kernel. Both times are milliseconds of hanging, so that waiting for a processor does
 * not count.
 */
bool report_is_over(const struct incident *to, uint64_t asked_at, uint64_t now);

#endif
