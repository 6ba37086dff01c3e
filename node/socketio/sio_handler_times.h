/*
 * How long the application's listeners of each event run. Reading the clock twice for each event would cost as much
 * as a small handler, so one event of HANDLER_SAMPLE is measured. The histograms therefore count samples.
 *
 * Only events for which the application has listeners are measured, so clients cannot make up names. The first
 * HANDLER_EVENTS names of fewer than HANDLER_NAME_MAX bytes have an entry each. All other events count in the last
 * entry, HANDLER_OTHER.
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
	uint32_t seen;	/* all events, measured or not */
	uint32_t count; /* entries in use, without "other" */
	struct sio_handler_time {
		char name[HANDLER_NAME_MAX];
		struct durations times;
	} of[HANDLER_EVENTS + 1];
};

/* Counts an event. Returns true if its listeners are to be measured. */
static inline bool
sio_handler_times_due(struct sio_handler_times *times)
{
	return (times->seen++ & (HANDLER_SAMPLE - 1)) == 0;
}

/* Adds a sample: the listeners of the event ran for `us` microseconds. */
void sio_handler_times_add(struct sio_handler_times *times, struct text event, uint64_t us);

#endif
