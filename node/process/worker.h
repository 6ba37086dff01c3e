/*
 * One serving process: a loop, a server, its application and the signals.
 * main() runs one, or the master one in each of its children.
 */
#ifndef NODE_PROCESS_WORKER_H
#define NODE_PROCESS_WORKER_H

#include <signal.h>
#include <stdbool.h>

#include "node/process/process_options.h"

/* Exit codes of the program. */
enum worker_exit {
	EXIT_FINE = 0,	   /* stopped by SIGTERM or SIGINT, every client told */
	EXIT_NO_START = 1, /* port taken, file missing, application refused */
	EXIT_USAGE = 2,	   /* a wrong option */
};

/*
 * What stops the workers of a master with --exec, in place of SIGTERM. They outlive the programs, for whose last
 * words they are there, so they ignore a SIGTERM that a supervisor sends to all processes at once.
 */
#define WORKER_STOP_SIGNAL SIGQUIT

struct place;

struct worker_setup {
	const char *program;		       /* argv[0]'s last part, for error lines */
	const struct program_options *options; /* read already */
	int argc; /* read again over what the application sets: the operator has the last word */
	char **argv;
	struct place *place; /* NULL: it has no siblings */
};

/* What a worker with a place writes to its ready_fd, once, when it serves. */
struct worker_ready {
	uint64_t drain_ms;
	bool tls;
	char path[256], public_dir[1024]; /* cut if longer: for a log line. public_dir "": none */
};

/* Serves until a signal ends it; returns the exit code, after one line on stderr where that is not 0. */
enum worker_exit worker_run(const struct worker_setup *setup);

#endif
