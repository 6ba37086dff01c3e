/*
 * Log lines on stderr, in one of two formats. Both escape values, so that a client cannot forge a line.
 *
 *   LOG_LOGFMT  time=… level=info event=listening port=3000
 *               Values with spaces, quotes, control characters or non-ASCII bytes are quoted and escaped.
 *   LOG_JSON    {"time":"…","level":"info","event":"listening","port":3000}
 *               The same keys in the same order. Bytes that are not UTF-8 become U+FFFD.
 */
#ifndef COMMON_IO_LOG_H
#define COMMON_IO_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Sets the level for the whole process; the default is LOG_INFO. A line above the level costs one comparison. */
void log_set_level(enum log_level level);
/* Returns true if lines of this level are written. */
bool log_enabled(enum log_level level);

/* Sets the format for the whole process and the children that it forks later. */
void log_set_format(enum log_format format);

/*
 * Set by log_set_level() and read only by log_debug(), which therefore needs no access through a shared library's
 * table.
 */
extern enum log_level log_max_level __attribute__((visibility("hidden")));

/*
 * Returns true if debug lines may be wanted, see log_filter.h. It is one predictable branch on the path of every
 * packet.
 */
static inline bool
log_debug(void)
{
	return __builtin_expect(log_max_level >= LOG_DEBUG, 0);
}

/*
 * Adds the origin to each line after the event: worker=2. `key` is borrowed; NULL: no origin. Called in the child of
 * a fork(), which does not report the lines that its parent lost.
 */
void log_set_origin(const char *key, int64_t number);

/* Redirects lines, for tests and embedding programs; NULL: back to stderr. `line` ends with \n. */
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line, size_t n), void *arg);

/*
 * Writes one line:
 *
 *   log_event(LOG_INFO, "listening", "port", LOG_INT(3000), "address", LOG_STR("::"), NULL);
 *
 * The arguments are pairs of a key and a value made by the macros below, ended by NULL. Each line is one write(2) of
 * at most 4 KiB; long values are cut with "...". If stderr accepts no line (the reader has stopped, or the disk is
 * full), lines are dropped. The next line that succeeds reports them as lost=N and begins on a new line. The function
 * is safe in a signal handler: it allocates nothing and takes no lock.
 */
struct log_value {
	const char *str;
	size_t n;
	int64_t number;
	bool is_number;
};
#define LOG_INT(x) (&(struct log_value){.number = (int64_t)(x), .is_number = true})
#define LOG_STR(x) (&(struct log_value){.str = (x), .n = strlen(x)})
#define LOG_TEXT(x) (&(struct log_value){.str = (x).at, .n = (x).n})
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/*
 * Returns how many of the first bytes of a value fit into a line without "...", at least 1 if n > 0. A longer value
 * can be logged in pieces.
 */
size_t log_value_fits(const char *value, size_t n);

/*
 * Limits lines that a peer can cause: returns true at most `per_second` times a second for this `limit`. The next
 * line that passes reports the suppressed ones as suppressed=N.
 */
struct log_limit {
	uint64_t second;
	uint32_t used;
	uint32_t suppressed;
};
bool log_allow(struct log_limit *limit, uint32_t per_second, uint64_t now_ms);

#endif
