/*
 * The state of the keeper (sio_keeper.h), which its files share:
 *
 *   sio_keeper.c           workers, their messages, recorded events, life
 *   sio_keeper_claim.c     claims of sessions and replays of missed events
 *   sio_keeper_missed.c    which events a client has missed
 *   sio_keeper_session.c   the sessions and their limits
 *   sio_keeper_log.c       the logs of the namespaces
 *   sio_keeper_id.c        their ids, packed
 *
 * Each file calls only the files below it.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_STATE_H
#define NODE_SOCKETIO_SIO_KEEPER_STATE_H

#include "broker/bus_keep.h"
#include "broker/wire.h"
#include "common/base/table.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_keeper_id.h"
#include "node/socketio/sio_keeper_options.h"
#include "node/socketio/sio_recovery_state.h"

/* The log of a namespace. It lives as long as it has entries or sessions. */
struct keeper_log {
	struct table_node node;
	struct sio_recovery_log *log;
	unsigned sessions;
	char epoch[SIO_EPOCH_LENGTH];
	char name[];
};

/*
 * A worker. When its connection has ended, it is `gone`, and the keeper remembers only its counts. A worker that was
 * only out of reach repeats them in its next HELLO, and late events of it may still arrive.
 */
struct keeper_origin {
	struct table_node node;
	struct list link; /* in keeper->workers, or in keeper->gone */
	uint64_t id;
	uint64_t local; /* number of the last event that it recorded, counted by the worker */
	uint64_t sent;	/* number of its last message; if one is missing, this stays at the message before it */
	const void *connection;
	bool gone;
	struct list sessions; /* live sessions of this worker, and sessions that it has claimed */
	char channel[BUS_KEEP_ID];
};

/* An event that the client must have received. sum: heard + local of the event's offset. origin 0: none. */
struct keeper_bound {
	uint64_t origin, sum;
};

/* A worker's claim of a session, with the client's offset. */
struct claim {
	uint64_t origin, nonce, max_bytes; /* max_bytes: limit of the missed events */
	uint64_t began;			   /* when the connection began, by the clock of all workers */
	struct text offset;
	bool has_offset, ghost; /* ghost: the session was live, and its socket had to leave first */
};

/* A claim that waits until the socket that has the session, or has claimed it before, has left. */
struct keeper_waiting {
	struct claim claim;
	uint64_t since;
	char offset[SIO_OFFSET_MAX];
};

enum keeper_state { KEEPER_LIVE, KEEPER_STORED, KEEPER_CLAIMED };

/* What a session gets when its rooms change, or when it is stored. It keeps this when its client comes back. */
struct keeper_past {
	uint64_t first_origin;	   /* the worker of the first CONNECT */
	uint64_t last_origin;	   /* stored, claimed: the worker that had the session last */
	uint64_t lost_at;	   /* stored, claimed: ms, by the clock of the caller */
	uint64_t start;		   /* lower bound of heard + local when the session came to its worker */
	struct keeper_bound entry; /* the last event before the session came to its worker */
	/* when the rooms last changed: the last event for the socket, and the position of the worker */
	struct keeper_bound before;
	struct sio_recovery_position changed;
	union {
		struct sio_recovery_position from; /* claimed: the offset of the client; origin 0: it sent none */
		struct {
			uint64_t start;
			struct keeper_bound entry;
		} former; /* live: what they were before REPLAY; see sio_keeper_undo_replay() */
	};
	struct keeper_waiting *waiting; /* live, claimed: the waiting claim; NULL: none */
	uint64_t newest;		/* `began` of the newest connection that has claimed the session; 0: none */
};

/*
 * The rooms and the data of a session, and what its client has got with histories, in the form that they have in the
 * messages.
 */
struct keeper_kept {
	uint32_t rooms_n, room_count, data_n, given_n;
	char bytes[]; /* in this order */
};

