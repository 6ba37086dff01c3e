/*
 * Logs the lines that a program writes to one of its streams: event=exec number=0 stream=stdout text="…". A line
 * longer than a value of the log is split; all parts but the last have more=yes, so nothing is lost. Each stream has
 * one small buffer, whatever the program writes; while the master is busy, the output waits in the pipe.
 */
#ifndef NODE_PROCESS_EXEC_OUTPUT_H
#define NODE_PROCESS_EXEC_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"
#include "common/io/log.h"

#define EXEC_LINE_MAX 2048 /* bytes of an unfinished line that are kept; a longer line is logged in pieces */

struct exec_output {
	unsigned number;
	const char *stream; /* "stdout" */
	enum log_level level;
	size_t n;
	char line[EXEC_LINE_MAX];
};

/* `stream` is borrowed. */
void exec_output_init(struct exec_output *output, unsigned number, const char *stream, enum log_level level);
/* Logs the lines that are complete. */
void exec_output_feed(struct exec_output *output, const char *bytes, size_t n);
/* The stream has ended: logs a last line without a newline. */
void exec_output_end(struct exec_output *output);

#endif
