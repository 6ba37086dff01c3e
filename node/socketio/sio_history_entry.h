/*
 * An entry in the history of a room: an event with its mark, as it is kept in memory or in Redis. A pure codec. The
 * bytes are one MessagePack array:
 *
 *   [1, origin, number, [room, ...], [name, argument, ...]]
 *
 * 1 is the version; origin and number are the mark; members of the rooms do not get the entry when they join. Binary
 * arguments are bin values. What is read may come from anybody who can write to Redis.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_ENTRY_H
#define NODE_SOCKETIO_SIO_HISTORY_ENTRY_H

#include "broker/wire.h"
#include "common/base/json_msgpack.h"

#define SIO_HISTORY_EXCEPT_MAX 16 /* rooms that an entry excludes */

struct sio_history_entry {
	struct wire_mark mark;
	struct text except[SIO_HISTORY_EXCEPT_MAX]; /* part of the bytes */
	unsigned except_count;
};

/*
 * Appends an entry. `json` is the checked array of the event. Returns 0, ERROR_TOO_DEEP, ERROR_SYNTAX or out's error.
 */
int sio_history_entry_write(struct buffer *out, const struct sio_history_entry *entry, struct text json,
	const struct attachments *attachments);
/*
 * Reads an entry. The event is appended to `json` as a checked array that begins with an allowed name, and its binary
 * values to `attachments`; both must be empty. Returns 0 or an error, after which they are undefined.
 */
int sio_history_entry_read(
	struct text bytes, struct sio_history_entry *out, struct buffer *json, struct attachments *attachments);

#endif
