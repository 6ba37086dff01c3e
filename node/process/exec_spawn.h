/*
 * Starts a program of --exec: "/bin/sh -c COMMAND" as the leader of a new session. So Ctrl-C or the end of the
 * terminal does not reach it, and one kill() reaches all processes that it starts. It has only these descriptors:
 *
 *   0      /dev/null
 *   1, 2   pipes to the master, which logs the lines
 *   3      EXEC_READY_FD: a pipe to the master, for the word "ready" and a newline
 *
 * No signals are blocked, and all have their default action. When the master dies, the program gets SIGKILL. The
 * environment is the master's with these additions:
 *
 *   SOCKEYE_BACKEND       where the edge accepts backends, unix:///…
 *   SOCKEYE_EXEC_NUMBER   0 to N-1
 *   SOCKEYE_EXEC_PID      its process id; a descendant without descriptor 3 opens /proc/PID/fd/3
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
	_Atomic pid_t *group; /* in shared memory: the child stores its group there before it runs the command */
};

/* The master's ends, non-blocking. */
struct exec_pipes {
	int out, err, ready;
};

/*
 * Returns true if the command is one program with its arguments, so that the shell can run it with "exec". Returns
 * false if that is uncertain: lists, pipes, subshells, assignments, builtins and keywords of the shell.
 */
bool exec_is_simple(const char *command);

/* Returns the process id, or -1 with errno. */
pid_t exec_spawn(const struct exec_spawn_setup *setup, struct exec_pipes *out);

#endif
