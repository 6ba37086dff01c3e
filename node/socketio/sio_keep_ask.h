/*
 * The questions of a worker to its peer: claims of sessions (sio_keep_ask.c), and replays of missed events
 * (sio_keep_replay.c). A question fails if it is not answered within 5 s, or if the peer answers others meanwhile,
 * within 20 s.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_ASK_H
#define NODE_SOCKETIO_SIO_KEEP_ASK_H

#include "node/socketio/sio_keep_state.h"

/* The longest wait for an answer, in ms. A claim may wait for WELCOME, or for a socket to leave. */
#define SIO_KEEP_ASK_MS 5000
#define SIO_KEEP_BUSY_MS 15000 /* the longest wait in addition, while the peer answers others */
#define SIO_KEEP_TICK_MS 1000

/* Makes an ask with a new nonce and appends it to `list`, which is keep->asked or keep->waiting. */
struct keep_ask *sio_keep_ask_new(struct sio_keep *keep, struct list *list, const char pid[SIO_PID_LENGTH]);
/* Takes the ask with this nonce off keep->asked and returns it, or NULL. The caller frees it. */
struct keep_ask *sio_keep_ask_take(struct sio_keep *keep, uint64_t nonce);

/* See struct sio_keep_ops. Before WELCOME the claim waits; sio_keep_send_claims() sends it. */
bool sio_keep_claim(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
	struct text auth, sio_recovery_then *then);
/* Handles the answer CLAIMED of sio_keep_wire.h. `in` stands at the nonce. */
void sio_keep_claimed(struct sio_keep *keep, struct keep_reader *in);

/* Continues the CONNECT with the session, or without one if `session` is NULL. Frees the ask. */
void sio_keep_claim_end(struct keep_ask *ask, enum sio_recovery_result result, struct sio_recovery_session *session);

/*
 * A waiting socket is about to connect. Returns true if it must first wait for its missed events: `then` is called
 * when they have been sent, or when the socket continues as a new one.
 */
bool sio_keep_replay(struct sio_socket *s, void (*then)(struct sio_socket *s));
/* Asks the peer for waiting replays, up to the limit. Drops those whose sockets have left. */
void sio_keep_replay_next(struct sio_keep *keep);
/* Handles the answer REPLAYED of sio_keep_wire.h. `in` stands at the nonce. */
void sio_keep_replayed(struct sio_keep *keep, struct keep_reader *in);
/* Returns the session of a replay if its socket still waits for the answer, else NULL. */
struct sio_recovery_session *sio_keep_replay_session(struct sio_keep *keep, const struct keep_ask *ask);
/* Ends a replay whose socket has left. Ignores an unknown nonce. */
void sio_keep_replay_drop(struct sio_keep *keep, uint64_t nonce);
/* Ends a replay without its events: the socket continues as a new one. Frees the ask. */
void sio_keep_replay_fail(struct sio_keep *keep, struct keep_ask *ask, enum sio_recovery_result result);

/* sio_keep_fail.c */

/* Fails an ask that has been taken off its list. */
void sio_keep_time_out(struct sio_keep *keep, struct keep_ask *ask);
/* Fails all asks, or without `all` only the replays, whose positions are unknown to another hub. */
void sio_keep_fail_asks(struct sio_keep *keep, bool all);
/* Passes all claims to the peer. */
void sio_keep_send_claims(struct sio_keep *keep);

#endif
