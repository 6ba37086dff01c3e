/*
 * The standard streams of a program, for its main(): what it prints may fail, and what it is started with may lack
 * some of them.
 */
#ifndef COMMON_IO_STREAMS_H
#define COMMON_IO_STREAMS_H

#include <stdbool.h>

/*
 * First of all in main(). A descriptor 0, 1 or 2 that is closed becomes /dev/null: else the next socket would get its
 * number, and the log would be written to a client. A log's reader that ends (SIGPIPE) or a log that may not grow
 * (SIGXFSZ) costs the lines, not the program. Standard output is written line by line, into a pipe too: what an
 * application prints is read when it happens, and not lost when the process is killed.
 */
void streams_open(void);

/* What was printed on stdout is out; false, after a line on stderr, when some of it is lost (a full disk;
 * not: a reader that ended). */
bool streams_flush(const char *program);

/* "program: error" as one line on stderr, whatever a user's words in it hold. */
void streams_complain(const char *program, const char *error);

#endif
