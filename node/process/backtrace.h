/*
 * Where a thread is, as text for a log line: "chat.so(on_message+0x1c) sockeye(run_events+0x52) ...". Functions are
 * named from the symbol tables of the files, static ones too; without a name (a stripped file) it is the address in
 * the file, which addr2line takes: "chat.so(+0x11c9)".
 *
 * All of it works in a signal handler: it only reads files, into memory of its own.
 */
#ifndef NODE_PROCESS_BACKTRACE_H
#define NODE_PROCESS_BACKTRACE_H

#include <stddef.h>

#define BACKTRACE_TEXT_MAX 1000 /* fits into one value of a log line */

/* Once, before a signal: the unwinder is loaded at its first use, which allocates. */
void backtrace_prepare(void);

/*
 * Inside a signal handler, whose third argument is `context`: the interrupted frames, innermost first, with a NUL.
 * Only one thread at a time; a second one gets "".
 */
void backtrace_write(void *context, char text[BACKTRACE_TEXT_MAX]);

#endif
