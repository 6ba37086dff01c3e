/* The default limit on memory that a worker may hold for its clients: a share of the machine's or its cgroup's. */
#ifndef NODE_PROCESS_MEMORY_H
#define NODE_PROCESS_MEMORY_H

#include <stdint.h>

/*
 * Returns the most memory that this process may use: the least of the machine's memory and the limits of its cgroup
 * (version 2 or 1) and of the groups above. `root` precedes the paths that are read; it is "" except in tests.
 * Returns 0 if nothing can be read.
 */
uint64_t memory_of_machine(const char *root);

/*
 * Returns the budget of one of `workers` workers: `wanted` bytes or, if `wanted` is 0, half of the machine's memory
 * divided by the workers.
 */
uint64_t memory_budget(uint64_t wanted, unsigned workers);

#endif
