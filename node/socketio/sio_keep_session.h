/* How a worker reports the sessions of its sockets to its peer (sio_keep_state.h). */
#ifndef NODE_SOCKETIO_SIO_KEEP_SESSION_H
#define NODE_SOCKETIO_SIO_KEEP_SESSION_H

#include "node/socketio/sio_keep_state.h"

struct sio_stored;

/* Append the rooms of a socket, or its data (NULL: none), in the form of sio_keep_wire.h. */
void sio_keep_put_rooms(struct buffer *out, const struct sio_socket *s);
void sio_keep_put_data(struct buffer *out, const struct sio_stored *data);
/*
 * Appends what the socket has got with histories (sio_history_given.h) as a text, at the end of a message. Appends
 * nothing if the socket has no joins with history.
 */
void sio_keep_put_given(struct buffer *out, const struct sio_socket *s);
/* Returns the decoded data of a session; NULL if `packed` is empty or memory runs out. The caller owns the reference.
 */
struct sio_stored *sio_keep_get_data(struct sio_keep *keep, struct text packed);

/*
 * The session is new, or its rooms or data have changed. The peer learns of it before the next flush, and so before
 * the client can. After the flush, the client may come back to another worker at any moment.
 */
void sio_keep_touched(struct sio_recovery_session *session);
/*
 * The event that is being delivered is recorded for a room of the session's socket, but the socket does not get it.
 * With an older offset, the client would get it after a loss. So this counts as a change of rooms after the event.
 */
void sio_keep_passed_over(struct sio_recovery_session *session);
/* Saves all such sessions at the peer. */
void sio_keep_before_flush(struct loop_call *call);

/* Functions of struct sio_keep_ops. */
void sio_keep_forget(struct sio_keep *keep, const struct sio_recovery_session *session);
void sio_keep_end_stored(struct sio_keep *keep, struct text pid);
void sio_keep_unclaim(struct sio_recovery_session *session);
void sio_keep_leave(struct sio_recovery_session *session, struct sio_socket *s, bool may_return);

/*
 * Registers the sessions of all sockets of this worker at the peer. `needs_offset`: the peer does not know all
 * events that the clients have received, so a client can be recovered only with an offset that is newer than this
 * registration.
 */
void sio_keep_register_all(struct sio_keep *keep, bool needs_offset);
/*
 * Sends the positions of all connected clients to the peer. Otherwise the peer would assume that an idle client has
 * missed events that the log has dropped meanwhile.
 */
void sio_keep_tell_quiet(struct sio_keep *keep);

#endif
