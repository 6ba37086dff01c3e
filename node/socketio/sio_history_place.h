/*
 * Joins with history and connection state recovery. A client that is lost before it has received the whole history
 * must not be recovered: it would never get the rest, and it would get the events that the join held, or that were in
 * the history already, a second time.
 *
 *   the join      the session of its socket
 *   waits         cannot be recovered
 *   has ended     can be recovered if the client has received the last event of the join, or a later event
 *
 * In all forms but streams mode, the events of the join are recorded for the socket, and the end of the join counts
 * as a change of rooms. With several workers, the peer must know both: the begin, so that the client is not recovered
 * elsewhere if the worker dies while it reads the history, and the end. While a join waits, each session that is
 * saved says that the client must have received an event that does not exist (SIO_KEEP_UNREACHED). An event of the
 * history may reach the worker later than the history: see sio_history_given.h.
 *
 * In streams mode, the history of a room is in no stream. When the history has been read, the join adds an entry to
 * the stream, which no client gets. What the worker reads before this entry is held. When the entry comes back, the
 * events of the history and the held ones are sent, without offsets, and the last of them with the entry's. So the
 * history has one place in the order of the stream: a client with this offset has received everything before it, and
 * the live events come after it. If several joins of a socket share the entry, only the last event of the last of
 * them gets its offset.
 *
 * If the stream is away, no event of the join gets an offset of its own. The client can then be recovered after its
 * next event with an offset.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_PLACE_H
#define NODE_SOCKETIO_SIO_HISTORY_PLACE_H

#include "node/socketio/sio_history_join_state.h"

/* The join begins to wait. */
void sio_history_place_begin(const struct sio_history_join *join);
/* Returns true if the join needs a place in the stream when the history has been read. */
bool sio_history_place_needed(const struct sio_history_join *join);
/*
 * Asks for the place: join->place.on_found() follows. Returns false if the stream is away: the join must send its
 * events now.
 */
bool sio_history_place_find(struct sio_history_join *join);
/*
 * Returns true if another join of the socket still waits for the same place. That one gets the offset, because the
 * client must not have it before it has received the events of both.
 */
bool sio_history_place_is_shared(const struct sio_history_join *join);
/* The join no longer waits. Its last event had the offset join->offset; 0: it had none. */
void sio_history_place_end(const struct sio_history_join *join);
/* The join no longer waits, and its socket does not get the events. */
void sio_history_place_lost(const struct sio_history_join *join);
/* A socket with joins is about to stop getting events. It must have a session. */
void sio_history_place_leaving(struct sio_socket *s);
/*
 * A live event was not sent to the socket, because it was in a history. `entry`: streams mode: its number; 0: none.
 * A client with the last offset before it can be recovered; one with an older offset cannot.
 * In the other modes the event is recorded afterwards.
 */
void sio_history_place_repeated(struct sio_socket *s, uint64_t entry);
/* As struct sio_history_work. The socket must have a struct sio_extra. */
bool sio_history_place_waits(const struct sio_socket *s);

#endif
