/*
 * A serving process: a loop, a server, its application and the signals. main() runs a single worker; a master runs
 * one in each of its children.
 */
#ifndef NODE_PROCESS_WORKER_H
#define NODE_PROCESS_WORKER_H

#include <signal.h>
#include <stdbool.h>

#include "node/process/process_options.h"

/* Exit codes of the program. */
enum worker_exit {
	EXIT_FINE = 0,	   /* stopped by SIGTERM or SIGINT; the clients were disconnected */
	EXIT_NO_START = 1, /* port in use, file missing, application refused */
	EXIT_USAGE = 2,	   /* invalid option, or options that contradict each other or the application */
};

/*
 * The signal that stops the workers of a master with --exec, in place of SIGTERM. These workers must outlive the
 * programs to deliver their last messages, so they ignore a SIGTERM that a supervisor sends to all processes at once.
 */
#define WORKER_STOP_SIGNAL SIGQUIT

struct config;
struct inherited;
struct notify;
struct place;

struct worker_setup {
	const char *program;		       /* last part of argv[0], for error lines */
	const struct program_options *options; /* already read */
	struct config *config;		       /* applied again to override the options that the application sets */
	struct place *place;		       /* NULL: a single process */
	const struct notify *notify;	       /* NULL: a worker whose master speaks to the supervisor */
	struct inherited *inherited;	       /* NULL: nothing was inherited, or the master has taken it */
};

/* A worker with a place writes this to its ready_fd once, when it serves. */
struct worker_ready {
	uint64_t drain_ms;
	bool tls;
	char path[256], public_dir[1024]; /* for a log line; longer texts are cut. public_dir "": none */
};

/* Serves until a signal ends it. Returns the exit code; if it is not 0, one line has been written to stderr. */
enum worker_exit worker_run(const struct worker_setup *setup);

#endif
