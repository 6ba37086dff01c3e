/*
 * The level and the filter of the log, switched while the server runs, for all of its processes at once: they lie in
 * memory that these share. The workers and the master take them over at least every half second, the hub when it is
 * told to.
 *
 *   SIGUSR2 to the process that was started      the next level; after debug the one that it began with
 *   PUT /log?level=debug&filter=sid=Ab3-x_Qz     at the admin port
 */
#ifndef NODE_PROCESS_LOG_CONTROL_H
#define NODE_PROCESS_LOG_CONTROL_H

#include <stdatomic.h>

#include "common/io/log_filter.h"

struct log_control {
	_Atomic uint32_t version;    /* odd while the filter is being written */
	_Atomic int level, at_start; /* enum log_level */
	char filter[LOG_FILTER_MAX];
};

/* For sharing with children; NULL with errno. Free by log_control_free(). */
struct log_control *log_control_new(enum log_level level, const char *filter);
void log_control_free(struct log_control *c); /* accepts NULL */

/* Goes to the next level and logs that. */
void log_control_cycle(struct log_control *c);
/* Sets what is not NULL and logs that. ERROR_ARGUMENT: a level that is none, or a filter of another form; all stays.
 */
int log_control_set(struct log_control *c, const char *level, const char *filter);

/* Takes them over for this process, if they have changed since the last call. */
void log_control_apply(const struct log_control *c);

const char *log_control_level(const struct log_control *c);

#endif
