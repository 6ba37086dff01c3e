/*
 * One serving process: a loop, a server, its application and the signals.
 * main() runs one; a master would run one in each of its children.
 */
#ifndef NODE_PROCESS_WORKER_H
#define NODE_PROCESS_WORKER_H

#include "node/process/process_options.h"

/* Exit codes of the program. */
enum worker_exit {
	EXIT_FINE = 0,	   /* stopped by SIGTERM or SIGINT, every client told */
	EXIT_NO_START = 1, /* port taken, file missing, application refused */
	EXIT_USAGE = 2,	   /* a wrong option */
};

struct worker_setup {
	const char *program;		       /* argv[0]'s last part, for error lines */
	const struct program_options *options; /* read already */
	int argc; /* read again over what the application sets: the operator has the last word */
	char **argv;
};

/* Serves until a signal ends it; returns the exit code, after one line on stderr where that is not 0. */
enum worker_exit worker_run(const struct worker_setup *setup);

#endif
