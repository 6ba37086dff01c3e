/*
 * The keeper's sessions: live, stored and claimed (see the table in sio_keeper.h), their limits, and the messages to
 * workers.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_SESSION_H
#define NODE_SOCKETIO_SIO_KEEPER_SESSION_H

#include "node/socketio/sio_keeper_state.h"

/* Begins a message in keeper->out. The caller appends the fields of its type and calls sio_keeper_send(). */
struct buffer *sio_keeper_begin(struct sio_keeper *keeper, enum sio_keep_message type, uint64_t origin);
void sio_keeper_send(struct sio_keeper *keeper, const char channel[BUS_KEEP_ID]);

/*
 * Makes a live session of the worker, which began at the position `first`. Returns NULL if an id is malformed or
 * another session has the same handle.
 */
struct keeper_session *sio_keeper_session_new(struct sio_keeper *keeper, struct keeper_origin *origin,
	struct text pid, struct text sid, struct text nsp, const struct sio_recovery_position *first);
/* Notes that the client of a live session is lost, and when. Returns the session, to be stored. */
struct keeper_session *sio_keeper_session_lost(struct keeper_session *session, uint64_t now);
/* Returns the past of the session for writing, and makes it if it is missing. */
struct keeper_past *sio_keeper_session_past(struct keeper_session *session);
/* Returns a copy of the past for reading. A session without a past gets that of a client that has just connected. */
struct keeper_past sio_keeper_session_history(const struct keeper_session *session);
/* The rooms and the data, in the form that they have in the messages. */
struct text sio_keeper_session_rooms(const struct keeper_session *session);
uint32_t sio_keeper_session_room_count(const struct keeper_session *session);
struct text sio_keeper_session_data(const struct keeper_session *session);
/* What the client has got with histories (sio_history_given.h). */
struct text sio_keeper_session_given(const struct keeper_session *session);
/* Frees the session and its waiting claim, without an answer to it; see sio_keeper_session_drop(). */
void sio_keeper_session_free(struct sio_keeper *keeper, struct keeper_session *session);
/* Takes the waiting claim off the session, or returns NULL. The caller frees it. */
struct keeper_waiting *sio_keeper_session_take_waiting(struct keeper_session *session);
/* Finds a session by its pid. Compares the secret part in constant time: see sio_recovery_session_find(). */
struct keeper_session *sio_keeper_session_find(const struct sio_keeper *keeper, struct text pid);
/* Returns true if the worker has the session in this state. Accepts NULL. */
bool sio_keeper_session_at(const struct keeper_session *session, uint64_t origin, enum keeper_state state);
/*
 * Replaces rooms, data and what the client has got with histories by copies, in the form that they have in the
 * messages. If memory is short, changes nothing and returns false.
 */
bool sio_keeper_session_take(
	struct keeper_session *session, struct text rooms, uint32_t count, struct text data, struct text given);
/* Stores a lost or claimed session. The list is ordered by lost_at, so a released session returns to its former
 * place. */
void sio_keeper_session_store(struct sio_keeper *keeper, struct keeper_session *session);
/* Gives a stored session to the worker that claims it. */
void sio_keeper_session_give(struct sio_keeper *keeper, struct keeper_session *session, struct keeper_origin *origin);
/* Ends a lost client's session. Tells one worker, which calls its listeners. */
void sio_keeper_session_end(struct sio_keeper *keeper, struct keeper_session *session, sio_session_end why);
/* Returns the stored session that was lost first. The caller knows that there is one. */
struct keeper_session *sio_keeper_oldest(const struct sio_keeper *keeper);
/* Enforces the limits. Events are dropped before sessions. */
void sio_keeper_trim(struct sio_keeper *keeper);

#endif
