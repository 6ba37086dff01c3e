/*
 * A process that ends the programs of --exec if the master dies without doing so (kill -9, a crash). The kernel kills
 * the children of a dead master, but not their descendants, such as a program that a shell or npm runs. Afterwards
 * the guard removes the private directory. It has no descriptors, ignores all signals except SIGKILL and sleeps until
 * the master is gone.
 */
#ifndef NODE_PROCESS_EXEC_GUARD_H
#define NODE_PROCESS_EXEC_GUARD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "node/process/exec_dir.h"

/*
 * Returns the process id, or -1 with errno. `groups`, in shared memory, may change meanwhile; an entry of 0 is empty.
 * Both pointers are borrowed.
 */
pid_t exec_guard_start(const _Atomic pid_t *groups, unsigned count, const struct exec_dir *dir);
/* Ends and reaps the guard. */
void exec_guard_stop(pid_t guard);

#endif
