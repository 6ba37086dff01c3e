/*
 * The questions of sio_keep_ask.h that wait for Redis, and the sessions that this worker has claimed in Redis. Each
 * waiting question has a struct vault_ask. Both have the same nonce instead of pointers to each other, because
 * either may end first. sio_vault_claim.c and sio_vault_replay.c answer the questions.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_ASK_H
#define NODE_SOCKETIO_SIO_VAULT_ASK_H

#include "node/socketio/sio_vault_state.h"

#define SIO_VAULT_PAUSE_MAX_MS 320 /* the longest pause between two attempts */

struct vault_ask {
	struct list link; /* in vault->asks */
	struct sio_vault *vault;
	struct bus_call call;
	void (*again)(struct vault_ask *ask); /* makes the next attempt */
	uint64_t nonce;			      /* of the struct keep_ask */
	uint64_t again_at;		      /* loop time of the next attempt; 0: the call or `wait` waits */
	uint64_t pause;
	uint64_t open_until;  /* loop time when waiting for open events ends; 0: nothing has waited for them */
	uint64_t local;	      /* replay: this worker's events before the question */
	uint64_t sent;	      /* replay: this worker's events that were sent before the script */
	uint64_t attempts;    /* VAULT_READ was called so often */
	uint64_t gaps;	      /* replay: gaps of struct bus_point when `wait` could begin */
	struct bus_wait wait; /* replay: until this worker receives the messages for the session's rooms */
	bool subscribed;      /* replay: that wait has begun */
	bool replays;	      /* a replay; otherwise a claim */
	bool ghost;
	bool held;	/* claim: Redis may have recorded it */
	uint64_t count; /* claim: number of the count that it waits for; 0: it waits for none */
	char *found;	/* claim, during that count: the answer of VAULT_CLAIM */
	size_t found_n;
	uint64_t give_back_until; /* claim: loop time when giving back ends; 0: not being given back */
	char pid[SIO_PID_LENGTH], sid[SIO_ID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	uint64_t number; /* of the claim; 0: Redis has not told it */
	char *record;	 /* claim, while the log is checked: field s of the session's record */
	size_t record_n;
	struct sio_vault_from from;
	struct sio_vault_offset offset; /* of the client; at.origin 0: the client sent none */
};

/* A session that this worker has claimed, and that is not live here yet. */
struct vault_claimed {
	struct list link;
	char pid[SIO_PID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	uint64_t number;		/* of the claim */
	struct sio_vault_before before; /* what the client has */
};

/* Makes the ask of a question. `again` makes each further attempt, `answer` receives the answers of its calls. */
struct vault_ask *sio_vault_ask_new(struct sio_vault *vault, const struct keep_ask *question,
	void (*again)(struct vault_ask *ask), void (*answer)(struct bus_call *call, int error, struct text value));
void sio_vault_ask_free(struct vault_ask *ask);
/* Returns the question of the ask, or NULL if the question has ended. */
struct keep_ask *sio_vault_question(const struct vault_ask *ask);

/* Tries again after a pause. */
void sio_vault_pause(struct vault_ask *ask, uint64_t ms);
/* The same with a pause that doubles at each call, up to SIO_VAULT_PAUSE_MAX_MS. */
void sio_vault_pause_longer(struct vault_ask *ask);

/* Returns the claimed session of this pid, or NULL. */
struct vault_claimed *sio_vault_find_claimed(const struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);

/* sio_vault_read.c */

/*
 * Runs VAULT_READ for the rooms of a session; ask->call gets the answer. With `publishes`, the script publishes the
 * missed events and ends the claim. Without it, the script only checks the log.
 */
void sio_vault_read(struct vault_ask *ask, const struct sio_vault_from *from, struct text nsp, struct text rooms,
	uint32_t room_count, struct text own_room, bool publishes);
/* Translates the answer of VAULT_READ. */
enum sio_recovery_result sio_vault_read_result(struct text answer);
/*
 * Returns true if the log must be read again after a pause: it lacks events that the session's worker has delivered
 * and still holds back. False, if they have been awaited for long enough.
 */
bool sio_vault_read_waits(struct vault_ask *ask, struct text answer);

#endif
