/*
 * The state of a worker that recovers connections from Redis streams (sio_stream.h). The files sio_stream_*.c call
 * the other files of recovery and of emissions, which call back through struct sio_stream_ops.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_STATE_H
#define NODE_SOCKETIO_SIO_STREAM_STATE_H

#include "common/io/log.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

struct broker;
struct sio_emission;
struct sio_selector;

/*
 * A wait until everything has been delivered that the stream has by now. The caller owns the storage, and forgets the
 * wait by list_remove() of the link.
 */
struct sio_stream_place {
	/*
	 * Called once. `entry`: the number of an entry that no client has got as an offset, and that follows all
	 * delivered events; 0: there is none, because the stream is away.
	 */
	void (*on_found)(struct sio_stream_place *place, uint64_t entry);
	uint64_t number;  /* of the entry; the same for the calls that share it */
	struct list link; /* initialized by the caller */
};

struct sio_stream_ops {
	/* As sio_keep_ops.claim. */
	bool (*claim)(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
		struct text auth, sio_recovery_then *then);
	/* Stores a claimed session again, for the rest of its time, and frees it. */
	void (*unclaim)(struct sio_recovery_session *session);
	/* A claimed session has ended without its client, which continues as a new one. Redis forgets it. */
	void (*fail)(struct sio_recovery_session *session);
	/* Called when the socket leaves, before it leaves its rooms. Stores or ends its session. */
	void (*leave)(struct sio_recovery_session *session, struct sio_socket *s, bool may_return);
	/* Ends the stored session of this pid: its client comes back as a new one. */
	void (*end_stored)(struct sio_nsp *nsp, struct text pid);
	/* As sio_keep_replay(). */
	bool (*replay)(struct sio_socket *s, void (*then)(struct sio_socket *s));
	/*
	 * Take over an event, to deliver it with its offset, after all earlier events. Return false if the caller
	 * must deliver it now. Otherwise `*rc` is the result of the emit. `id`: of the awaited acknowledgement;
	 * NULL: none.
	 */
	bool (*hold_one)(const struct sio_emission *emission, struct sio_socket *s, const uint64_t *id, int *rc);
	bool (*hold_many)(const struct sio_emission *emission, const struct sio_selector *who, int *rc);
	/*
	 * Returns the number for an event that is published but not held. Sockets get the event without an offset,
	 * so older offsets become invalid when it is read back.
	 */
	uint64_t (*number_unheld)(struct sio_stream *stream, struct sio_nsp *nsp);
	void (*on_own)(struct sio_nsp *nsp, uint64_t number, uint64_t entry);
	/*
	 * Adds an entry to the stream that no client gets, and calls place->on_found() when it is read back. The
	 * calls of one turn share an entry. Returns false if the stream is away.
	 */
	bool (*find_place)(struct sio_nsp *nsp, struct sio_stream_place *place);
	void (*on_direct)(struct sio_nsp *nsp, struct text message);
};

struct sio_stream {
	const struct sio_stream_ops *ops;
	struct sio_recovery *recovery;
	struct broker *broker;
	uint64_t entry; /* number of the entry of the broadcast that the bus delivers next; 0: none */
	uint64_t nonce;

	/* sio_stream_hold.c */
	struct list queues; /* struct stream_queue */
	uint64_t held_bytes;
	struct wheel_entry held_timer; /* armed while events are held */
	bool releasing;
	struct stream_item *marker;   /* the last entry for places, if it has not been sent yet; else NULL */
	struct loop_call marker_call; /* forgets it, before the next flush */
	uint64_t *late; /* a ring of the numbers of such entries that are read late; 0: free; NULL: none */
	unsigned late_next;

	/* sio_stream_write.c */
	struct table newest;  /* struct stream_write by pid: the newest of each session, if it is not done */
	struct list writes;   /* struct stream_write that wait for an answer */
	struct list removals; /* struct stream_write that wait for their next attempt */
	struct list unsaved;  /* struct sio_recovery_session by `kept` that Redis has not taken */
	struct wheel_entry again_timer; /* armed while one of the two lists has members */
	uint64_t again_pause;		/* ms */
	unsigned removals_count;
	bool unsaved_known; /* `unsaved_why` has been logged */
	enum sio_unsaved unsaved_why;
	struct log_limit unsaved_log, removals_log;

	/* sio_stream_store.c */
	struct list changed;   /* struct sio_recovery_session by `kept` that must be stored */
	struct loop_call call; /* stores them, before the next flush */
	struct wheel_entry refresh_timer;
	unsigned refresh_round;
	struct buffer out, key, text; /* work space */

	/* sio_stream_claim.c, sio_stream_replay.c */
	struct list claims, replays, replays_waiting;
	unsigned replays_count;
	bool replays_begin; /* replay_begin_next() runs */
	struct wheel_entry claims_timer;
	struct wheel_entry replays_timer; /* armed while replays wait */
};

/* Returns the state if the events of the namespace are recorded in a stream, else NULL. */
static inline struct sio_stream *
sio_stream_of(const struct sio_nsp *nsp)
{
	return sio_recovery_on(nsp) && nsp->broker != NULL ? nsp->io->recovery->stream : NULL;
}

#endif
