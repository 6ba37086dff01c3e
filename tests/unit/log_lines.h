/* Keeps the lines that the code under test logs, so that a test can look for them. */
#ifndef TESTS_UNIT_LOG_LINES_H
#define TESTS_UNIT_LOG_LINES_H

#include <string.h>

#include "common/base/buffer.h"
#include "common/io/log.h"

#define LOG_LINES_MAX (16 << 20) /* bytes; later lines are dropped */

/* The lines since log_lines_start() or log_lines_forget(). */
static struct buffer log_lines;

static inline void
log_lines_keep(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	buffer_add(&log_lines, line, n);
}

/* From here on lines are kept, not written. log_lines_stop() frees them and lets lines be written again. */
static inline void
log_lines_start(void)
{
	buffer_init(&log_lines, LOG_LINES_MAX);
	log_set_sink(log_lines_keep, NULL);
}

static inline void
log_lines_stop(void)
{
	log_set_sink(NULL, NULL);
	buffer_fini(&log_lines);
}

static inline void
log_lines_forget(void)
{
	buffer_reset(&log_lines);
}

/* Returns how many times `what` stands in the lines. */
static inline unsigned
times_logged(const char *what)
{
	size_t size = strlen(what);
	unsigned n = 0;

	for (size_t at = 0; at + size <= log_lines.len; at++)
		n += memcmp(log_lines.data + at, what, size) == 0;
	return n;
}

static inline bool
logged(const char *what)
{
	return times_logged(what) > 0;
}

#endif
