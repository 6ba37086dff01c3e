/*
 * Reads the options that an application declares, without keeping the application: a child process loads the file and
 * reports. The process that asks is the master, or it becomes one, and workers load the file after their fork. A file
 * that the master has loaded itself would stay: a new version of it could not be loaded, and its constructors would
 * have run once for all workers.
 */
#ifndef NODE_PROCESS_APP_PROBE_H
#define NODE_PROCESS_APP_PROBE_H

#include "node/process/app_options.h"

/*
 * Loads `file` in a child and declares its options in `options`, see app_options_declare(). Returns 0, also for an
 * application without options, or a negative error with one line in `error` (OPTION_ERROR_MAX bytes): the file cannot
 * be loaded, crashes or hangs while it is loaded, has no sio_app(), or declares a faulty option.
 */
int app_probe(
	struct app_options *options, const char *file, const struct option_table *taken, size_t n_taken, char *error);

#endif
