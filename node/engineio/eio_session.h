/*
 * The inside of a session, for the transports and the server. States and heartbeat stand as a table in eio_session.c.
 * A session knows its transport by the table of eio_transport.h only.
 */
#ifndef NODE_ENGINEIO_EIO_SESSION_H
#define NODE_ENGINEIO_EIO_SESSION_H

#include "common/base/list.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_cause.h"
#include "node/engineio/eio_payload.h"
#include "node/engineio/eio_tables.h"
#include "node/engineio/eio_transport.h"

/* All sessions of a server, and what they share. Lives in the server. */
struct eio_sessions {
	struct loop *loop;
	const struct eio_options *options;
	const struct eio_ops *ops;
	void *arg;
	struct table table; /* by sid; a closed session stays until its on_close, so that walks are safe */
	unsigned open;	    /* sessions that are not closed */
	unsigned carried[EIO_TRANSPORT_KINDS]; /* of them, by transport */
	uint64_t queued;		       /* bytes of packets that wait for a client to fetch them */
	uint64_t ended[EIO_CAUSE_COUNT];
	unsigned node, worker; /* place named by new sids */
	bool stopping;	       /* connections of sessions that end are told so */
	struct list dirty;     /* sessions with something to do at the end of the turn */
	struct list later;     /* and of the next one */
	struct loop_call settle, settle_later;
	struct budget_source memory;			   /* those that hold memory beside their connection's */
	uint64_t max_buffered;				   /* eio_options_max_buffered() */
	bool allowed[EIO_TRANSPORT_KINDS];		   /* option transports */
	char *open_tail[2];				   /* of open packets, behind the sid: by "may upgrade" */
	struct eio_message *ping, *noop, *close, *initial; /* packets that are the same for everybody */
};

enum eio_state { EIO_STATE_OPEN, EIO_STATE_CLOSING, EIO_STATE_CLOSED };

struct eio_session {
	struct table_node node;
	struct wheel_entry timer; /* heartbeat; while closing: how long to wait for the client */
	struct list dirty;
	struct eio_sessions *all;
	void *owner;
	struct eio_handshake *handshake;
	const struct eio_transport *transport; /* of a closed session: the last one */
	void *carrier;			       /* the transport's; NULL once closed */
	struct eio_candidate *candidate;       /* NULL: no upgrade is under way */
	const char *description;	       /* why it closed, for logs */
	uint64_t held;			       /* eio_hold(), and its handshake */
	unsigned revision : 4;		       /* of the protocol: 4 */
	unsigned state : 2;		       /* enum eio_state */
	unsigned cause : 5;		       /* enum eio_cause, once closed */
	bool awaits_pong : 1;
	bool extended : 1; /* the deadline of this ping was moved once */
	bool discard : 1;  /* what waits is dropped at the end */
	bool later : 1;	   /* in eio_sessions.later */
	bool paused : 1;   /* eio_pause() */
	bool doomed : 1;   /* it holds too much memory, and ends with this turn */
	bool marked : 1;   /* eio_mark(), and it was not passed */
	char sid[EIO_SID_LENGTH];
};

_Static_assert(EIO_CAUSE_COUNT <= 32, "struct eio_session keeps a cause in five bits");
_Static_assert(sizeof(struct eio_session) <= 176, "an idle session owns almost nothing");

/* The texts of `open_tail` are the caller's to set, this file's to free. */
void eio_sessions_init(struct eio_sessions *all, struct loop *loop, const struct eio_options *options,
	const struct eio_ops *ops, void *arg);
void eio_sessions_fini(struct eio_sessions *all); /* all must be gone */

/* The session with that sid that is not closed, or NULL. */
struct eio_session *eio_sessions_find(const struct eio_sessions *all, struct text sid);
struct eio_session *eio_sessions_next(const struct eio_sessions *all, struct table_cursor *cursor);

/* A session without a carrier yet; its handshake's request is copied. NULL: there is no memory for the copy. */
struct eio_session *eio_session_new(struct eio_sessions *all, const struct http_request *r, unsigned revision);

/* Gives a new session its carrier, puts the open packet and starts the heartbeat. */
void eio_session_open(struct eio_session *s, const struct eio_transport *transport, void *carrier);

/* on_open: the session is whole. */
void eio_session_greet(struct eio_session *s);

/* The candidate, which has forgotten itself, becomes the carrier; what waited for the old one goes to the new one. */
void eio_session_upgrade(struct eio_session *s, const struct eio_transport *transport, void *carrier);

/* The carrier has gone by itself and is not to be stopped: eio_session_end() follows. Returns it. */
void *eio_session_lose_carrier(struct eio_session *s);

/* For transports: something has come from the client, before any of it is handled. */
static inline void
eio_session_input(struct eio_session *s)
{
	if (s->marked && s->carrier != NULL && s->transport->sent(s))
		s->marked = false;
}

/* The settle() of its transport, or the last call, comes at the end of the turn. */
void eio_session_dirty(struct eio_session *s);

/* Everything that was put has left (on_drain). */
void eio_session_drained(struct eio_session *s);

/* A closing session waits for its client once more the full time. */
void eio_session_wait(struct eio_session *s);

/* What was due by now happens now, though the loop has not come to the timer yet. */
void eio_session_expire(struct eio_session *s);

/* A packet from a transport. 0, or negative when it was the client's fault and the session has closed. */
int eio_session_packet(struct eio_session *s, const struct eio_packet *packet);

/* Closes now; on_close comes at the end of the turn. Does nothing on a closed session. `description`: a static text
 * that says more than the cause's own, or NULL. */
void eio_session_end(struct eio_session *s, enum eio_cause cause, const char *description);

#endif
