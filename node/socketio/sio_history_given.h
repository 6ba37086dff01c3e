/*
 * Which events a socket has got with the history of its rooms, as a part of its session. With several workers, such
 * an event may be in the history long before it reaches the socket's worker: the two ways are separate. A client that
 * is lost in between would get it again, with its missed events or live at its next worker. Events that were too old
 * for the history would even come after it. So the next worker must know the marks of the events that the client has
 * got:
 *
 *   the missed events contain one, or   the client is new. If the event was left out, nobody would have its offset,
 *   one that is too old                 which may be the one that shows that the client has got all of them
 *   one arrives later                   the worker drops it, as a join with history does
 *
 * The session has the marks before the client has the events. They stay with the joins, 30 seconds after their
 * answers, and end with the next change of the session. They are written like this, room by room:
 *
 *   given = { <room> <whole> <number of marks> { <origin> <count> { <number> } } }
 *
 * `whole` is a byte: 1 if these are all events that the room had. Otherwise the client must not get older ones
 * either. The room and the origin are written as in sio_keep_wire.h. The numbers have 7 bits in each byte, the lowest
 * first; all bytes but the last have the highest bit set. The marks of an origin stand together, each as the
 * difference to the one before. Within a room, the origins ascend, and so do the marks of each origin.
 *
 * Bytes that are read are untrusted: others may write to Redis. The reader refuses what a worker does not write, so
 * that each mark is added at the end, and memory has a limit: another order, a mark that comes twice, more than
 * SIO_HISTORY_GIVEN_MAX marks of a room, a room that the socket is not in, and a room that comes twice.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_GIVEN_H
#define NODE_SOCKETIO_SIO_HISTORY_GIVEN_H

#include "broker/wire.h"
#include "common/base/buffer.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep_wire.h"

/*
 * Marks of one room: as many as a join can read and hold. While the join sends, a listener of outgoing events may add
 * further ones; then the session is refused and the client is new.
 */
#define SIO_HISTORY_GIVEN_MAX (HISTORY_COUNT_MAX + SIO_HISTORY_HELD_MAX)

struct sio_socket;

/* Appends the marks that the joins of the socket have sent. The socket must have a struct sio_extra. */
void sio_history_given_write(const struct sio_socket *s, struct buffer *out);

/*
 * Returns true if the socket must not get a missed event, because a join has sent it, or has sent newer ones instead
 * (sio_history_mark_covers()). The socket must have a struct sio_extra.
 */
bool sio_history_given_covers(const struct sio_socket *s, const struct wire_target *to);

struct sio_history_given {
	struct keep_reader in; /* in.bad: the bytes are malformed */
	bool whole;	       /* of the room */
	uint64_t left, run;    /* marks of the room, and of the origin, that follow */
	struct wire_mark mark; /* the last one; origin 0: the room begins */
};

/* Reads the next room. All marks of the room before must have been read. Returns false at the end. */
bool sio_history_given_room(struct sio_history_given *from, struct text *room);
/* Reads the next mark of the room. Returns false after the last one. */
bool sio_history_given_mark(struct sio_history_given *from, struct wire_mark *mark);

#endif
