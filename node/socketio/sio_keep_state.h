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

struct sio_keep {
	const struct sio_keep_ops *ops;
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
};

#endif
