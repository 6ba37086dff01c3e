/*
 * Claims and replays. A claim gives a worker the session of a client that is back, and a replay gives it the events
 * that the client has missed. A claim waits until the session's former socket has left, or until other workers'
 * messages have arrived.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_CLAIM_H
#define NODE_SOCKETIO_SIO_KEEPER_CLAIM_H

#include "node/socketio/sio_keeper_state.h"

/* Handle the messages CLAIM and REPLAY of a worker. */
void sio_keeper_on_claim(
	struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, uint64_t now);
void sio_keeper_on_replay(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in);
/* Answers a claim. `session` may be NULL unless `result` is SIO_RECOVERY_RECOVERED. */
void sio_keeper_answer_claim(struct sio_keeper *keeper, const struct claim *claim, enum sio_recovery_result result,
	const struct keeper_session *session);
/* The session has been stored. Decides the claim that waits for this. */
void sio_keeper_session_stored(struct sio_keeper *keeper, struct keeper_session *session, uint64_t now);
/*
 * No event of a replay has reached the client of this live session. Restores what the session said before the replay
 * about the events that the client has received.
 * Does nothing if the session is only claimed.
 */
void sio_keeper_undo_replay(struct keeper_session *session);
/* Frees the session. A claim that waits for it is answered with NO_SESSION. */
void sio_keeper_session_drop(struct sio_keeper *keeper, struct keeper_session *session);
/* Answers the claims that have waited because their sessions were unknown (struct keeper_parked). */
void sio_keeper_unpark(struct sio_keeper *keeper, uint64_t now);

#endif
