/*
 * The sockets of clients that come back before their loss was noticed, and the position after which a client that
 * comes back has missed events. A claim calls these functions for the sockets of its own worker; other workers ask by
 * message. Calls go to the sessions of recovery, and end the socket, which stores its session.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_GHOST_H
#define NODE_SOCKETIO_SIO_STREAM_GHOST_H

#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_stream_state.h"

struct stream_claim;

/*
 * The numbers that decide the position. `moved` and `since` are changed_last and changed_head of struct
 * sio_recovery_session; the others have their names there.
 */
struct sio_stream_missed {
	uint64_t start, last, heard, moved, since;
	bool stored; /* `last` and `heard` are those of the loss */
};

/*
 * Finds the position after which the client has missed events, as session_position() of sio_recovery.c does.
 * `offset`: what the client sent; NULL: nothing. Returns false if the client cannot be recovered.
 */
bool sio_stream_missed_from(const struct sio_stream_missed *position, const uint64_t *offset, uint64_t *from);

/*
 * The client of the session is back. If this worker has its socket, ends the socket, which stores the session, and
 * sets *was_live unless another client has claimed it before. `c` is the client that is back; NULL: it is at another
 * worker. Returns SIO_RECOVERY_RECOVERED, also if the socket is not here, or why the claim fails: a connection that
 * the client has opened later keeps its session.
 */
enum sio_recovery_result sio_stream_ghost_end(
	struct sio_client *c, struct sio_nsp *nsp, struct text pid, const uint64_t *offset, bool *was_live);

/* Returns true if a client of this worker has the session, or a claim other than `except` is in progress for it. */
bool sio_stream_busy(const struct sio_nsp *nsp, struct text pid, const struct stream_claim *except);

/* A message T of another worker (sio_stream_letter.h): `rest` has its fields. Answers with L. */
void sio_stream_on_take(struct sio_nsp *nsp, struct text rest);

#endif
