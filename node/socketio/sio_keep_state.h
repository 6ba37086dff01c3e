/* What a worker knows of the keeper (sio_keep.h), for the files of recovery that sio_keep.c itself calls. */
#ifndef NODE_SOCKETIO_SIO_KEEP_STATE_H
#define NODE_SOCKETIO_SIO_KEEP_STATE_H

#include "broker/bus_keep.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

/* What the other files of recovery call. */
struct sio_keep_ops {
	/* Drops the events that no client waits for, except the newest. */
	void (*trim)(struct sio_keep *keep);
	/*
	 * As sio_recovery_claim(), but the answer comes later, by `then`, unless the client has gone. Returns false
	 * if there is nothing to ask; then the socket is new.
	 */
	bool (*claim)(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
		struct text auth, sio_recovery_then *then);
	/* The claimed session goes back to the keeper. */
	void (*unclaim)(struct sio_recovery_session *session);
	/* The session ends at the keeper, because its new socket cannot continue it. */
	void (*forget)(struct sio_keep *keep, const struct sio_recovery_session *session);
	/* The socket leaves, before it leaves its rooms. */
	void (*leave)(struct sio_recovery_session *session, struct sio_socket *s, bool may_return);
};

struct sio_keep {
	const struct sio_keep_ops *ops;
	struct bus_keep bus;
	struct sio_recovery *recovery;
	struct broker *broker;
	bool welcome;
	bool unheard;		 /* this worker has delivered events that the keeper does not know */
	bool numbered;		 /* the event that is being delivered came with a number */
	uint64_t origin, former; /* names of this worker, anew after each loss of the hub */
	uint64_t local;		 /* events that this worker has recorded */
	uint64_t heard;		 /* the last number that has come, of any namespace */
	uint64_t nonce;
	char key[SIO_KEEP_KEY];
	struct list changed;   /* struct sio_recovery_session by `kept`: to be told to the keeper */
	struct loop_call call; /* tells it, before the next flush */
	struct list asked;     /* struct keep_ask, oldest first */
	unsigned replays;      /* of them that wait for missed events */
	struct wheel_entry timer;
	uint64_t quiet_at;
	struct buffer out;
};

#endif
