/*
 * The state that the files of the worker's side share (sio_keep.h). These files call the other files of recovery,
 * which call back through struct sio_keep_ops.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_STATE_H
#define NODE_SOCKETIO_SIO_KEEP_STATE_H

#include "broker/bus_keep.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

/*
 * Stands for the last event of a socket that waits for the history of a room (sio_history_place.h). No offset reaches
 * it, so the client is not recovered.
 */
#define SIO_KEEP_UNREACHED (UINT64_MAX / 8)

/* The functions of sio_keep_*.c that the other files of recovery call. */
struct sio_keep_ops {
	/*
	 * Drops all events but the newest. While a client waits for a replay, drops only as many as the limit on
	 * bytes requires.
	 */
	void (*trim)(struct sio_keep *keep);
	/*
	 * As sio_recovery_claim(): asks the peer and calls `then` with the answer, unless the client has left by
	 * then. Returns false if the claim fails at once, and counts the failure; the caller continues without a
	 * session.
	 */
	bool (*claim)(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
		struct text auth, sio_recovery_then *then);
	/* Returns a claimed session to the peer and frees it. */
	void (*unclaim)(struct sio_recovery_session *session);
	/* Ends the session at the peer, because its new socket cannot continue it. */
	void (*forget)(struct sio_keep *keep, const struct sio_recovery_session *session);
	/* Ends the stored session of this pid at the peer. */
	void (*end_stored)(struct sio_keep *keep, struct text pid);
	/* Called when the socket leaves, before it leaves its rooms. Stores or ends its session at the peer. */
	void (*leave)(struct sio_recovery_session *session, struct sio_socket *s, bool may_return);
};

/* A question to the peer: a claim or a replay. */
struct keep_ask {
	struct list link;
	uint64_t nonce, until;
	struct sio_step *step; /* claim: holds the client, its auth and the namespace; NULL: a replay */
	sio_recovery_then *then_connect;
	void (*then_enter)(struct sio_socket *s);
	uint64_t head; /* replay: head of the log when it was asked */
	uint64_t own;  /* replay: the answer contains this worker's events up to this number; 0: those up to `head` */
	uint64_t began; /* claim: when the connection began (eio_session_began()) */
	char pid[SIO_PID_LENGTH];
	char offset[SIO_OFFSET_LONG];
	uint8_t offset_n;
	bool has_offset;
};

/* How far a client has got: the last event for its socket, and the worker's position (struct sio_recovery_log). */
struct sio_keep_position {
	uint64_t last, heard, head;
};

/*
 * The place that keeps the sessions of lost clients and the events of all workers. The functions are called while
 * keep->welcome is true. Answers come up through sio_keep_ask.h.
 */
struct sio_keep_peer {
	/* A session begins; save() follows before the next flush. NULL: not needed. */
	void (*begin)(struct sio_keep *keep, struct sio_recovery_session *session);
	/* Saves a live session that is new or has changed. For `needs_offset` see sio_keep_register_all(). */
	void (*save)(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset);
	/*
	 * Reports the position of a connected client, or with `left` of a client that has just been lost and may
	 * return.
	 */
	void (*place)(struct sio_keep *keep, struct sio_recovery_session *session, const struct sio_keep_position *at,
		bool left);
	void (*end)(struct sio_keep *keep, const char pid[SIO_PID_LENGTH]);
	/* Stores a claimed session again, because it is not continued. */
	void (*release)(struct sio_keep *keep, const char pid[SIO_PID_LENGTH]);
	/* Answered by sio_keep_claimed(). */
	void (*claim)(struct sio_keep *keep, const struct keep_ask *ask);
	/* Asks for the missed events of a claimed session. Answered by sio_keep_replayed(). */
	void (*replay)(struct sio_keep *keep, struct keep_ask *ask);
	/* Called at least once a minute. Returns true while WELCOME is awaited from the peer. NULL: not needed. */
	bool (*awaits)(struct sio_keep *keep);
	/* An event of the namespace that is not recorded has arrived. NULL: not needed. */
	void (*stranger)(struct sio_keep *keep, const struct sio_nsp *nsp);
	/* Called in any state, before the asks have been freed. */
	void (*close)(struct sio_keep *keep);
};

struct sio_keep {
	const struct sio_keep_ops *ops;
	const struct sio_keep_peer *peer;
	struct bus_keep bus;
	struct sio_recovery *recovery;
	struct broker *broker;
	bool welcome;
	bool refused;  /* the hub belongs to another version of this program */
	bool unheard;  /* events were delivered before WELCOME, so the peer does not know them */
	bool numbered; /* the event that is being delivered came with a number */
	/* this worker's name, and its previous name that was welcome (0: none); each HELLO has a new name */
	uint64_t origin, former;
	uint64_t local;			    /* number of events that this worker has recorded under `origin` */
	uint64_t sent;			    /* number of messages that it has sent to the keeper under `origin` */
	uint64_t former_local, former_sent; /* the same for `former` */
	uint64_t hello_at;		    /* loop time of the last HELLO */
	uint64_t heard;			    /* the last number of an event of another worker, in any namespace */
	uint64_t nonce;			    /* of the last ask */
	uint64_t answered_at;		    /* loop time of the last answer to an ask */
	char key[SIO_KEEP_KEY];
	struct list changed;		     /* struct sio_recovery_session by `kept`, to be sent to the keeper */
	struct loop_call call;		     /* sends them, before the next flush */
	struct list asked;		     /* struct keep_ask, oldest first: claims, and asked replays */
	struct list waiting;		     /* struct keep_ask, oldest first: replays not asked for yet */
	unsigned replays_asked, replays_max; /* replays that wait for an answer, and their limit */
	struct wheel_entry timer;
	uint64_t quiet_at; /* loop time of the next QUIET messages */
	struct buffer out;
	struct sio_vault *vault; /* the peer if sessions are kept in Redis (sio_vault.h); NULL: the hub keeps them */
	bool counts; /* this worker numbers the events that it receives; otherwise the peer has numbered them */
	const struct sio_recovery_placer *placer; /* this and `deaf` are copied to the logs of all namespaces */
	void (*deaf)(struct sio_recovery_session *session);
	size_t offset_max; /* maximum bytes of an offset; a longer one is invalid */
};

/* Advances the log to `number`. */
static inline void
sio_keep_hear(struct sio_recovery_log *log, uint64_t number)
{
	if (number <= log->heard)
		return;
	log->head += number - log->heard;
	log->heard = number;
}

#endif
