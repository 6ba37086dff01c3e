/*
 * A process that ends the programs of --exec when the master dies without having done so (kill -9, a crash): the
 * kernel kills a child of the master, but not what that child has started, as a shell or npm does. Then it removes
 * the private directory. It has no descriptors, ignores all signals but SIGKILL and sleeps until the master is gone.
 */
#ifndef NODE_PROCESS_EXEC_GUARD_H
#define NODE_PROCESS_EXEC_GUARD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "node/process/exec_dir.h"

/* The process, or -1 with errno. `groups`, in shared memory, may change meanwhile; 0: none. Both are borrowed. */
pid_t exec_guard_start(const _Atomic pid_t *groups, unsigned count, const struct exec_dir *dir);
/* Ends and reaps it. */
void exec_guard_stop(pid_t guard);

#endif
