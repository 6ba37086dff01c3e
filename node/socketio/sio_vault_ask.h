/*
 * The questions of sio_keep_ask.h that are under way in Redis, and the sessions that this worker has claimed there. A
 * question has a struct vault_ask as long as it is under way here. The two know each other by the nonce, since either
 * may end first. sio_vault_claim.c and sio_vault_replay.c answer the questions.
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
	uint64_t again_at;		      /* loop time of the next attempt; 0: the call is under way */
	uint64_t pause;
	uint64_t local; /* replay: own events before the question */
	uint64_t sent;	/* replay: own events that were sent before the script */
	uint64_t gaps;	/* replay: of struct bus_point then */
	bool replays;	/* a replay; otherwise a claim */
	bool ghost;
	bool held;		  /* claim: Redis may have it */
	uint64_t give_back_until; /* claim: loop time; 0: it is not being given back */
	char pid[SIO_PID_LENGTH], sid[SIO_ID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	char *record; /* claim, while the log is checked: field s of the session */
	size_t record_n;
	struct sio_vault_from from;
	struct sio_vault_offset offset; /* of the client; at.origin 0: it sent none, or one of another kind */
};

/* A session that this worker has claimed and not continued yet. */
struct vault_claimed {
	struct list link;
	char pid[SIO_PID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	struct sio_vault_from from;
	uint64_t offset_origin, offset_sum; /* of the client's offset; origin 0: it sent none */
};

/* Makes the ask of a question. `again` makes its attempts, `answer` gets the answers of its calls. */
struct vault_ask *sio_vault_ask_new(struct sio_vault *vault, const struct keep_ask *question,
	void (*again)(struct vault_ask *ask), void (*answer)(struct bus_call *call, int error, struct text value));
void sio_vault_ask_free(struct vault_ask *ask);
/* Returns the question, or NULL if it has ended. */
struct keep_ask *sio_vault_question(const struct vault_ask *ask);

/* Tries again after a pause. */
void sio_vault_pause(struct vault_ask *ask, uint64_t ms);
/* The same; each pause of an ask is twice as long as the one before, up to the longest. */
void sio_vault_pause_longer(struct vault_ask *ask);

/* Returns the claimed session of this pid, or NULL. */
struct vault_claimed *sio_vault_find_claimed(const struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);

/* sio_vault_read.c */

/*
 * Runs VAULT_READ for the rooms of a session; ask->call gets the answer. `publishes`: the script publishes what it
 * finds, and the session is no longer claimed; otherwise it only checks the log.
 */
void sio_vault_read(struct vault_ask *ask, const struct sio_vault_from *from, struct text nsp, struct text rooms,
	uint32_t room_count, struct text own_room, bool publishes);
/* What the answer of VAULT_READ means. */
enum sio_recovery_result sio_vault_read_result(struct text answer);

#endif
