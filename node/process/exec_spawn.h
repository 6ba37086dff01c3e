/*
 * Starts a program of --exec: "/bin/sh -c COMMAND" as the leader of a session of its own, so that neither the
 * terminal's Ctrl-C nor its end reaches it, and one kill() reaches all that it starts. It has no descriptor but
 * these:
 *
 *   0      /dev/null
 *   1, 2   pipes to the master, who logs their lines
 *   3      EXEC_READY_FD: a pipe to the master, for the word "ready" and a newline
 *
 * All signals have their default action and none is blocked; when the master dies, SIGKILL follows. The environment
 * is the master's and these:
 *
 *   SOCKEYE_BACKEND       where the edge expects it, unix:///…
 *   SOCKEYE_EXEC_NUMBER   0 to N-1
 *   SOCKEYE_EXEC_PID      this process, for programs further down that have not inherited the descriptor, which they
 *                         then open as /proc/PID/fd/3
 *   SOCKEYE_PORT          the edge's own port, in digits
 *   SOCKEYE_READY_FD      3
 */
#ifndef NODE_PROCESS_EXEC_SPAWN_H
#define NODE_PROCESS_EXEC_SPAWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define EXEC_READY_FD 3

struct exec_spawn_setup {
	const char *command;
	const char *address; /* SOCKEYE_BACKEND */
	uint16_t port;
	unsigned number;
	_Atomic pid_t *group; /* in shared memory: the program writes its group there before it becomes the command */
};

/* The master's ends, non-blocking. */
struct exec_pipes {
	int out, err, ready;
};

/*
 * The command is one program with its arguments, so that the shell's word "exec" may stand before it. False where
 * that is uncertain: lists, pipes, subshells, assignments, words of the shell's own.
 */
bool exec_is_simple(const char *command);

/* The process, or -1 with errno. */
pid_t exec_spawn(const struct exec_spawn_setup *setup, struct exec_pipes *out);

#endif
