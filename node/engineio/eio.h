/*
 * The Engine.IO server, protocol revision 4: sessions over HTTP long-polling and
 * WebSocket. Knows nothing of Socket.IO.
 * Source: Engine.IO protocol v4 (socket.io repository, docs/engine.io-protocol/v4-current.md).
 *
 * Requests come in by eio_handle(). Sessions go up by struct eio_ops, messages down by
 * eio_send(). No downward call calls up: a session closed by eio_close() gets its on_close at the end
 * of the turn. Across turns keep the sid and use eio_find().
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
struct eio_pending;   /* a request that waits for the application's yes or no */

/* Why a session ended, in Node.js's words (disconnect reasons). */
enum eio_close_reason {
	EIO_PING_TIMEOUT,    /* "ping timeout" */
	EIO_PARSE_ERROR,     /* "parse error" */
	EIO_TRANSPORT_ERROR, /* "transport error" */
	EIO_TRANSPORT_CLOSE, /* "transport close" */
	EIO_FORCED_CLOSE,    /* "forced close": eio_close() */
	EIO_CLOSE_REASONS
};
const char *eio_close_reason_text(enum eio_close_reason reason);

/* Error codes of refused requests; the table is in eio_error.h. */
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
	 * allowRequest: called for requests without a sid only. Answer now or later by eio_allow() / eio_refuse().
	 * NULL: everybody is allowed.
	 */
	void (*on_allow)(void *arg, struct eio_pending *pending, const struct http_request *r);

	/* Every polling and upgrade request, before anything else is checked (engine.use). NULL: none. A negative
	 * result is code 3 with context MIDDLEWARE_FAILURE; fields may be added with http_add_header(). */
	int (*on_request)(void *arg, struct http_request *r);

	/*
	 * `headers` and `initial_headers` of the original: add fields to the coming reply. Called when the request
	 * arrives, before anything of the engine changes, so it may do anything; the fields leave with whatever the
	 * request is answered. `session` NULL: a handshake, or a reply with an error. NULL: none.
	 */
	void (*on_headers)(void *arg, struct http_request *r, struct eio_session *session, bool initial);

	/* A request was refused (connection_error): code, and the context as a word ("TRANSPORT_MISMATCH"). NULL:
	 * none. */
	void (*on_refused)(void *arg, const struct http_request *r, enum eio_error_code code, const char *message,
		const char *context);

	/* A session is open, its open packet queued. The result becomes its owner. */
	void *(*on_open)(void *arg, struct eio_session *s);

	/* A message; data is writable and good during the call only. Text is valid UTF-8. */
	void (*on_message)(struct eio_session *s, void *owner, bool binary, uint8_t *data, size_t n);

	/* The write buffer was handed to the transport completely and it can take more. NULL: not wanted. */
	void (*on_drain)(struct eio_session *s, void *owner);

	/* The transport changed to WebSocket. NULL: not wanted. */
	void (*on_upgrade)(struct eio_session *s, void *owner);

	/* The last call: exactly once per session. `description` is a word for logs. */
	void (*on_close)(struct eio_session *s, void *owner, enum eio_close_reason reason, const char *description);
};

/* `options` and `ops` are borrowed and must outlive the server; `arg` goes to some of `ops`. Never NULL. */
struct eio_server *eio_server_new(
	struct loop *l, const struct eio_options *options, const struct eio_ops *ops, void *arg);

/* All sessions must be gone. */
void eio_server_free(struct eio_server *e);

/* Which 12-bit node (2 characters) and worker (2 characters) new sids name; default 0, 0. */
void eio_server_set_place(struct eio_server *e, unsigned node, unsigned worker);

/* How the server answers other origins, good as long as it; for replies of others at its paths. */
const struct http_cors *eio_cors(const struct eio_server *e);

/* True if the path is this server's (options: path, addTrailingSlash). */
bool eio_matches(const struct eio_server *e, struct text path);