/* Every idle client has one of these; most of them have no past. */
struct keeper_session {
	struct table_node node;
	struct list link; /* live, claimed: in origin->sessions; stored: in keeper->stored */
	struct keeper_log *log;
	struct keeper_origin *origin;	   /* the worker that has the session, or has claimed it; NULL: stored */
	uint64_t first_heard, first_local; /* position at the first CONNECT; see sio_keeper_session_first() */
	struct keeper_past *past;	   /* NULL: the client has stayed where it connected, in the same rooms */
	/* when its worker last sent STORE or QUIET: the last event for the socket, and its position */
	uint64_t last, quiet_heard, quiet_local;
	struct keeper_kept *kept; /* NULL: all of it is empty */
	enum keeper_state state : 3;
	bool quiet : 1;	       /* its worker has sent STORE or QUIET */
	bool was_quiet : 1;    /* live: `quiet` before REPLAY */
	bool orphan : 1;       /* stored because its worker was gone; false: by STORE */
	bool own : 1;	       /* the socket is in its own room */
	bool needs_offset : 1; /* the client must send an offset that is not older than its first position */
	/* the ids in 6 bits for each character (sio_keeper_id.h); the first bytes of the pid are the key */
	uint8_t pid[SIO_KEEPER_PACKED(SIO_PID_LENGTH)];
	uint8_t sid[SIO_KEEPER_PACKED(SIO_ID_LENGTH)];
};

/* malloc() adds 8 bytes and rounds up to a multiple of 16. */
_Static_assert(sizeof(struct keeper_session) <= 152, "an idle client got larger");

/*
 * A claim of an unknown session. The worker that made the session may already have sent it on another connection
 * that the hub has not read yet. So the claim waits for sio_keeper_settle().
 */
struct keeper_parked {
	struct list link;
	struct claim claim;
	char pid[SIO_PID_LENGTH], offset[SIO_OFFSET_MAX];
	uint32_t nsp_n;
	char nsp[];
};

struct sio_keeper {
	struct sio_keeper_options options;
	char key[SIO_KEEP_KEY];
	struct sio_recovery_store store;
	struct table logs, origins, sessions;
	struct list workers, stored;
	struct list gone; /* struct keeper_origin, at most KEEPER_GONE_MAX; the one gone longest is first */
	unsigned gone_count;
	struct list parked; /* struct keeper_parked, until sio_keeper_settle() */
	uint64_t stored_count;
	uint64_t number; /* of the last event */
	uint64_t hole;	 /* an event before this number is missing, so older offsets cannot be continued */
	uint64_t ended, displaced;
	struct wire_message message;
	struct buffer out;
};

static inline struct text
sio_keeper_origin_text(const uint64_t *id)
{
	return text_of((const char *)id, SIO_ORIGIN_LENGTH);
}

/* Returns the worker that has the session, or had it before it was stored or claimed. */
static inline uint64_t
sio_keeper_session_worker(const struct keeper_session *session)
{
	return session->state == KEEPER_LIVE ? session->origin->id : session->past->last_origin;
}

/* Returns the position at the first CONNECT. */
static inline struct sio_recovery_position
sio_keeper_session_first(const struct keeper_session *session)
{
	return (struct sio_recovery_position){.heard = session->first_heard,
		.local = session->first_local,
		.origin = session->past != NULL ? session->past->first_origin : session->origin->id};
}

/*
 * Returns the last event for the socket: `last`, or if `last` is 0, the last event before the socket came to its
 * worker.
 */
static inline struct keeper_bound
sio_keeper_session_bound(const struct keeper_session *session, const struct keeper_past *past, uint64_t last)
{
	return last != 0 ? (struct keeper_bound){sio_keeper_session_worker(session), last} : past->entry;
}

/* Returns the worker with this origin, which may be gone, or NULL. */
static inline struct keeper_origin *
sio_keeper_origin_known(const struct sio_keeper *keeper, uint64_t id)
{
	struct table_node *node = table_find(&keeper->origins, sio_keeper_origin_text(&id));

	return node != NULL ? container_of(node, struct keeper_origin, node) : NULL;
}

/* Returns the worker with this origin, or NULL if it is unknown or gone. */
static inline struct keeper_origin *
sio_keeper_origin(const struct sio_keeper *keeper, uint64_t id)
{
	struct keeper_origin *origin = sio_keeper_origin_known(keeper, id);

	return origin != NULL && !origin->gone ? origin : NULL;
}

#endif
