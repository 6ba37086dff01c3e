/*
 * The level and the filter of the log, in shared memory, so that they can be changed for all processes while the
 * server runs. The workers and the master apply changes at least every half second, the hub when it gets a signal.
 *
 *   SIGTTIN to the process that was started      the next level; after debug, the initial one
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

/* Maps memory to share with children. Returns NULL with errno. Free it with log_control_free(). */
struct log_control *log_control_new(enum log_level level, const char *filter);
void log_control_free(struct log_control *control); /* accepts NULL */

/* Switches to the next level and logs the change. */
void log_control_cycle(struct log_control *control);
/*
 * Sets the level and the filter, each unless it is NULL, and logs the change. If the level is unknown or the filter
 * is malformed, returns ERROR_ARGUMENT and changes nothing.
 */
int log_control_set(struct log_control *control, const char *level, const char *filter);

/* Applies the settings to this process, if they have changed since the last call. */
void log_control_apply(const struct log_control *control);

const char *log_control_level(const struct log_control *control);

#endif
