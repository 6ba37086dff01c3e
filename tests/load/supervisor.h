/*
 * The parent of the load processes: it starts them, moves the run from phase to phase, watches the server from
 * outside, shows progress, and merges the results into a report.
 */
#ifndef TESTS_LOAD_SUPERVISOR_H
#define TESTS_LOAD_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "tests/load/board.h"
#include "tests/load/load_options.h"
#include "tests/load/observe.h"
#include "tests/load/target.h"

enum load_exit {
	EXIT_RAN,
	EXIT_COULD_NOT, /* no client joined, a file cannot be written, or a load process died */
	EXIT_USAGE,
	EXIT_ASSERTION
};

struct supervisor {
	struct load_options *options;
	struct target *targets;
	struct board *board;
	pid_t pids[LOAD_PROCESSES_MAX];
	FILE *json, *plot;

	bool has_server;				 /* a server is watched and has not ended */
	struct observed before, at_begin, at_end, after; /* the server at these moments */
	bool has_after;
	struct observed_kernel kernel_before, kernel_with;

	uint64_t joined; /* clients at the end of the measured run */
	uint64_t shown;	 /* ns: when progress was last shown */
	uint64_t shown_sent, shown_fresh;
};

/* Performs the run; returns the program's exit code. */
enum load_exit supervise(struct load_options *o);

/* supervisor_result.c */
/* Writes the report to standard output and the files. Returns EXIT_ASSERTION if an assertion does not hold. */
enum load_exit supervisor_result(struct supervisor *supervisor);
/* Shows a line of progress once per second. */
void supervisor_progress(struct supervisor *supervisor);

#endif
