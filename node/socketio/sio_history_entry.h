/*
 * Codec for an entry in the history of a room: an event with its mark, in the form that memory or Redis keeps. The
 * codec is pure. The bytes are one MessagePack array:
 *
 *   [1, origin, number, [room, ...], [name, argument, ...]]
 *
 * 1 is the version. Origin and number are the mark. Members of the listed rooms do not get the entry when they join.
 * Binary arguments are bin values. The bytes are untrusted, because others may write to Redis.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_ENTRY_H
#define NODE_SOCKETIO_SIO_HISTORY_ENTRY_H

#include "broker/wire.h"
#include "common/base/json_msgpack.h"

#define SIO_HISTORY_EXCEPT_MAX 16 /* rooms that an entry excludes */

struct sio_history_entry {
	struct wire_mark mark;
	struct text except[SIO_HISTORY_EXCEPT_MAX]; /* point into the bytes */
	unsigned except_count;
};

/*
 * Appends an entry. `json` is the checked array of the event. Returns 0, ERROR_TOO_DEEP, ERROR_SYNTAX or the error
 * of the buffer.
 */
int sio_history_entry_write(struct buffer *out, const struct sio_history_entry *entry, struct text json,
	const struct attachments *attachments);
/*
 * Reads an entry. Appends the event to `json` as a checked array that begins with an allowed name, and its binary
 * values to `attachments`; both must be empty. Returns 0, or an error that leaves both undefined.
 */
int sio_history_entry_read(
	struct text bytes, struct sio_history_entry *out, struct buffer *json, struct attachments *attachments);

#endif
