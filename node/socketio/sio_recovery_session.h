/* The sessions of connection state recovery. sio_recovery.h has the table of their states. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_SESSION_H
#define NODE_SOCKETIO_SIO_RECOVERY_SESSION_H

#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

/* Makes the session of a socket that is about to connect. */
struct sio_recovery_session *sio_recovery_session_new(struct sio_socket *s);
void sio_recovery_session_free(struct sio_recovery_session *session);
/*
 * Makes a claimed session that the hub or Redis has handed over. Returns NULL if memory is short. The caller has
 * checked the lengths of `pid` and `sid`.
 */
struct sio_recovery_session *sio_recovery_session_of(
	struct sio_nsp *nsp, struct text pid, struct text sid, struct text rooms, uint32_t room_count);
/*
 * Gives a new session of sio_recovery_session_of() what its client has got with histories (sio_history_given.h).
 * Returns false if memory is short.
 */
bool sio_recovery_session_take_given(struct sio_recovery_session *session, struct text given);
/*
 * Returns true if a session that was kept outside the server may have this id: it has the form of an id, so it is
 * safe in the reply to CONNECT, and no socket of the namespace uses it.
 */
bool sio_recovery_session_accepts_id(const struct sio_nsp *nsp, struct text sid);
/* Returns NULL for an unknown pid. */
struct sio_recovery_session *sio_recovery_session_find(const struct sio_recovery *recovery, struct text pid);
/* Stores a claimed session again. Its window still begins at the loss. */
void sio_recovery_session_return(struct sio_recovery_session *session);
/* Claims a stored session for a new socket. */
void sio_recovery_session_claim(struct sio_recovery_session *session);
/* The socket leaves, and is still in its rooms. Stores the session if the reason allows it, else frees it. */
void sio_recovery_session_leave(struct sio_recovery_session *session, struct sio_socket *s);
/* Returns true if the client of a leaving socket may come back and continue its session. s->reason decides. */
bool sio_recovery_session_may_return(const struct sio_socket *s);
/*
 * Ends the stored session of this pid and namespace, here or at the peer, as SIO_SESSION_DISPLACED. Ignores an
 * unknown pid.
 */
void sio_recovery_end_stored(struct sio_nsp *nsp, struct text pid);
/* Returns true if the window of a stored session has ended. */
bool sio_recovery_session_expired(const struct sio_recovery_session *session);
/* Returns the stored session that was lost first, or NULL. */
struct sio_recovery_session *sio_recovery_session_oldest(const struct sio_recovery *recovery);
/*
 * Ends, counts and reports the session that was lost first. At least one session must be stored. May free its
 * namespace.
 */
void sio_recovery_session_drop(struct sio_recovery *recovery, sio_session_end why);
/* The same for all stored sessions of a namespace that is about to be freed, as SIO_SESSION_DISPLACED. */
void sio_recovery_session_drop_all(struct sio_nsp *nsp);
/* Ends a claimed session whose client continues as a new one, and reports it to the listeners. */
void sio_recovery_session_fail(struct sio_recovery_session *session);
/* Returns true if the owner of the namespace or a listener wants to know when its sessions end. */
bool sio_recovery_session_has_listeners(const struct sio_nsp *nsp);
/* Calls the listeners of sio_on_session_ended() now. */
void sio_recovery_session_ended(
	struct sio_nsp *nsp, struct text sid, const struct sio_stored *data, sio_session_end why);
/* The function of recovery->ended_job: calls the listeners for the sessions that this process has ended. */
void sio_recovery_session_report(struct sio_job *job);
/* Frees the sessions that have not been reported. */
void sio_recovery_session_forget(struct sio_recovery *recovery);
/* Enforces the limits on bytes and sessions. Drops events first. May free namespaces whose last session it drops. */
void sio_recovery_session_trim(struct sio_recovery *recovery);
/* Drops the snapshot, once the socket has connected. */
void sio_recovery_session_live(struct sio_recovery_session *session);

/* Makes the set of the rooms of a snapshot. Returns false if memory is short; see sio_recovery_rooms_init(). */
bool sio_recovery_session_rooms(const struct sio_recovery_session *session, struct sio_recovery_rooms *out);

#endif
