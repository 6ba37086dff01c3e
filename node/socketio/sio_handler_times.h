/*
 * How long the application's listeners of each event run. Reading the clock twice for each event would cost as much
 * as a small handler, so one event of HANDLER_SAMPLE is measured. The histograms therefore count samples.
 *
 * Only events for which the application has listeners are measured, so clients cannot make up names. The first
 * HANDLER_EVENTS of them are listed by name, as are names of fewer than HANDLER_NAME_MAX bytes; all others count as
 * HANDLER_OTHER, the last entry.
 */
#ifndef NODE_SOCKETIO_SIO_HANDLER_TIMES_H
#define NODE_SOCKETIO_SIO_HANDLER_TIMES_H

#include <stdbool.h>

#include "common/base/durations.h"
#include "common/base/text.h"

#define HANDLER_SAMPLE 64 /* a power of two */
#define HANDLER_EVENTS 24
#define HANDLER_NAME_MAX 64
#define HANDLER_OTHER "other"

struct sio_handler_times {
	uint32_t seen;	/* events, also those that were not measured */
	uint32_t count; /* entries in use, without "other" */
	struct sio_handler_time {
		char name[HANDLER_NAME_MAX];
		struct durations times;
	} of[HANDLER_EVENTS + 1];
};

/* Counts an event. Returns whether to measure it. */
static inline bool
sio_handler_times_due(struct sio_handler_times *times)
{
	return (times->seen++ & (HANDLER_SAMPLE - 1)) == 0;
}

void sio_handler_times_add(struct sio_handler_times *times, struct text event, uint64_t us);

#endif
