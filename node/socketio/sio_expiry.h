/*
 * Reports the sessions that end in Redis to the listeners of sio_on_session_ended(). The worker that has stored the
 * session of a lost client waits until its window ends, and then removes the session from Redis. Redis tells whether
 * the command has removed it, so one worker reports each session. If the client has come back, nothing is removed.
 *
 *   state     event                                      next
 *   waits     the window ends, or sio_expiry_end()       asked
 *   asked     Redis has removed the session              reported, freed
 *             the session is gone or has changed         freed
 *             another worker claims it, or no answer     waits for a second; after SIO_EXPIRY_GRACE_MS freed
 *   any       the client is back at this worker, more    freed
 *             than recoveryMaxSessions wait, the
 *             namespace is freed, or the worker ends
 *
 * Only sessions whose end has a listener are waited for. Redis keeps them for SIO_EXPIRY_GRACE_MS longer. How they
 * are removed depends on who keeps them: sio_stream_expiry.c, or sio_vault_expiry.c. Calls go from them down to this
 * file, and up through struct sio_expiry_peer.
 */
#ifndef NODE_SOCKETIO_SIO_EXPIRY_H
#define NODE_SOCKETIO_SIO_EXPIRY_H

#include "broker/bus_store.h"
#include "broker/bus_stream_store.h"
#include "node/socketio/sio_recovery_state.h"

#define SIO_EXPIRY_GRACE_MS 30000
#define SIO_EXPIRY_TOKEN 40

struct sio_expiry;

/* A stored session whose end this worker waits for. */
struct sio_expiring {
	struct table_node node; /* in expiry->by_pid */
	struct list all;	/* in expiry->all, in the order of the losses */
	struct list kept;	/* in nsp->log->kept: keeps the namespace */
	struct list turn;	/* in expiry->due while it waits for its turn */
	struct sio_expiry *expiry;
	struct sio_nsp *nsp;
	struct wheel_entry timer;
	uint64_t end; /* loop time of the end of the window */
	union {	      /* while it is asked: what waits for the answer */
		struct bus_stream_question question;
		struct bus_call call;
	};
	bool asked;
	unsigned char why; /* sio_session_end */
	unsigned char pid_n;
	char pid[SIO_PID_LENGTH];
	char token[SIO_EXPIRY_TOKEN]; /* set by the peer; Redis recognizes the stored session by it */
};

struct sio_expiry_peer {
	/*
	 * Asks Redis to remove the session. Answered later by sio_expiry_removed(), sio_expiry_gone() or
	 * sio_expiry_again(). Returns false if Redis cannot be asked.
	 */
	bool (*remove)(struct sio_expiring *expiring);
	/* The answer is no longer wanted. */
	void (*cancel)(struct sio_expiring *expiring);
};

/* Makes recovery->expiry. `peer` is borrowed. */
void sio_expiry_new(struct sio_recovery *recovery, const struct sio_expiry_peer *peer);
/* Forgets all sessions. Accepts NULL. */
void sio_expiry_free(struct sio_expiry *expiry);

/* Returns true if somebody wants to know when sessions of the namespace end. */
bool sio_expiry_wanted(const struct sio_nsp *nsp);
/*
 * Waits for the end of a session that has just been stored for `ms`. `token` is copied: at most SIO_EXPIRY_TOKEN
 * bytes, the rest is filled with zeros. Replaces the entry of the same pid.
 */
void sio_expiry_add(struct sio_expiry *expiry, struct sio_nsp *nsp, struct text pid, uint64_t ms, struct text token);
/* The client has come back. Ignores an unknown pid. */
void sio_expiry_forget(struct sio_expiry *expiry, struct text pid);
/* Ends the session now, as SIO_SESSION_DISPLACED. Returns false if this worker does not wait for it. */
bool sio_expiry_end(struct sio_expiry *expiry, struct text pid);

/* The answers of Redis. The first two free the entry. */
void sio_expiry_removed(struct sio_expiring *expiring, struct text sid, const struct sio_stored *data);
void sio_expiry_gone(struct sio_expiring *expiring);
void sio_expiry_again(struct sio_expiring *expiring);

static inline struct text
sio_expiring_pid(const struct sio_expiring *expiring)
{
	return text_of(expiring->pid, expiring->pid_n);
}

#endif
