/*
 * What a program writes to one of its streams, as lines of the log: event=exec number=0 stream=stdout text="…". A
 * line that is longer than a value of the log may be becomes several, all but the last with more=yes, so nothing is
 * lost. Memory is one small buffer per stream, whatever the program writes; it waits in its pipe while the master is
 * busy.
 */
#ifndef NODE_PROCESS_EXEC_OUTPUT_H
#define NODE_PROCESS_EXEC_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"
#include "common/io/log.h"

#define EXEC_LINE_MAX 2048 /* bytes of an unfinished line that are kept; a longer one goes out in pieces */

struct exec_output {
	unsigned number;
	const char *stream; /* "stdout" */
	enum log_level level;
	size_t n;
	char line[EXEC_LINE_MAX];
};

/* `stream` is borrowed. */
void exec_output_init(struct exec_output *o, unsigned number, const char *stream, enum log_level level);
/* Logs the lines that are complete. */
void exec_output_feed(struct exec_output *o, const char *bytes, size_t n);
/* Logs a last line that has no end: nothing more will come. */
void exec_output_end(struct exec_output *o);

#endif
