/* What the files of connection state recovery share; sio_recovery.h has the life of a session. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_STATE_H
#define NODE_SOCKETIO_SIO_RECOVERY_STATE_H

#include "node/socketio/sio_recovery_log.h"
#include "node/socketio/sio_recovery_stats.h"
#include "node/socketio/sio_server.h"

struct sio_nsp;
struct sio_socket;
struct sio_stored;
struct sio_keep;
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
	struct list ended_now;	  /* ended sessions whose listeners are still to run */
	struct sio_job ended_job; /* runs them, at the end of the turn */
	/* sio_recovery_session_drop_all(), for the namespaces, which know no sessions */
	void (*displace)(struct sio_nsp *nsp);
	void (*adopt)(struct sio_nsp *nsp); /* several workers: a namespace is new; else NULL */
	struct sio_keep *keep;		    /* the log and the sessions of lost clients are in the hub; NULL: here */
	uint64_t results[SIO_RECOVERY_RESULTS], replayed, ended, displaced; /* see struct sio_recovery_stats */
	struct wheel_entry timer; /* drops what is too old; armed while anything is kept */
	bool armed;
};

struct sio_recovery_session {
	struct table_node node;
	struct list stored; /* in recovery->stored while stored; ended: in recovery->ended_now */
	struct list kept;   /* in log->kept while stored */
	struct sio_nsp *nsp;
	struct sio_recovery_log *log; /* of the namespace */
	struct sio_socket *socket;    /* live: connected; claimed: waiting; stored: NULL */
	uint64_t start;		      /* head of the log at the first CONNECT */
	uint64_t heard;		      /* head of the log when the socket became deaf */
	uint64_t changed_last;	      /* value of last_event when the socket last joined or left a room */
	uint64_t changed_head;	      /* head of the log then */
	union {
		struct {		  /* one worker */
			uint64_t last;	  /* number of the last event that was for the socket; 0: none */
			uint64_t from;	  /* claimed: the client has got everything up to this number */
			uint64_t lost_at; /* ms */
		};
		struct { /* several workers: log->heard, when the other field took log->head */
			uint64_t start_heard, changed_heard, deaf_heard;
		};
	};
	uint64_t asked;		 /* several workers, claimed: the question for what was missed */
	struct sio_stored *data; /* the snapshot: data, rooms */
	char *rooms;		 /* each as its length in 4 bytes and its name */
	uint32_t rooms_n, room_count;
	uint32_t bytes; /* charged to the store */
	bool claimed, ghost;
	bool moved;	   /* joined or left a room while claimed */
	bool own;	   /* was in its own room */
	bool answered;	   /* several workers: that question */
	bool data_changed; /* several workers: while claimed */
	unsigned char why; /* ended: enum sio_session_end */
	char pid[SIO_PID_LENGTH];
	char sid[SIO_ID_LENGTH];
};

_Static_assert(sizeof(struct sio_recovery_session) <= 240, "an idle client got larger");

/*
 * The socket has joined or left a room. `last_event` is the socket's. `deaf`: it gets no events any more, so all
 * events since then are judged by the rooms of the snapshot, which is still to come.
 */
static inline void
sio_recovery_session_moved(struct sio_recovery_session *session, uint64_t last_event, bool deaf)
{
	session->moved = session->claimed;
	if (session->claimed)
		return;
	session->changed_last = last_event;
	session->changed_head = deaf ? session->heard : session->log->head;
	session->log->moves++;
	if (session->log->touched == NULL)
		return;
	session->changed_heard = deaf ? session->deaf_heard : session->log->heard;
	session->log->touched(session);
}

/* The socket no longer gets events. */
static inline void
sio_recovery_session_deaf(struct sio_recovery_session *session)
{
	session->heard = session->log->head;
	if (session->log->touched != NULL)
		session->deaf_heard = session->log->heard;
}

#endif
