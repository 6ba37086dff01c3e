/*
 * Reads the options that an application declares. A child process loads the file and reports the options, so that the
 * master never loads the application itself; the workers load it after their fork. If the master loaded the file, it
 * could not load a new version later, and the application's constructors would run only once for all workers.
 */
#ifndef NODE_PROCESS_APP_PROBE_H
#define NODE_PROCESS_APP_PROBE_H

#include "node/process/app_options.h"

/*
 * Loads `file` in a child and declares its options in `options`, see app_options_declare(). Returns 0, also for an
 * application without options, or a negative error with one line in `error` (OPTION_ERROR_MAX bytes): the file cannot
 * be loaded, crashes or hangs while it is loaded, has no sio_app(), or declares an invalid option. Blocks for up to
 * 30 s; gives up early when SIGTERM or SIGINT is pending.
 */
int app_probe(
	struct app_options *options, const char *file, const struct option_table *taken, size_t n_taken, char *error);

#endif
