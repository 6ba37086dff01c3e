/*
 * What a server costs, seen from outside: processor time and memory of processes and all their descendants, and the
 * memory that the kernel of this machine keeps for sockets. Reads /proc.
 */
#ifndef TESTS_LOAD_OBSERVE_H
#define TESTS_LOAD_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OBSERVE_PIDS_MAX 64	   /* processes that the user may name */
#define OBSERVE_PROCESSES_MAX 4096 /* those processes and their descendants */

struct observed {
	unsigned processes;
	double user_seconds, system_seconds; /* since each living process started, waited-for children included */
	uint64_t memory;    /* bytes, proportional set size: a page shared by n processes counts as 1/n in each */
	uint64_t anonymous; /* the part of `memory` that is not file-backed */
};

/*
 * Adds up the processes `pids` and all their descendants, each once. Returns 0; ERROR_NOT_FOUND if one of `pids` is
 * gone: *missing (may be NULL) receives the first, and the others are still added up; ERROR_SYSTEM if the memory of a
 * process cannot be read: processor times are right, memory is 0; ERROR_TOO_MANY.
 */
int observe_processes(const pid_t *pids, unsigned n, struct observed *out, pid_t *missing);

/*
 * Bytes that the kernel of this machine uses for sockets: TCP buffers (/proc/net/sockstat), and slab memory as a
 * whole, which holds the socket structures (/proc/meminfo). Only differences between two moments are meaningful.
 */
struct observed_kernel {
	uint64_t buffers, slab;
};
void observe_kernel(struct observed_kernel *out);

/* User and system time of the calling process, in seconds. */
double observe_own_seconds(void);

/* Parses "123" or "123,456" into `pids`, without duplicates. Returns their number, or ERROR_ARGUMENT. */
int observe_parse_pids(const char *text, pid_t pids[OBSERVE_PIDS_MAX]);

#endif
