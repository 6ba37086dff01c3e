/*
 * The state of a worker towards the keeper (sio_keep.h). sio_keep.c calls the other files of recovery; they call it
 * back through struct sio_keep_ops.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_STATE_H
#define NODE_SOCKETIO_SIO_KEEP_STATE_H

#include "broker/bus_keep.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

/* The functions of sio_keep.c that the other files of recovery call. */
struct sio_keep_ops {
	/* Drops all events but the newest. While a client waits for a replay, only as many as the limit demands. */
	void (*trim)(struct sio_keep *keep);
	/*
	 * As sio_recovery_claim(): asks the keeper and calls `then` with the answer, unless the client has gone by
	 * then. Returns false if the claim fails at once, which is counted; the caller goes on without a session.
	 */
	bool (*claim)(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
		struct text auth, sio_recovery_then *then);
	/* Returns a claimed session to the keeper and frees it. */
	void (*unclaim)(struct sio_recovery_session *session);
	/* Ends the session at the keeper, because its new socket cannot continue it. */
	void (*forget)(struct sio_keep *keep, const struct sio_recovery_session *session);
	/* Ends the stored session of this pid at the keeper. */
	void (*end_stored)(struct sio_keep *keep, struct text pid);
	/* Called when the socket leaves, before it leaves its rooms. Stores or ends its session at the keeper. */
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
	uint64_t own;  /* replay: the answer has the events of this worker up to this number; 0: those up to `head` */
	char pid[SIO_PID_LENGTH];
	char offset[SIO_OFFSET_LONG];
	uint8_t offset_n;
	bool has_offset;
};

/* How far a client has got: the last event for its socket, and the position of the worker (struct sio_recovery_log).
 */
struct sio_keep_position {
	uint64_t last, heard, head;
};

/*
 * Where the sessions of lost clients and the events of all workers are kept. The functions are called while
 * keep->welcome is true. Answers come up through sio_keep_ask.h and sio_keep.h.
 */
struct sio_keep_peer {
	/* A session begins; save() follows before the next flush. NULL: the peer need not know. */
	void (*begin)(struct sio_keep *keep, struct sio_recovery_session *session);
	/* A live session is new or has changed. For `needs_offset` see sio_keep_register_all(). */
	void (*save)(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset);
	/* Tells the position of a connected client, or of one that has just `left` and may return. */
	void (*place)(struct sio_keep *keep, struct sio_recovery_session *session, const struct sio_keep_position *at,
		bool left);
	void (*end)(struct sio_keep *keep, const char pid[SIO_PID_LENGTH]);
	/* The claimed session is not continued: it is stored again. */
	void (*release)(struct sio_keep *keep, const char pid[SIO_PID_LENGTH]);
	/* Answered by sio_keep_claimed(). */
	void (*claim)(struct sio_keep *keep, const struct keep_ask *ask);
	/* Asks for the missed events of a claimed session. Answered by sio_keep_replayed(). */
	void (*replay)(struct sio_keep *keep, struct keep_ask *ask);
	/* Called at least once a minute. Returns true while the peer has yet to say WELCOME. NULL: never. */
	bool (*awaits)(struct sio_keep *keep);
	/* An event of the namespace has come that is not recorded. NULL: this does not happen. */
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
	bool refused;  /* the hub is of another version of this program */
	bool unheard;  /* events were delivered before WELCOME, so the keeper does not know them */
	bool numbered; /* the event that is being delivered came with a number */
	/* this worker's name, and the last one before with which it was welcome; each HELLO brings a new name */
	uint64_t origin, former;
	uint64_t local;			    /* number of events that this worker has recorded under `origin` */
	uint64_t sent;			    /* number of messages that it has sent to the keeper under `origin` */
	uint64_t former_local, former_sent; /* the same of `former` */
	uint64_t hello_at;		    /* loop time of the last HELLO */
	uint64_t heard;			    /* the last number that came from the keeper, of any namespace */
	uint64_t nonce;			    /* of the last ask */
	char key[SIO_KEEP_KEY];
	struct list changed;		     /* struct sio_recovery_session by `kept`, to be sent to the keeper */
	struct loop_call call;		     /* sends them, before the next flush */
	struct list asked;		     /* struct keep_ask, oldest first: claims, and replays under way */
	struct list waiting;		     /* struct keep_ask, oldest first: replays that are to be asked for */
	unsigned replays_asked, replays_max; /* replays under way, and how many may be */
	struct wheel_entry timer;
	uint64_t quiet_at; /* loop time of the next QUIET messages */
	struct buffer out;
	struct sio_vault *vault; /* the peer if sessions are kept in Redis (sio_vault.h); NULL: the hub keeps them */
	bool counts;		 /* this worker counts the events that it hears; otherwise they come with numbers */
	const struct sio_recovery_placer *placer; /* these two are for the logs of all namespaces */
	void (*deaf)(struct sio_recovery_session *session);
	size_t offset_max; /* bytes of an offset of this peer; a longer one is invalid */
};

/* Moves the log on to the peer's `number`. */
static inline void
sio_keep_hear(struct sio_recovery_log *log, uint64_t number)
{
	if (number <= log->heard)
		return;
	log->head += number - log->heard;
	log->heard = number;
}

#endif
