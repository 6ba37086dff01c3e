/*
 * The option --exec: programs that the master starts, watches, deploys and stops, and whose output it logs. The
 * master's poll loop drives it: exec_polls(), poll(), exec_polled(), exec_ended() for each child that it reaps,
 * exec_look().
 *
 *   exec_plan     which programs run, and what happens to them next (pure)
 *   exec_spawn    how one starts
 *   exec_output   its lines in the log
 *   exec_guard    ends them when the master dies
 *   exec_dir      the private directory with the socket at which they find the edge
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
	char *command;			      /* NULL or "": there are none */
	uint64_t count;			      /* at most EXEC_COUNT_MAX */
	uint64_t ready_timeout, stop_timeout; /* ms */
};

bool exec_is_wanted(const struct exec_options *o);

#define EXEC_ERROR_MAX 256

/*
 * Before the hub and the workers are forked. `options` is borrowed. `address`: where backends find the edge, at
 * most EXEC_ADDRESS_MAX bytes, copied; NULL: a socket of its own, in a private directory that it makes. 0, or
 * negative with one line in `error`.
 */
int exec_new(struct exec **out, const struct exec_options *options, const char *address, char error[EXEC_ERROR_MAX]);
/* Ends what still runs at once, removes the directory. Accepts NULL. */
void exec_free(struct exec *e);

/* The address, unix:///…: for the edge to listen at, too. */
const char *exec_address(const struct exec *e);
/* NULL, as `e` may be: there is none. */
const struct exec_stats *exec_stats(const struct exec *e);

/* In a child of fork(): descriptors that are the master's are closed. Accepts NULL, as all below. */
void exec_forget(struct exec *e);

/* Starts the programs. `port`: the edge's. */
void exec_start(struct exec *e, uint16_t port, uint64_t now);
/* Starts a successor for each; the one before is told to stop when its successor is ready. Nothing before
 * exec_start(). */
void exec_deploy(struct exec *e, uint64_t now);
/* SIGTERM to all, SIGKILL after the time-out. */
void exec_stop(struct exec *e, uint64_t now);
void exec_kill(struct exec *e, uint64_t now);
/* All have ended after exec_stop() or exec_kill(), or there were none. */
bool exec_is_over(const struct exec *e);

/* The command cannot be run at all, as its first start has shown: a line in `error`. */
bool exec_is_unrunnable(const struct exec *e, char error[EXEC_ERROR_MAX]);

/* The descriptors to poll, exec_polls_max() at most; then exec_polled() with the same. */
unsigned exec_polls_max(const struct exec *e);
unsigned exec_polls(struct exec *e, struct pollfd *out);
void exec_polled(struct exec *e, const struct pollfd *polls, unsigned n, uint64_t now);

/* A child has been reaped; false: it is none of the programs. */
bool exec_ended(struct exec *e, pid_t pid, int status, uint64_t now);

/* At every turn; exec_due() is when the next is needed, UINT64_MAX: by an event only. */
void exec_look(struct exec *e, uint64_t now);
uint64_t exec_due(const struct exec *e, uint64_t now);

#endif
