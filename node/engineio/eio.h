/*
 * The Engine.IO server, protocol revision 4 and, with the option allowEIO3, 3: sessions over HTTP long-polling and
 * WebSocket. It is independent of Socket.IO. Source: Engine.IO protocol v3 and v4 (socket.io repository,
 * docs/engine.io-protocol).
 *
 * Requests arrive through eio_handle(). Sessions and messages go up through struct eio_ops; messages go down through
 * eio_send(). A downward call never calls up: the on_close of a session closed by eio_close() comes at the end of the
 * turn. To refer to a session in a later turn, keep its sid and call eio_find().
 */
#ifndef NODE_ENGINEIO_EIO_H
#define NODE_ENGINEIO_EIO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/table.h"
#include "common/io/loop.h"
#include "node/engineio/eio_message.h"
#include "node/engineio/eio_options.h"
#include "node/http/http.h"
#include "node/http/http_cors.h"

#define EIO_SID_LENGTH 20

struct eio_server;
struct eio_session;
struct eio_handshake; /* eio_handshake.h: the first request, kept in compact form */
struct eio_pending;   /* a handshake that waits for the application's decision */

/* Why a session ended, in the words of Socket.IO's disconnect reasons. */
enum eio_close_reason {
	EIO_PING_TIMEOUT,    /* "ping timeout" */
	EIO_PARSE_ERROR,     /* "parse error" */
	EIO_TRANSPORT_ERROR, /* "transport error" */
	EIO_TRANSPORT_CLOSE, /* "transport close" */
	EIO_FORCED_CLOSE,    /* "forced close": eio_close() */
	EIO_CLOSE_REASONS
};
const char *eio_close_reason_text(enum eio_close_reason reason);

/* Error codes of refused requests. Their texts are in eio_error.h. */
enum eio_error_code {
	EIO_UNKNOWN_TRANSPORT = 0,
	EIO_UNKNOWN_SID = 1,
	EIO_BAD_HANDSHAKE_METHOD = 2,
	EIO_BAD_REQUEST = 3,
	EIO_FORBIDDEN = 4,
	EIO_UNSUPPORTED_PROTOCOL = 5,
};

struct eio_ops {
	/*
	 * allowRequest: called for each request without a sid. Decide now or later with eio_allow(), eio_refuse() or
	 * eio_answer(). NULL: every request is allowed.
	 */
	void (*on_allow)(void *arg, struct eio_pending *pending, const struct http_request *r);

	/*
	 * engine.use(): called for each polling and upgrade request before any other check. A negative result refuses
	 * the request with code 3 and the context MIDDLEWARE_FAILURE. http_add_header() adds fields to the reply. May
	 * be NULL.
	 */
	int (*on_request)(void *arg, struct http_request *r);

	/*
	 * The events "headers" and "initial_headers": add fields to the coming reply with http_add_header(). Called
	 * when the request arrives, before the engine changes any state, so the callback may do anything. The fields
	 * are part of the reply even if it becomes an error. `session` is NULL for a handshake and for an error
	 * reply. May be NULL.
	 */
	void (*on_headers)(void *arg, struct http_request *r, struct eio_session *session, bool initial);

	/*
	 * generateId: called for each handshake that was allowed. Returns the part of the sid after node and worker,
	 * which is copied at once, or TEXT_NONE: the server makes the sid itself. A text that eio_sid_make_of() or an
	 * open session rules out refuses the handshake with the context ID_GENERATION_ERROR. May be NULL.
	 */
	struct text (*on_id)(void *arg, const struct http_request *r);

	/*
	 * "connection_error": a request was refused. `context` is a word for the failed check ("TRANSPORT_MISMATCH").
	 * May be NULL.
	 */
	void (*on_refused)(void *arg, const struct http_request *r, enum eio_error_code code, const char *message,
		const char *context);

	/* A session is open and its open packet queued. The result becomes its owner. */
	void *(*on_open)(void *arg, struct eio_session *s);

	/* A message. `data` is writable, and valid during the call only. Text is valid UTF-8. */
	void (*on_message)(struct eio_session *s, void *owner, bool binary, uint8_t *data, size_t n);

	/* The transport has sent everything and can take more. May be NULL. */
	void (*on_drain)(struct eio_session *s, void *owner);

	/* The transport changed to WebSocket. May be NULL. */
	void (*on_upgrade)(struct eio_session *s, void *owner);

	/* The last call, exactly once per session. `description` is a word for logs. */
	void (*on_close)(struct eio_session *s, void *owner, enum eio_close_reason reason, const char *description);
};

/*
 * Creates a server. `options` and `ops` are borrowed and must outlive it. `arg` is passed to each callback of `ops`
 * that has a parameter `arg`. Never returns NULL.
 */
struct eio_server *eio_server_new(
	struct loop *l, const struct eio_options *options, const struct eio_ops *ops, void *arg);

/* Frees the server. All sessions must be gone. */
void eio_server_free(struct eio_server *server);

/*
 * Sets the node (12 bits, 2 characters) and worker (12 bits, 2 characters) that new sids name. The default is 0, 0.
 */
void eio_server_set_place(struct eio_server *server, unsigned node, unsigned worker);

/* Returns the server's CORS settings, valid as long as the server, for other replies at its paths. */
const struct http_cors *eio_cors(const struct eio_server *server);

