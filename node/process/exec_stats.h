/*
 * Figures of the programs of --exec, in shared memory. The master writes them; the process that serves metrics reads
 * them.
 */
#ifndef NODE_PROCESS_EXEC_STATS_H
#define NODE_PROCESS_EXEC_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#define EXEC_COUNT_MAX 64

struct exec_stats {
	_Atomic uint32_t count; /* programs that should run; 0: no --exec */
	struct {
		_Atomic uint64_t restarts; /* starts after an unexpected end */
		_Atomic uint32_t running;  /* two during a deploy, plus programs that are slow to end */
		_Atomic uint32_t ready;	   /* 1: the current program is ready; else 0 */
	} of[EXEC_COUNT_MAX];
};

#endif
