/*
 * The inside of a session, for the transports and the server. eio_session.c is one session, with the tables of its
 * states and its heartbeat; eio_sessions.c is all of them. A session accesses its transport only through the
 * functions of eio_transport.h.
 */
#ifndef NODE_ENGINEIO_EIO_SESSION_H
#define NODE_ENGINEIO_EIO_SESSION_H

#include "common/base/list.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_cause.h"
#include "node/engineio/eio_departed.h"
#include "node/engineio/eio_payload.h"
#include "node/engineio/eio_tables.h"
#include "node/engineio/eio_transport.h"

/* All sessions of a server, and what they share. Lives in the server. */
struct eio_sessions {
	struct loop *loop;
	const struct eio_options *options;
	const struct eio_ops *ops;
	void *arg;
	struct table table; /* by sid; a closed session stays until its on_close, so that iterations are safe */
	unsigned open;	    /* sessions that are not closed */
	unsigned carried[EIO_TRANSPORT_KINDS]; /* open sessions by transport */
	uint64_t queued;		       /* bytes of packets that wait for a client to fetch them */
	uint64_t ended[EIO_CAUSE_COUNT];
	unsigned node, worker; /* the place named by new sids */
	bool stopping;	       /* the server drains or closes; connections of sessions that end get REASON_SHUTDOWN */
	struct list dirty;     /* sessions with work for the end of this turn */
	struct list later;     /* sessions with work for the next turn */
	unsigned max_settles;  /* open and closing sessions that are settled in one turn */
	struct loop_call settle, settle_later;
	struct budget_source memory;	   /* for memory held besides that of connections */
	uint64_t max_buffered;		   /* eio_options_max_buffered() */
	bool allowed[EIO_TRANSPORT_KINDS]; /* the option transports */
	char *open_tail[2];		   /* open packets after the sid; index: whether an upgrade is offered */
	struct eio_message *ping, *pong, *noop, *close, *initial; /* packets that are the same for all sessions */
	struct buffer spare_body; /* memory for the body of the next POST (eio_polling.c) */
	struct eio_departed departed;
};

enum eio_state { EIO_STATE_OPEN, EIO_STATE_CLOSING, EIO_STATE_CLOSED };

struct eio_session {
	struct table_node node;
	struct wheel_entry timer; /* heartbeat; while closing, the time to wait for the client */
	struct list dirty;
	struct eio_sessions *all;
	void *owner;
	struct eio_handshake *handshake;
	const struct eio_transport *transport; /* of a closed session: the last one */
	void *carrier;			       /* private to the transport; NULL once closed */
	struct eio_candidate *candidate;       /* NULL: no upgrade in progress */
	const char *description;	       /* why the session closed, for logs */
	uint64_t held;			       /* bytes of eio_hold(), including the handshake */
	unsigned revision : 4;		       /* protocol revision: 4 or 3 */
	unsigned state : 2;		       /* enum eio_state */
	unsigned cause : 5;		       /* enum eio_cause once closed */
	bool awaits_pong : 1;
	bool extended : 1; /* the deadline of this ping was moved once */
	bool discard : 1;  /* drop the queue on closing */
	bool later : 1;	   /* in eio_sessions.later */
	bool paused : 1;   /* eio_pause() was called */
	bool corked : 1;   /* eio_cork() was called */
	bool doomed : 1;   /* holds too much memory; closed at the end of this turn */
	bool sampled : 1;  /* logConnections: its end is logged, too */
	bool marked : 1;   /* eio_mark() was called, and the mark is not passed yet */
	char sid[EIO_SID_LENGTH];
};

_Static_assert(EIO_CAUSE_COUNT <= 32, "struct eio_session keeps a cause in five bits");
_Static_assert(sizeof(struct eio_session) <= 176, "struct eio_session must stay small: each client has one");

/* Initialises the sessions. The caller sets `open_tail`; eio_sessions_fini() frees its texts. */
void eio_sessions_init(struct eio_sessions *all, struct loop *loop, const struct eio_options *options,
	const struct eio_ops *ops, void *arg);
void eio_sessions_fini(struct eio_sessions *all); /* all sessions must be gone */

/* Returns the session with that sid if it is not closed, otherwise NULL. */
struct eio_session *eio_sessions_find(const struct eio_sessions *all, struct text sid);
/* Iterates over the sessions that are not closed, as table_next(). Returns NULL at the end. */
struct eio_session *eio_sessions_next(const struct eio_sessions *all, struct table_cursor *cursor);

/*
 * Writes the sid of a new session, EIO_SID_LENGTH characters that no session has. The application makes it if it
 * wants to (on_id). Returns 0; ERROR_SYNTAX if the application's text is malformed; ERROR_EXISTS if a session has
 * that sid.
 */
int eio_sessions_make_sid(struct eio_sessions *all, const struct http_request *r, char *sid);

/*
 * Creates a session without a carrier, with a copy of its handshake's request and of its sid, which must be new.
 * Returns NULL if memory for the copy runs out.
 */
struct eio_session *eio_session_new(
	struct eio_sessions *all, const struct http_request *r, unsigned revision, const char *sid);

/* Gives a new session its carrier, sends the open packet and starts the heartbeat. */
void eio_session_open(struct eio_session *s, const struct eio_transport *transport, void *carrier);

/* Calls on_open. The session is complete. */
void eio_session_greet(struct eio_session *s);

/*
 * Completes an upgrade: replaces transport and carrier. The candidate has removed itself from the session before.
 * Packets that waited in the old carrier move to the new one.
 */
void eio_session_upgrade(struct eio_session *s, const struct eio_transport *transport, void *carrier);

/* Detaches and returns a carrier that has ended by itself and must not be stopped. eio_session_end() must follow. */
void *eio_session_lose_carrier(struct eio_session *s);

/* Called by transports when input has arrived from the client, before any of it is handled. */
static inline void
eio_session_input(struct eio_session *s)
{
	if (s->marked && s->carrier != NULL && s->transport->sent(s))
		s->marked = false;
}

/* Schedules a call for the end of the turn: the transport's settle() or, for a closed session, on_close. */
void eio_session_dirty(struct eio_session *s);

/* Called by transports with the bytes that wait, after a packet was put. Too many bytes end eio_cork(). */
static inline void
eio_session_limit_cork(struct eio_session *s, uint64_t waiting)
{
	if (s->corked && waiting > s->all->max_buffered / 4)
		eio_uncork(s);
}

/* Reports that everything put to the transport has left (on_drain). */
void eio_session_drained(struct eio_session *s);

/* Restarts the time that a closing session waits for its client. */
void eio_session_wait(struct eio_session *s);

/*
 * If the session's timer is due, runs it now instead of later in this turn, and returns true: the session may have
 * closed.
 */
bool eio_session_expire(struct eio_session *s);

/*
 * Handles a packet from a transport. Returns 0, or a negative value if the client was at fault and the session has
 * closed.
 */
int eio_session_packet(struct eio_session *s, const struct eio_packet *packet);

/*
 * Closes the session now; on_close comes at the end of the turn. Ignored on a closed session. `description` is a
 * static text that is more specific than the cause's, or NULL.
 */
void eio_session_end(struct eio_session *s, enum eio_cause cause, const char *description);

#endif
