/*
 * What a server costs, seen from outside: processor time and memory of processes and all their descendants, and what
 * the kernel keeps for sockets on this machine. Reads /proc.
 */
#ifndef TESTS_LOAD_OBSERVE_H
#define TESTS_LOAD_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OBSERVE_PIDS_MAX 64	   /* given by the user */
#define OBSERVE_PROCESSES_MAX 4096 /* they and their descendants */

struct observed {
	unsigned processes;
	double user_seconds, system_seconds; /* since each began, of those that live; also of waited-for children */
	uint64_t memory;    /* bytes, proportional set size: pages shared by n processes count 1/n for each */
	uint64_t anonymous; /* of it, what is no file */
};

/*
 * Adds up the processes `pids` and all their descendants, each once. 0; ERROR_NOT_FOUND if one of `pids` is gone
 * (*missing, which may be NULL, tells the first; the others are added up all the same); ERROR_SYSTEM if the memory of
 * one may not be read (then processor times are right, memory is 0); ERROR_TOO_MANY.
 */
int observe_processes(const pid_t *pids, unsigned n, struct observed *out, pid_t *missing);

/* Bytes that the kernel of this machine keeps for sockets: their buffers (TCP of /proc/net/sockstat) and their
 * structures (slab memory as a whole, /proc/meminfo). For differences between two moments. */
struct observed_kernel {
	uint64_t buffers, slab;
};
void observe_kernel(struct observed_kernel *out);

/* User and system time of the calling process, in seconds. */
double observe_own_seconds(void);

/* "123" or "123,456" into pids, each once: how many, or ERROR_ARGUMENT. */
int observe_parse_pids(const char *text, pid_t pids[OBSERVE_PIDS_MAX]);

#endif
