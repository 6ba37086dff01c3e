/*
 * The programs of --exec: which of them run, when one starts, takes over from another, and is told to stop. It acts
 * by the calls of struct exec_ops and has no descriptor and no clock; times are milliseconds of one monotonic clock.
 *
 * Each number from 0 to N-1 has one current program. In a deploy it has a successor, too, and those that leave.
 *
 *   a program              event                        next      action
 *   STARTING, LATE         it is ready                  READY     a successor becomes the current one, and the one
 *                                                                 before is told to stop
 *   STARTING               readyTimeout, successor      STOPPING  the deploy of this number is given up
 *   STARTING               readyTimeout, current        LATE      logged; it goes on, as nothing better is there
 *   STARTING, LATE, READY  it is told to stop           STOPPING  SIGTERM to its group
 *   STARTING, LATE, READY  it ends                      FREE      what is left of its group is killed. Current: its
 *                                                                 successor takes over, or it is started again after
 * a pause. Successor: the deploy is given up STOPPING               it and its group have ended  FREE STOPPING
 * stopTimeout                  KILLED    SIGKILL to its group KILLED                 it ends, or KILLED_MS FREE
 *
 * A group is the program and all that it started. Of a shell that ends by SIGTERM, the children may still have work
 * to finish, so stopping waits for the whole group.
 */
#ifndef NODE_PROCESS_EXEC_PLAN_H
#define NODE_PROCESS_EXEC_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/process/exec_stats.h"

#define EXEC_PER_NUMBER 4 /* a current one, a successor, and two that leave; a further deploy waits */

struct exec_ops {
	/* Starts a program of that number; its process, which leads its group, or negative with errno. */
	pid_t (*start)(void *arg, unsigned program, unsigned number);
	/* To all processes of the program's group. */
	void (*signal)(void *arg, unsigned program, int signum);
	/* Nothing of its group is left; asked only after its first process ended. */
	bool (*has_left)(void *arg, unsigned program);
	/* The program is free: whatever belongs to it can go. */
	void (*released)(void *arg, unsigned program);
};

struct exec_plan_setup {
	unsigned count;
	uint64_t ready_ms, stop_ms;
	struct exec_stats *stats; /* borrowed, written; zero at first */
	const struct exec_ops *ops;
	void *arg;
};

struct exec_plan;

struct exec_plan *exec_plan_new(const struct exec_plan_setup *setup);
void exec_plan_free(struct exec_plan *p); /* accepts NULL */

/* How many programs there can be; they are numbered from 0. */
unsigned exec_plan_programs(const struct exec_plan *p);

/* Starts the first ones. */
void exec_plan_start(struct exec_plan *p, uint64_t now);
/* Starts a successor for each. */
void exec_plan_deploy(struct exec_plan *p, uint64_t now);
/* Tells all to stop; none starts any more. */
void exec_plan_stop(struct exec_plan *p, uint64_t now);
/* Kills all; none starts any more. */
void exec_plan_kill(struct exec_plan *p, uint64_t now);

void exec_plan_ready(struct exec_plan *p, unsigned program, uint64_t now);
/* Its first process has ended: by a signal, or with an exit code. */
void exec_plan_ended(struct exec_plan *p, unsigned program, bool by_signal, int number, uint64_t now);

/* Does what is due; to be called at exec_plan_due(), UINT64_MAX being never. */
void exec_plan_look(struct exec_plan *p, uint64_t now);
uint64_t exec_plan_due(const struct exec_plan *p, uint64_t now);

/* None is left and none will start. */
bool exec_plan_is_over(const struct exec_plan *p);

/* The shell's exit code when it could not run the command at its very first start (126, 127); 0: it could. */
int exec_plan_unrunnable(const struct exec_plan *p);

#endif
