/* A session of connection state recovery: see sio_recovery.h. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_SESSION_H
#define NODE_SOCKETIO_SIO_RECOVERY_SESSION_H

#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

struct sio_recovery_session *sio_recovery_session_new(struct sio_socket *s);
void sio_recovery_session_free(struct sio_recovery_session *session);
/* Returns NULL for an unknown pid. */
struct sio_recovery_session *sio_recovery_session_find(const struct sio_recovery *recovery, struct text pid);
/* A claimed session goes back; its window goes on as before. */
void sio_recovery_session_return(struct sio_recovery_session *session);
/* Takes a stored session for a new socket. The session uses the namespace until the socket does. */
void sio_recovery_session_claim(struct sio_recovery_session *session);
/* The socket leaves, before it leaves its rooms. Stores the session if the reason allows it, else frees it. */
void sio_recovery_session_leave(struct sio_recovery_session *session, struct sio_socket *s);
/* Did the window of a stored session end? */
bool sio_recovery_session_expired(const struct sio_recovery_session *session);
/* The stored session that was lost first, or NULL. */
struct sio_recovery_session *sio_recovery_session_oldest(const struct sio_recovery *recovery);
/* Frees and counts that session. There must be one. */
void sio_recovery_session_drop(struct sio_recovery *recovery, uint64_t *counter);
/* Keeps the limits on bytes and sessions; drops events first. May free namespaces whose last session it drops. */
void sio_recovery_session_trim(struct sio_recovery *recovery);
/* Drops the snapshot, once the socket has connected. */
void sio_recovery_session_live(struct sio_recovery_session *session);

/* The rooms of a snapshot, to ask whether a room is one of them. */
struct sio_recovery_rooms {
	struct table table;
	struct table_node *nodes;
};
/* Returns false without memory. sio_recovery_rooms_fini() may be called in any case. */
bool sio_recovery_rooms_init(struct sio_recovery_rooms *rooms, const struct sio_recovery_session *session);
void sio_recovery_rooms_fini(struct sio_recovery_rooms *rooms);
bool sio_recovery_rooms_has(void *rooms, struct text room);
/* Reads the room at `*at` of session->rooms and moves on to the next. */
struct text sio_recovery_rooms_read(const char **at);

#endif
