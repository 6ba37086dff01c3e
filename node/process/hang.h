/*
 * Whether a worker hangs: a turn of its loop does not end, because a function of the application does not return. The
 * worker's loop counts in `turn`, which is odd while a turn runs; whoever looks after it calls hang_look() at regular
 * times.
 *
 * Time counts only when it was the worker's own: not while it is stopped (SIGSTOP, a debugger), not while it is ready
 * to run but gets no processor, and no longer than usual when the whole machine stood still between two looks.
 *
 * Pure, but for hang_sample().
 */
#ifndef NODE_PROCESS_HANG_H
#define NODE_PROCESS_HANG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the system says of a thread. */
struct hang_sample {
	char state;   /* 'R', 'S', 'D', 'T', 't' of proc(5); 0: unknown */
	uint64_t cpu; /* ticks that it has used */
};

/* Of the main thread of that process. */
struct hang_sample hang_sample(pid_t pid);

struct hang {
	uint64_t interval_ms; /* between two looks, set by the owner */
	uint64_t turn, looked, cpu;
	uint64_t stuck_ms; /* in this turn; 0: it goes on */
	unsigned looks;	   /* that saw this turn and counted */
};

/* Forgets what was: for a new process. */
void hang_reset(struct hang *h, uint64_t interval_ms);

/* `sample` is only called when this turn was running at the look before too. Times are milliseconds of one clock. */
void hang_look(struct hang *h, uint64_t now, uint64_t turn, struct hang_sample (*sample)(pid_t pid), pid_t pid);

/* How often to look, to be exact within a tenth of either time; 0 is none. */
uint64_t hang_interval(uint64_t warning_ms, uint64_t timeout_ms);

#endif
