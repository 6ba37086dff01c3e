/*
 * The option --exec: programs that the master starts, watches, deploys and stops, and whose output it logs. The
 * master's poll loop drives it: exec_polls(), poll(), exec_polled(), exec_ended() for each child that it reaps,
 * exec_look().
 *
 *   exec_plan     decides which programs run and what happens to them next (pure)
 *   exec_spawn    starts a program
 *   exec_output   logs the lines of a program
 *   exec_guard    ends the programs if the master dies
 *   exec_dir      the private directory with the socket of the edge
 */
#ifndef NODE_PROCESS_EXEC_H
#define NODE_PROCESS_EXEC_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/process/exec_stats.h"

struct exec;

struct exec_options {
	char *command;			      /* NULL or "": no programs */
	uint64_t count;			      /* at most EXEC_COUNT_MAX */
	uint64_t ready_timeout, stop_timeout; /* ms */
};

bool exec_is_wanted(const struct exec_options *options);

#define EXEC_ERROR_MAX 256

/*
 * Call it before the hub and the workers are forked. `options` is borrowed. `address` is where backends find the
 * edge, of at most EXEC_ADDRESS_MAX bytes, copied; NULL: a socket in a private directory that is made here. Returns
 * 0, or a negative error with one line in `error`.
 */
int exec_new(struct exec **out, const struct exec_options *options, const char *address, char error[EXEC_ERROR_MAX]);
/* Kills the programs that still run and removes the directory. Accepts NULL. */
void exec_free(struct exec *exec);

/* Returns the address, unix:///…, at which the edge must listen. */
const char *exec_address(const struct exec *exec);
/* Returns the figures for metrics, or NULL if `exec` is NULL. */
const struct exec_stats *exec_stats(const struct exec *exec);

/* Call it in a child of fork(): closes the master's descriptors. Accepts NULL, like all functions below. */
void exec_forget(struct exec *exec);

/* Starts the programs. `port` is the edge's port. */
void exec_start(struct exec *exec, uint16_t port, uint64_t now);
/*
 * Starts a successor for each program. A program is told to stop when its successor is ready. Does nothing before
 * exec_start().
 */
void exec_deploy(struct exec *exec, uint64_t now);
/* Sends SIGTERM to all programs, and SIGKILL after stop_timeout. */
void exec_stop(struct exec *exec, uint64_t now);
/* Sends SIGKILL to all programs. */
void exec_kill(struct exec *exec, uint64_t now);
/* Returns true when all programs have ended after exec_stop() or exec_kill(), or if `exec` is NULL. */
bool exec_is_over(const struct exec *exec);

/* Returns true if the first start has shown that the command cannot be run; `error` then has one line. */
bool exec_is_unrunnable(const struct exec *exec, char error[EXEC_ERROR_MAX]);

/* Fills in the descriptors to poll, at most exec_polls_max(). Pass the same to exec_polled(). */
unsigned exec_polls_max(const struct exec *exec);
unsigned exec_polls(struct exec *exec, struct pollfd *out);
void exec_polled(struct exec *exec, const struct pollfd *polls, unsigned n, uint64_t now);

/* Call it when a child has been reaped. Returns false if the child is neither a program nor the guard. */
bool exec_ended(struct exec *exec, pid_t pid, int status, uint64_t now);

/* Does what is due. Call it in every turn, and at exec_due() at the latest, where UINT64_MAX means never. */
void exec_look(struct exec *exec, uint64_t now);
uint64_t exec_due(const struct exec *exec, uint64_t now);

#endif
