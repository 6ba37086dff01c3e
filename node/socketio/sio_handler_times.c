#include "node/socketio/sio_handler_times.h"

#include <string.h>

static struct sio_handler_time *
handler_time_of(struct sio_handler_times *times, struct text event)
{
	struct sio_handler_time *other = &times->of[HANDLER_EVENTS], *fresh;

	if (event.n >= HANDLER_NAME_MAX || text_is(event, TEXT(HANDLER_OTHER)) ||
		memchr(event.at, '\0', event.n) != NULL)
		return other;
	for (uint32_t i = 0; i < times->count; i++) {
		if (text_is(text_from(times->of[i].name), event))
			return &times->of[i];
	}
	if (times->count == HANDLER_EVENTS)
		return other;
	fresh = &times->of[times->count++];
	memcpy(fresh->name, event.at, event.n);
	return fresh;
}

void
sio_handler_times_add(struct sio_handler_times *times, struct text event, uint64_t us)
{
	durations_add(&handler_time_of(times, event)->times, us);
}
