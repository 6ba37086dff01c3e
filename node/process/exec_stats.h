/* Numbers of the programs of --exec, in memory that the master, who writes them, shares with whoever serves metrics.
 */
#ifndef NODE_PROCESS_EXEC_STATS_H
#define NODE_PROCESS_EXEC_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#define EXEC_COUNT_MAX 64

struct exec_stats {
	_Atomic uint32_t count; /* programs that shall run; 0: there is no --exec */
	struct {
		_Atomic uint64_t restarts; /* starts after an end that nobody asked for */
		_Atomic uint32_t running;  /* two during a deploy, and those that take long to end */
		_Atomic uint32_t ready;	   /* 0, 1: the current one is */
	} of[EXEC_COUNT_MAX];
};

#endif
