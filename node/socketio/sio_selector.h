/* Which sockets of a namespace an event is for. */
#ifndef NODE_SOCKETIO_SIO_SELECTOR_H
#define NODE_SOCKETIO_SIO_SELECTOR_H

#include "common/base/text.h"

/*
 * Selects members of any of `rooms` (without rooms: all sockets), except members of any room in `except`. An unknown
 * room is an empty room.
 */
struct sio_selector {
	const struct text *rooms, *except;
	unsigned rooms_count, except_count;
};

#endif
