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
 * For the main thread: it answers from now on, by writing `to`, which may be shared with another process. The signal
 * is SIGURG: it has no other use here, and without a handler it is ignored. Both pointers are borrowed until
 * report_unwatch() or the next call.
 */
void report_watch(const struct sio_underway *underway, struct incident *to);
void report_unwatch(void);

/* Asks the main thread of that process, which may be the caller's, to write `to`, which is then marked as whole. */
void report_ask(struct incident *to, pid_t pid);

/*
 * Has the thread answered, or has it hung for so long since it was asked that no answer is to be expected, as it
 * waits inside the kernel? Both times are milliseconds of hanging, so that waiting for a processor does not count.
 */
bool report_is_over(const struct incident *to, uint64_t asked_at, uint64_t now);

#endif
