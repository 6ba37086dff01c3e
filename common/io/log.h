/*
 * key=value log lines on stderr: time=… level=info event=listening port=3000.
 * Values with blanks, quotes, controls or non-ASCII are quoted and escaped, so a client
 * cannot forge a line.
 */
#ifndef COMMON_IO_LOG_H
#define COMMON_IO_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above `level` cost one comparison. Process-wide; default LOG_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Read by log_debug() alone, without a detour through the table of a shared library; log_set_level() sets it. */
extern enum log_level log_max_level __attribute__((visibility("hidden")));

/* One predictable branch where somebody might want to see every packet: see log_filter.h. */
static inline bool
log_debug(void)
{
	return __builtin_expect(log_max_level >= LOG_DEBUG, 0);
}

/* From now on each line names its origin after the event: worker=2. `key` is borrowed; NULL: none. For the child of a
 * fork(): lines lost before are not its own. */
void log_set_origin(const char *key, int64_t number);

/* Where lines go instead of stderr (tests, embedding programs); NULL: back to stderr. `line` ends with \n. */
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line, size_t n), void *arg);

/*
 * log_event(LOG_INFO, "listening", "port", LOG_INT(3000), "address", LOG_STR("::"), NULL);
 * Pairs of a key and a value made by these macros, ended by NULL. One write(2) per line.
 * A line is at most 4 KiB; longer values are cut with "...". Where stderr takes no line (a reader that stands still,
 * a full disk) lines are dropped, the first one after them says lost=N and begins on a line of its own.
 * Safe in a signal handler: it allocates nothing and takes no lock.
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

/* How many of the first bytes of a value a line holds without "...", so that a longer one can be logged in pieces. At
 * least 1 of n > 0. */
size_t log_value_fits(const char *value, size_t n);

/*
 * For lines that a peer can provoke: true at most `per_second` times a second
 * for this `limit`; the lines kept back are reported by the next one that passes as suppressed=N.
 */
struct log_limit {
	uint64_t second;
	uint32_t used;
	uint32_t suppressed;
};
bool log_allow(struct log_limit *limit, uint32_t per_second, uint64_t now_ms);

#endif
