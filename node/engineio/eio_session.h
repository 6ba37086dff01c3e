/*
 * The inside of a session, for the files of this folder. States and heartbeat stand as a table in eio_session.c.
 */
#ifndef NODE_ENGINEIO_EIO_SESSION_H
#define NODE_ENGINEIO_EIO_SESSION_H

#include "common/base/buffer.h"
#include "node/engineio/eio_handshake.h"
#include "node/engineio/eio_payload.h"
#include "node/engineio/eio_server.h"

enum eio_state { EIO_STATE_OPEN, EIO_STATE_CLOSING, EIO_STATE_CLOSED };

/* The long-polling transport of a session; gone once the session has moved to WebSocket. */
struct eio_polling {
	struct http_request *get;  /* the poll that waits for packets */
	struct http_request *post; /* the push whose body is being read or handled */
	struct buffer body;	   /* of the push */
	bool ready;		   /* the body is complete: its packets are dispatched at the end of the turn */
	bool grace;		   /* the push is the close packet alone, and waits for a poll */
	bool handling;		   /* the body's packets are being dispatched: the push is answered afterwards */
	bool initial;		   /* the next reply is the first of the session */
};

/* A WebSocket that tries to become the transport of a polling session. */
struct eio_upgrade {
	struct eio_session *session;
	struct ws *ws;
	struct wheel_entry timeout; /* upgradeTimeout */
	struct wheel_entry cycle;   /* after the probe: ends a pending poll every 100 ms */
	bool b64;
};

struct eio_session {
	struct table_node node;
	struct wheel_entry timer; /* heartbeat; while closing: how long to wait for the client */
	struct list dirty;
	struct eio_server *server;
	void *owner;
	struct eio_handshake *handshake;
	struct ws *ws; /* the WebSocket transport; NULL: polling */
	struct eio_polling *polling;
	struct eio_upgrade *upgrade;
	struct eio_message **queue; /* packets that wait for a poll */
	uint32_t queue_count, queue_size;
	uint32_t queue_bytes; /* as long-polling counts them */
	unsigned state : 2;   /* enum eio_state */
	unsigned reason : 3;  /* enum eio_close_reason, once closed */
	bool awaits_pong : 1;
	bool extended : 1;	 /* the deadline of this ping was moved once */
	bool b64 : 1;		 /* bytes go over the WebSocket as base64 text */
	const char *description; /* why it closed, for logs */
	char sid[EIO_SID_LENGTH];
};

/* The queue's packets are somebody else's, or gone. */
static inline void
eio_session_queue_taken(struct eio_session *s)
{
	s->server->queued -= s->queue_bytes;
	s->queue = NULL;
	s->queue_count = s->queue_size = s->queue_bytes = 0;
}

/* The WebSocket that carries the session; NULL: none. */
static inline void
eio_session_set_ws(struct eio_session *s, struct ws *ws)
{
	s->server->websockets += (unsigned)(ws != NULL) - (unsigned)(s->ws != NULL);
	s->ws = ws;
}

_Static_assert(sizeof(struct eio_session) <= 200, "an idle session owns almost nothing");

/* eio_session.c */
struct eio_session *eio_session_new(struct eio_server *e, const struct http_request *r);
void eio_session_open(struct eio_session *s);  /* queues the open packet and starts the heartbeat */
void eio_session_greet(struct eio_session *s); /* on_open */
void eio_session_put(struct eio_session *s, struct eio_message *m);
void eio_session_dirty(struct eio_session *s);
void eio_session_settle(struct eio_session *s);	   /* end of turn: answers the poll, makes the last call and frees */
void eio_session_heartbeat(struct eio_session *s); /* the next ping is one interval away */

/* What was due by now happens now, though the loop has not come to the timer yet. */
void eio_session_expire(struct eio_session *s);

/* A packet from either transport. 0, or negative when it was the client's fault and the session has closed. */
int eio_session_packet(struct eio_session *s, const struct eio_packet *packet);

/* Closes now; on_close comes at the end of the turn. Does nothing on a closed session. */
void eio_session_end(struct eio_session *s, enum eio_close_reason reason, const char *description);

/* Forgets what is queued for a poll. */
void eio_session_queue_drop(struct eio_session *s);

/* eio_polling.c */
void eio_polling_start(struct eio_session *s, struct http_request *r); /* the handshake's request is the first poll */
void eio_polling_request(struct eio_session *s, struct http_request *r);
void eio_polling_settle(struct eio_session *s);	  /* a push is ready: dispatches it, or lets it wait for a poll */
void eio_polling_dispatch(struct eio_session *s); /* handles a push that is ready and answers it */
void eio_polling_flush(struct eio_session *s);	  /* answers a pending poll with what is queued */
/* Answers a pending poll with this packet alone. */
void eio_polling_answer(struct eio_session *s, struct eio_message *m);
/* Ends the transport: a pending poll is answered by `last`, an unfinished push is cut off. */
void eio_polling_stop(struct eio_session *s, struct eio_message *last);

/* eio_websocket.c */
void eio_websocket_start(struct eio_session *s, struct http_request *r, bool b64);
void eio_websocket_put(struct eio_session *s, struct eio_message *m);
void eio_websocket_stop(struct eio_session *s, unsigned reason);
struct ws *eio_websocket_accept(struct eio_server *e, struct http_request *r, void *owner);
void eio_websocket_abandon(struct ws *ws, unsigned reason); /* closes one that nobody owns any more */

/* Adds the fields of on_headers. `s` NULL: a reply that belongs to no session. */
void eio_headers(struct eio_server *e, struct http_request *r, struct eio_session *s, bool initial);

/* eio_upgrade.c */
void eio_upgrade_request(struct eio_session *s, struct http_request *r, bool b64);
void eio_upgrade_message(struct eio_session *s, bool binary, const uint8_t *data, size_t n);
void eio_upgrade_stop(struct eio_session *s, unsigned reason); /* closes the probing WebSocket alone */
void eio_upgrade_lost(struct eio_session *s);		       /* it closed by itself */

#endif