/* Returns true if the path is this server's (options path and addTrailingSlash). */
bool eio_matches(const struct eio_server *server, struct text path);

/* Handles a request whose path matches: CORS, verification, transports, upgrade. */
void eio_handle(struct eio_server *server, struct http_request *r);

/*
 * Answers with 404 an upgrade request whose path is not served. With the option destroyUpgrade, the connection
 * is closed after the reply.
 */
void eio_handle_unclaimed_upgrade(struct eio_server *server, struct http_request *r);

/*
 * Each handshake passed to on_allow is decided exactly once, by eio_allow(), eio_allow_as(), eio_refuse() or
 * eio_answer(). eio_allow() continues the handshake.
 */
void eio_allow(struct eio_pending *pending);
/* Refuses the handshake with status 403 (WebSocket: 400) and code 4. A NULL message means "Forbidden". */
void eio_refuse(struct eio_pending *pending, const char *message);
/* As eio_allow(). While on_open() is called for the session, eio_ticket() returns this number. */
void eio_allow_as(struct eio_pending *pending, uint32_t ticket);
uint32_t eio_ticket(const struct eio_server *server); /* 0: no ticket */
/*
 * Answers the handshake with the application's own reply, and opens no session. content_type (may be NULL) and `body`
 * are copied; if memory for them runs out, the reply is 503 without a body. The reply is not reported to on_refused.
 */
void eio_answer(struct eio_pending *pending, int status, const char *content_type, struct text body);
/* Returns the request, to add fields to its reply. Returns NULL if the peer has left; the decision is still owed. */
struct http_request *eio_pending_request(const struct eio_pending *pending);

unsigned eio_count(const struct eio_server *server); /* number of open sessions */
/* Returns the session with that sid, or NULL. */
struct eio_session *eio_find(const struct eio_server *server, struct text sid);

/* Iterates over all sessions. Sessions may be closed during the iteration. */
struct eio_session *eio_next(const struct eio_server *server, struct table_cursor *cursor);

/* Returns true if POSTs may be under way from clients whose sessions have just been closed (eio_departed.h). */
bool eio_awaits_posts(const struct eio_server *server);

/* Refuses new sessions from now on, with 503 and Retry-After. Open sessions continue. */
void eio_server_drain(struct eio_server *server);

/* As io.close(): closes all sessions, discards their buffers, and refuses new sessions from now on. */
void eio_server_close(struct eio_server *server);

struct text eio_sid(const struct eio_session *s); /* valid as long as the session */
void *eio_owner(const struct eio_session *s);	  /* the result of on_open */
const struct eio_handshake *eio_session_handshake(const struct eio_session *s);
/*
 * Returns when the session began, by loop_clock_us(). The open packet leaves later than that. So of two sessions of
 * one client, the one that it opened first began first, whichever processes of the machine have them.
 */
uint64_t eio_session_began(const struct eio_session *s);
const char *eio_transport(const struct eio_session *s); /* "polling" or "websocket" */
/* Returns the protocol revision: 4, or 3 for a client that the option allowEIO3 admitted. */
unsigned eio_session_revision(const struct eio_session *s);

/*
 * Queues messages in this order, without any packet between them. Takes a reference to each. Ignored unless
 * eio_is_open().
 */
void eio_send(struct eio_session *s, struct eio_message *const *messages, unsigned n);

/*
 * Changes the number of bytes that the owner keeps for this session's client; `bytes` may be negative. The bytes
 * count towards the loop's budget until the session closes. If the budget is exceeded, the sessions that hold most
 * are closed at the end of the turn with "transport error" and the description "memory".
 */
void eio_hold(struct eio_session *s, int64_t bytes);

/* Prefetches the memory of a session that will be sent to soon. */
void eio_look_ahead(const struct eio_session *s);

/*
 * Returns true if a volatile packet would leave now: the session is open, its transport writable, and nothing is
 * queued in this turn.
 */
bool eio_writable(const struct eio_session *s);

/*
 * Marks the end of the packets sent so far. A session has one mark. eio_mark_passed() returns true if all packets
 * before the mark had left before the newest input arrived, so that the client may have read them by then. One input
 * is one POST, or all bytes that a WebSocket had received at one moment, even if they are handled in several turns.
 */
void eio_mark(struct eio_session *s);
bool eio_mark_passed(const struct eio_session *s);

/* Returns true if the session is neither closing nor closed. */
bool eio_is_open(const struct eio_session *s);

/*
 * Back-pressure: after eio_pause() the client is not read until eio_resume(). One more message may be passed up.
 * Pings continue, and an unread pong is not counted as missing. Ignored on a closing session.
 */
void eio_pause(struct eio_session *s);
void eio_resume(struct eio_session *s);

/*
 * Holds back everything that is sent to the client, pings included, until eio_uncork(). It is sent earlier if it
 * exceeds a quarter of maxBuffered, or when the session closes. Both are ignored on a closing session.
 */
void eio_cork(struct eio_session *s);
void eio_uncork(struct eio_session *s);

/*
 * Closes the session at once with "transport error", for an application that does not want to serve the client any
 * longer. `description` is a static text for logs.
 */
void eio_drop(struct eio_session *s, const char *description);

/*
 * Closes the session after everything queued was sent or, with `discard`, at once. on_close comes at the end of the
 * turn or later.
 */
void eio_close(struct eio_session *s, bool discard);

#endif