/* Handles a request whose path matches: CORS, verification, transports, upgrade. */
void eio_handle(struct eio_server *e, struct http_request *r);

/* An upgrade request on nobody's path: closed after destroyUpgradeTimeout as options say. */
void eio_handle_unclaimed_upgrade(struct eio_server *e, struct http_request *r);

/* The answers to on_allow, exactly one of them: the request goes on with the handshake, or is refused with */
void eio_allow(struct eio_pending *pending);
/* HTTP 403 (WebSocket: 400), code 4; message NULL: "Forbidden". */
void eio_refuse(struct eio_pending *pending, const char *message);
/* As eio_allow(); while on_open() is called for its session, eio_ticket() is this number. */
void eio_allow_as(struct eio_pending *pending, uint32_t ticket);
uint32_t eio_ticket(const struct eio_server *e); /* 0: none */
/*
 * Refused by an answer of the application's own: status, Content-Type and body, copied; 503 without a body where
 * there is no memory for them. Not an error of the engine.
 */
void eio_answer(struct eio_pending *pending, int status, const char *content_type, struct text body);
/* The request: fields may be added to its coming reply. NULL: the peer has gone, the answer is owed all the same. */
struct http_request *eio_pending_request(const struct eio_pending *pending);

unsigned eio_count(const struct eio_server *e); /* open sessions */
/* The session with that sid, or NULL. */
struct eio_session *eio_find(const struct eio_server *e, struct text sid);

/* Walks all sessions; a session may be closed during the walk. */
struct eio_session *eio_next(const struct eio_server *e, struct table_cursor *cursor);

/* Refuses new sessions from now on (503 with Retry-After); those that are open go on. */
void eio_server_drain(struct eio_server *e);

/* Closes all sessions, buffers discarded, as io.close() does; refuses new ones from now on. */
void eio_server_close(struct eio_server *e);

/* Good as long as the session. */
struct text eio_sid(const struct eio_session *s);
void *eio_owner(const struct eio_session *s); /* what on_open returned */
const struct eio_handshake *eio_session_handshake(const struct eio_session *s);
const char *eio_transport(const struct eio_session *s); /* "polling" or "websocket" */

/* Queues messages in this order with nothing in between; references are taken. Ignored unless eio_is_open(). */
void eio_send(struct eio_session *s, struct eio_message *const *messages, unsigned n);

/*
 * The owner keeps so many bytes more for this session's client, or fewer when `bytes` is negative: they count in the
 * loop's budget until the session has closed. Beyond the budget the sessions that hold most end at the end of the
 * turn: transport error, described as "memory".
 */
void eio_hold(struct eio_session *s, int64_t bytes);

/* It is going to be sent to soon: its memory is fetched meanwhile. */
void eio_look_ahead(const struct eio_session *s);

/* True if a volatile packet would leave now: open, transport writable, nothing queued this turn. */
bool eio_writable(const struct eio_session *s);

/*
 * Marks the end of what was sent so far; there is one mark. eio_mark_passed(): all of it had left before the newest
 * input arrived, so the client may have read it by then. An input is what a WebSocket had brought at one moment,
 * however many turns its packets take, or a push.
 */
void eio_mark(struct eio_session *s);
bool eio_mark_passed(const struct eio_session *s);
bool eio_is_open(const struct eio_session *s);

/*
 * Whoever hears its messages can take no more: the client is not read until eio_resume(), so that it is pushed back.
 * One message more may come. Pings go on, and pongs that were not read are not missed. On one that closes: nothing.
 */
void eio_pause(struct eio_session *s);
void eio_resume(struct eio_session *s);

/* Ends at once, transport error: the application gives the client up. `description`: a static text for logs. */
void eio_drop(struct eio_session *s, const char *description);

/* Graceful: what is queued is sent first. `discard`: at once. The on_close comes at the end of the turn or later. */
void eio_close(struct eio_session *s, bool discard);

#endif
