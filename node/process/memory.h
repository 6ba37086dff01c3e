/* How much memory a worker may hold for its clients when nobody says so: a share of the machine, or of its cgroup. */
#ifndef NODE_PROCESS_MEMORY_H
#define NODE_PROCESS_MEMORY_H

#include <stdint.h>

/*
 * What this process may use at most: the machine's memory, or the limit of its cgroup (version 2 or 1) or of one
 * above it if that is less. `root` is put in front of the paths that are read: "" but in tests. 0: nothing can be
 * read.
 */
uint64_t memory_of_machine(const char *root);

/* The budget of one worker of `workers`: `wanted` bytes, or half of the machine divided by the workers for 0. */
uint64_t memory_budget(uint64_t wanted, unsigned workers);

#endif
