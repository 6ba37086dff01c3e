/* The structures of connection state recovery. sio_recovery.h has the table of a session's states. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_STATE_H
#define NODE_SOCKETIO_SIO_RECOVERY_STATE_H

#include "node/socketio/sio_recovery_log.h"
#include "node/socketio/sio_recovery_stats.h"
#include "node/socketio/sio_server.h"

struct sio_nsp;
struct sio_socket;
struct sio_stored;
struct sio_keep;
struct sio_stream;
struct sio_expiry;
struct sio_client;
struct sio_recovery_session;
/* Continues a CONNECT, see sio_recovery_claim(). */
typedef void sio_recovery_then(
	struct sio_client *c, struct sio_nsp *nsp, struct text auth, struct sio_recovery_session *session);

#define SIO_PID_LENGTH 32 /* the first SIO_PID_HANDLE characters find the session; the others are compared */
#define SIO_PID_HANDLE 12

struct sio_recovery {
	struct sio_server *io;
	struct sio_recovery_store store; /* entries of all logs; bytes of stored sessions count too */
	struct table sessions;		 /* struct sio_recovery_session by the handle of the pid */
	struct list stored;		 /* stored sessions, in the order of their loss */
	uint64_t stored_count;
	struct list ended_now;	  /* ended sessions that are still to be reported */
	struct sio_job ended_job; /* reports them to the listeners, at the end of the turn */
	/*
	 * Ends the stored sessions of a namespace that is about to be freed. For sio_nsp.c, which does not include
	 * the sessions.
	 */
	void (*displace)(struct sio_nsp *nsp);
	void (*adopt)(struct sio_nsp *nsp); /* several workers: called for a new namespace; one worker: NULL */
	struct sio_keep *keep;		    /* several workers: the link to the hub or the vault; else NULL */
	struct sio_stream *stream;	    /* streams mode (sio_stream.h); else NULL */
	struct sio_expiry *expiry;	    /* sessions in Redis: waits for their ends; else NULL */
	uint64_t results[SIO_RECOVERY_RESULTS], replayed, ended, displaced; /* see struct sio_recovery_stats */
	uint64_t unsaved[SIO_UNSAVED_REASONS];
	struct wheel_entry timer; /* drops old entries and sessions; armed while there are any */
	bool armed;
};

/* What a session has while it is stored, claimed or ended: the snapshot, and what belongs to the claim. */
struct sio_recovery_lost {
	struct sio_recovery_session *session;
	struct list stored; /* in recovery->stored while stored; ended: in recovery->ended_now */
	struct sio_stored *data;
	char *rooms; /* see sio_recovery_room_write() */
	char *given; /* several workers, or streams mode: see sio_history_given.h */
	uint32_t rooms_n, room_count, given_n;
	uint64_t from;	   /* one worker, or streams mode; claimed: the client has got all up to this number */
	uint64_t asked;	   /* several workers, claimed: nonce of the REPLAY */
	uint32_t bytes;	   /* charged to the store */
	unsigned char why; /* ended: enum sio_session_end */
	bool expects;	   /* vault, claimed: the bus knows the socket's own room (sio_rooms_expect()) */
	char sid[SIO_ID_LENGTH];
};

/* Every idle client has one of these. */
struct sio_recovery_session {
	struct table_node node;
	struct list kept; /* in log->kept while stored */
	struct sio_nsp *nsp;
	struct sio_recovery_log *log; /* of the namespace */
	struct sio_socket *socket;    /* live: connected; claimed: waiting; stored: NULL */
	/*
	 * The search for missed events starts at this number. One worker: the head of the log at the first CONNECT.
	 * Several workers: the head of the log when this worker made the session known to the hub or Redis, which it
	 * repeats when they have lost it.
	 */
	uint64_t start;
	uint64_t heard;	       /* head of the log when the socket stopped getting events */
	uint64_t changed_last; /* value of last_event when the socket last joined or left a room */
	uint64_t changed_head; /* head of the log at that moment */
	union {
		struct {		  /* one worker, or streams mode */
			uint64_t last;	  /* number of the last event that was for the socket; 0: none */
			uint64_t newest;  /* one worker: when the client's newest connection began */
			uint64_t lost_at; /* ms */
		};
		struct { /* several workers: log->heard at the moments of start, changed_head and heard */
			uint64_t start_heard, changed_heard, deaf_heard;
		};
		struct { /* several workers with a vault (sio_vault.h): the bound that a client must have received */
			uint64_t bound_sum, bound_changed, bound_origin;
		};
	};
	struct sio_recovery_lost *lost; /* NULL: live */
	uint32_t save_no;		/* vault: number of the last save that Redis has not confirmed; 0: none */
	bool claimed : 1, ghost : 1;
	bool moved : 1;		/* joined or left a room while claimed */
	bool own : 1;		/* was in its own room */
	bool answered : 1;	/* several workers: lost->asked has been answered */
	bool data_changed : 1;	/* several workers: data has changed while claimed */
	bool passed_over : 1;	/* several workers: see sio_keep_passed_over() */
	bool asked_history : 1; /* several workers: the socket has joined a room with its history */
	bool saved : 1;		/* streams mode: Redis has the session, unless another server has taken it */
	bool missed : 1;	/* streams mode, claimed: the stream may lack an event for the socket */
	bool save_refused : 1;	/* vault: Redis has not taken the save `save_no` */
	unsigned char pid_n;	/* pids of Node.js servers are shorter than SIO_PID_LENGTH */
	char pid[SIO_PID_LENGTH];
};

/* malloc() adds 8 bytes and rounds up to a multiple of 16. */
_Static_assert(sizeof(struct sio_recovery_session) <= 168, "an idle client got larger");

/* Every event up to this number has been delivered to the socket. */
static inline uint64_t
sio_recovery_session_head(const struct sio_recovery_session *session)
{
	return session->log->position != NULL ? session->log->position(session->nsp) : session->log->head;
}

/*
 * The socket has joined or left a room. `last_event` is the socket's. `deaf`: the socket has stopped getting events
 * (sio_recovery_session_deaf()). The change then counts from that moment, because the rooms of the later snapshot
 * decide about all events since then.
 */
static inline void
sio_recovery_session_moved(struct sio_recovery_session *session, uint64_t last_event, bool deaf)
{
	session->moved = session->claimed;
	if (session->claimed)
		return;
	session->changed_last = last_event;
	session->changed_head = deaf ? session->heard : sio_recovery_session_head(session);
	session->log->moves++;
	if (session->log->touched == NULL)
		return;
	session->changed_heard = deaf ? session->deaf_heard : session->log->heard;
	session->log->touched(session);
}

/* From now on the socket gets no events. */
static inline void
sio_recovery_session_deaf(struct sio_recovery_session *session)
{
	session->heard = sio_recovery_session_head(session);
	if (session->log->deaf != NULL)
		session->log->deaf(session);
	else if (session->log->touched != NULL)
		session->deaf_heard = session->log->heard;
}

#endif
