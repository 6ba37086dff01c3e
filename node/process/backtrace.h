/*
 * The backtrace of a thread as text for a log line: "chat.so(on_message+0x1c) sockeye(run_events+0x52) ...". Names
 * come from the symbol tables of the files and include static functions. In a stripped file the address in the file
 * takes the place of the name; addr2line accepts it: "chat.so(+0x11c9)".
 *
 * Everything works in a signal handler: it only reads files, into static memory.
 */
#ifndef NODE_PROCESS_BACKTRACE_H
#define NODE_PROCESS_BACKTRACE_H

#include <stddef.h>

#define BACKTRACE_TEXT_MAX 1000 /* fits in one value of a log line */

/* Call it once before the first signal: the unwinder allocates memory when it is loaded at its first use. */
void backtrace_prepare(void);

/*
 * Call it in a signal handler; `context` is the handler's third argument. Writes the interrupted frames, innermost
 * first, NUL-terminated. Only one thread can write at a time; another thread gets "".
 */
void backtrace_write(void *context, char text[BACKTRACE_TEXT_MAX]);

#endif
