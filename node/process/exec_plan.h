/*
 * The plan of --exec: which programs run, when one starts, replaces another, and is told to stop. The plan acts
 * through struct exec_ops and has neither descriptors nor a clock. Times are milliseconds of one monotonic clock.
 *
 * Each number from 0 to N-1 has one current program. During a deploy it also has a successor, and programs that are
 * stopping.
 *
 *   state                  event                       next       action
 *   STARTING, LATE         the program is ready        READY      a successor becomes the current program, and its
 *                                                                 predecessor is told to stop
 *   STARTING, successor    readyTimeout                STOPPING   the deploy of this number is given up
 *   STARTING, current      readyTimeout                LATE       logged; it keeps running, because no other program
 *                                                                 can serve
 *   STARTING, LATE, READY  it is told to stop          STOPPING   SIGTERM to its group
 *   STARTING, LATE, READY  it ends unasked             FREE       the rest of its group is killed; a current program
 *                                                                 is replaced by its successor, or restarted after a
 *                                                                 pause; for a successor the deploy is given up
 *   STOPPING               it and its group ended      FREE
 *   STOPPING               stopTimeout                 KILLED     SIGKILL to its group; FREE at once if the program
 *                                                                 itself has ended
 *   any                    exec_plan_kill()            KILLED     likewise
 *   KILLED                 it ends, or KILLED_MS       FREE
 *
 * A group is the program and all processes that it started. After a shell was ended by SIGTERM, its children may
 * still have work to finish, so stopping waits for the whole group.
 */
#ifndef NODE_PROCESS_EXEC_PLAN_H
#define NODE_PROCESS_EXEC_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/process/exec_stats.h"

#define EXEC_PER_NUMBER 4 /* a current program, a successor, and two that are stopping; a further deploy waits */

struct exec_ops {
	/* Starts a program of that number. Returns its process id, which is also its group, or a negative value
	 * with errno. */
	pid_t (*start)(void *arg, unsigned program, unsigned number);
	/* Sends a signal to all processes of the program's group. */
	void (*signal)(void *arg, unsigned program, int signum);
	/* Returns true if the program's process group is empty. Called only after its first process has ended. */
	bool (*has_left)(void *arg, unsigned program);
	/* Called when the program has ended, so that its resources can be freed. */
	void (*released)(void *arg, unsigned program);
};

struct exec_plan_setup {
	unsigned count;
	uint64_t ready_ms, stop_ms;
	struct exec_stats *stats; /* borrowed; zeroed by the caller, written here */
	const struct exec_ops *ops;
	void *arg;
};

struct exec_plan;

struct exec_plan *exec_plan_new(const struct exec_plan_setup *setup);
void exec_plan_free(struct exec_plan *plan); /* accepts NULL */

/* Maximum number of programs at once. Their indexes begin at 0. */
unsigned exec_plan_programs(const struct exec_plan *plan);

/* Starts the first program of each number. */
void exec_plan_start(struct exec_plan *plan, uint64_t now);
/* Starts a successor for each number. */
void exec_plan_deploy(struct exec_plan *plan, uint64_t now);
/* Tells all programs to stop. No program starts afterwards. */
void exec_plan_stop(struct exec_plan *plan, uint64_t now);
/* Kills all programs. No program starts afterwards. */
void exec_plan_kill(struct exec_plan *plan, uint64_t now);

void exec_plan_ready(struct exec_plan *plan, unsigned program, uint64_t now);
/* Call it when the program's first process has ended, by signal `number` or with exit code `number`. */
void exec_plan_ended(struct exec_plan *plan, unsigned program, bool by_signal, int number, uint64_t now);

/* Does what is due. Call it at exec_plan_due(), where UINT64_MAX means never. */
void exec_plan_look(struct exec_plan *plan, uint64_t now);
uint64_t exec_plan_due(const struct exec_plan *plan, uint64_t now);

/* Returns true when all programs have ended and no further program will start. */
bool exec_plan_is_over(const struct exec_plan *plan);

/* The shell's exit code (126, 127) if it could not run the command at the very first start; else 0. */
int exec_plan_unrunnable(const struct exec_plan *plan);

#endif
