/*
 * The inside of the public sio_value: checked JSON text, the attachments that its placeholders refer to, and the
 * decoded copies that sio_string() and sio_msgpack() return. A value with an owner but without text is late: its
 * owner writes the text when the value is first read. The `json` of a late value is NULL, or points to the value in
 * MessagePack (sio_packet.h).
 *
 * Each received text (an event, an answer to an emit, a socket's data) has one owner, embedded in its struct. The
 * owner borrows text and attachments, which must outlive it. Decoded copies are made on demand; strings take at most
 * as much memory as the text, however often they are asked for. sio_value_owner_fini() frees them. Calls go down
 * only.
 */
#ifndef NODE_SOCKETIO_SIO_VALUE_H
#define NODE_SOCKETIO_SIO_VALUE_H

#include "common/base/json_msgpack.h"
#include "common/base/msgpack_plain.h"
#include "common/base/text.h"
#include "node/sockeye.h"

struct sio_decoded; /* the copies, see sio_value.c */

struct sio_value_owner {
	struct text json;		       /* the whole checked text, of which every value is a part */
	const struct attachments *attachments; /* NULL: none; then placeholders are plain objects */
	struct sio_decoded *decoded;	       /* NULL until a copy is needed */
	bool no_memory;			       /* a copy could not be made; the holder then closes the client */
	/*
	 * Sets `json`, if it is empty, and returns the text of the MessagePack values from `at` on, at least one,
	 * which end at or behind `end`; `at` NULL: the whole text. If memory is short, it sets no_memory and returns
	 * TEXT_NONE. NULL: no value is late.
	 */
	struct text (*write)(struct sio_value_owner *owner, const uint8_t *at, const uint8_t *end);
	const uint8_t *values_end; /* of the MessagePack that late values are in */
};

/* `json` must be checked (json_check(), sio_packet_parse()) or packed by sio_pack.h. Allocates nothing. */
void sio_value_owner_init(struct sio_value_owner *owner, struct text json, const struct attachments *attachments);
void sio_value_owner_fini(struct sio_value_owner *owner);

/* `json` is part of owner->json, without surrounding whitespace; TEXT_NONE gives SIO_NONE. */
sio_value sio_value_make(struct text json, const struct sio_value_owner *owner);

/* Makes a late value: owner->write() writes the text on demand. `at`: the value in MessagePack, or NULL. */
sio_value sio_value_late(const struct sio_value_owner *owner, const uint8_t *at);
/* Returns the late value with its text. Called by sio_value_read(). */
sio_value sio_value_write(sio_value late);
/*
 * Returns the MessagePack of a late value whose place is known, and its owner in *owner. at NULL: the value has none.
 */
struct msgpack_values sio_value_values(sio_value value, struct sio_value_owner **owner);
/* Returns the value with its text. Every function that reads the text calls this first. */
static inline sio_value
sio_value_read(sio_value value)
{
	return value.n == 0 && value.owner != NULL ? sio_value_write(value) : value;
}

/* SIO_NONE: a missing argument or member. */
sio_value sio_value_none(void);

/* The arguments of a received event without its name; kept in struct sio_event. */
struct sio_args {
	struct text list; /* the text between the comma after the name and the "]", such as `1,"x"`; or TEXT_NONE */
	unsigned count;
	struct msgpack_values
		values; /* the same as MessagePack, even before `list` is written; at NULL: only as text */
	struct sio_value_owner *owner;
};

/* `args` are `count` bounds that sio_packet_parse() found: all of an ack, or all but the first (the name) of an
 * event. */
static inline struct sio_args
sio_args_make(const struct text *args, unsigned count, struct sio_value_owner *owner)
{
	struct sio_args made = {.list = TEXT_NONE, .count = count, .owner = owner};

	if (count > 0)
		made.list = text_of(args[0].at, (size_t)(args[count - 1].at + args[count - 1].n - args[0].at));
	return made;
}

/* Implemented in sio_event.c. Valid as long as the event. */
const struct sio_args *sio_event_args(const struct sio_event *event);

#endif
