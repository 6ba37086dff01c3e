/*
 * Joins a room with its history. The socket gets the last events of the room as ordinary events, each once, in
 * order, and before any newer event of the room.
 *
 *   state     what happens to events of the room for this socket       ends by
 *   SETTLING  they are held                                            this server receives the room's messages
 *   READING   they are held                                            the store answers, or fails
 *   PLACING   they are held                                            the place in the stream is found, see
 *                                                                      sio_history_place.h
 *   SETTLED   copies of what was sent are dropped, others pass         30 seconds have passed
 *
 * The read begins when this server receives the room's messages. So an event is in the answer, or arrives later, or
 * both. Its mark shows whether a held event is also in the answer. A copy of an event from another server may arrive
 * after the answer; the state SETTLED recognises it by its mark.
 *
 * If the history cannot be read, or too many events are held, the held events are sent without the history. Volatile
 * events are not held, so the socket does not get them. Events that want acknowledgements are neither stored nor
 * held.
 *
 * A recovered socket begins with joins in the state SETTLED, see sio_history_given.h.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_JOIN_H
#define NODE_SOCKETIO_SIO_HISTORY_JOIN_H

#include "node/socketio/sio_history_state.h"

#define SIO_HISTORY_SENT_MAX (1 << 20)	 /* bytes of the entries that one join sends; older ones are left out */
#define SIO_HISTORY_HELD_BYTES (1 << 20) /* of the events that one join holds */

/*
 * The functions `hold` and `left` of struct sio_history_work. For `left`, the socket must have a struct sio_extra.
 */
void sio_history_join_hold(
	struct sio_history *history, const struct sio_history_event *event, struct sio_selection *to);
void sio_history_join_left(struct sio_socket *s, struct text room);

/*
 * Joins the room, and sends at most `count` entries (0: all that are kept). Returns 0, an error of sio_rooms_join(),
 * SIO_ERR_STATE or SIO_ERR_TOO_MANY. After 0, `fn` (may be NULL) is called once, later.
 */
int sio_history_join_raw(struct sio_socket *s, struct text room, unsigned count, sio_joined_fn *fn, void *arg);

/*
 * The function `adopt` of struct sio_history_work. The socket gets joins that have settled just now. It is in its
 * rooms, except its own, which it enters later. Returns false if the bytes are malformed, or if they name a room that
 * the socket is not in, or one twice. Then the socket leaves its rooms, and so ends the joins.
 */
bool sio_history_join_adopt(struct sio_socket *s, struct text given);

/* Ends all joins with SIO_ERR_STATE, because the server leaves the store. */
void sio_history_join_end_all(struct sio_history *history);
/* Calls the callbacks of the ended joins. Called by the job. */
void sio_history_join_ended(struct sio_history *history);

#endif
