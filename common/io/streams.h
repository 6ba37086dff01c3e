/*
 * The standard streams of a program, for its main(): output may fail, and a program may be started with some streams
 * closed.
 */
#ifndef COMMON_IO_STREAMS_H
#define COMMON_IO_STREAMS_H

#include <stdbool.h>

/*
 * Call this first in main(). If descriptor 0, 1 or 2 is closed, it is opened as /dev/null; otherwise the next socket
 * would get its number, and log lines would go to a client. If the reader of the log ends (SIGPIPE) or the log may
 * not grow (SIGXFSZ), lines are lost but the program continues. Standard output is line-buffered even in a pipe, so
 * that an application's output appears at once and is not lost if the process is killed.
 */
void streams_open(void);

/*
 * Flushes stdout. Returns false, after a line on stderr, if some output is lost (for example on a full disk, but not
 * if the reader has ended).
 */
bool streams_flush(const char *program);

/* Writes "program: error" to stderr as one line; control characters are replaced. */
void streams_complain(const char *program, const char *error);

#endif
