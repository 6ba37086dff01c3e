/*
 * Detects a worker that hangs: a turn of its loop does not end, because a function of the application does not
 * return. The worker's loop counts in `turn`, which is odd while a turn runs. The watching process calls hang_look()
 * at regular intervals.
 *
 * Only the worker's own time counts. Time does not count while the worker is stopped (SIGSTOP, a debugger), nor while
 * it is runnable but gets no processor. If the whole machine stood still between two looks, the time counts as two
 * intervals.
 *
 * A process with a beat turns at least once per interval, also when it is idle. It hangs when `turn` stands still,
 * whether the value is odd or even. For such a process, time counts while it is stopped by SIGSTOP. Time in which a
 * debugger holds it is counted separately.
 *
 * Pure, except for hang_sample().
 */
#ifndef NODE_PROCESS_HANG_H
#define NODE_PROCESS_HANG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The state of a thread as the kernel reports it. */
struct hang_sample {
	char state;   /* 'R', 'S', 'D', 'T' or 't' of proc(5); 0: unknown */
	uint64_t cpu; /* processor time in clock ticks */
};

/* Samples the main thread of the process. */
struct hang_sample hang_sample(pid_t pid);

struct hang {
	uint64_t interval_ms; /* between two looks */
	uint64_t turn, looked, cpu;
	uint64_t stuck_ms; /* time in the present turn; 0: not stuck */
	unsigned looks;	   /* number of looks that added to stuck_ms */
	bool beats;	   /* see hang_reset_beat() */
	uint64_t held_ms;  /* with a beat: time without a turn in which a debugger held the process */
};

/* Resets the state for a new process. */
void hang_reset(struct hang *hang, uint64_t interval_ms);
/* Resets the state for a new process whose loop turns at least once per interval. */
void hang_reset_beat(struct hang *hang, uint64_t interval_ms);

/*
 * `sample` is called only if this turn already ran at the previous look, or if no turn began since then and the
 * process has a beat. Times are milliseconds of one monotonic clock.
 */
void hang_look(struct hang *hang, uint64_t now, uint64_t turn, struct hang_sample (*sample)(pid_t pid), pid_t pid);

/* Returns the interval between two looks: at most a tenth of each time that is not 0. */
uint64_t hang_interval(uint64_t warning_ms, uint64_t timeout_ms);

#endif
