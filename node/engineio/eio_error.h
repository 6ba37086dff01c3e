/*
 * The table of refusals: code, HTTP status and message of each error, and the words that tell the application the
 * failed check (the `context` of "connection_error").
 */
#ifndef NODE_ENGINEIO_EIO_ERROR_H
#define NODE_ENGINEIO_EIO_ERROR_H

#include "common/base/buffer.h"
#include "node/engineio/eio_cause.h"

/*        code                       status  message */
#define EIO_ERROR_TABLE(X)                                                                                           \
	X(EIO_UNKNOWN_TRANSPORT, 400, "Transport unknown")                                                           \
	X(EIO_UNKNOWN_SID, 400, "Session ID unknown")                                                                \
	X(EIO_BAD_HANDSHAKE_METHOD, 400, "Bad handshake method")                                                     \
	X(EIO_BAD_REQUEST, 400, "Bad request")                                                                       \
	X(EIO_FORBIDDEN, 403, "Forbidden")                                                                           \
	X(EIO_UNSUPPORTED_PROTOCOL, 400, "Unsupported protocol version")

/*
 * One row per check. FOREIGN_ORIGIN, JSONP, SERVER_CLOSED, TOO_MANY_SESSIONS and NO_MEMORY do not exist in Engine.IO.
 * The last three are answered with status 503.
 */
/*        context                       code                      word */
#define EIO_CONTEXT_TABLE(X)                                                                                         \
	X(EIO_CONTEXT_MIDDLEWARE, EIO_BAD_REQUEST, "MIDDLEWARE_FAILURE")                                             \
	X(EIO_CONTEXT_TRANSPORT, EIO_UNKNOWN_TRANSPORT, "UNKNOWN_TRANSPORT")                                         \
	X(EIO_CONTEXT_ORIGIN, EIO_BAD_REQUEST, "INVALID_ORIGIN")                                                     \
	X(EIO_CONTEXT_SID, EIO_UNKNOWN_SID, "UNKNOWN_SID")                                                           \
	X(EIO_CONTEXT_TRANSPORT_MISMATCH, EIO_BAD_REQUEST, "TRANSPORT_MISMATCH")                                     \
	X(EIO_CONTEXT_PROTOCOL_MISMATCH, EIO_BAD_REQUEST, "PROTOCOL_MISMATCH")                                       \
	X(EIO_CONTEXT_METHOD, EIO_BAD_HANDSHAKE_METHOD, "BAD_HANDSHAKE_METHOD")                                      \
	X(EIO_CONTEXT_TRANSPORT_HANDSHAKE, EIO_BAD_REQUEST, "TRANSPORT_HANDSHAKE_ERROR")                             \
	X(EIO_CONTEXT_ID_GENERATION, EIO_BAD_REQUEST, "ID_GENERATION_ERROR")                                         \
	X(EIO_CONTEXT_FOREIGN_ORIGIN, EIO_FORBIDDEN, "FOREIGN_ORIGIN")                                               \
	X(EIO_CONTEXT_JSONP, EIO_BAD_REQUEST, "JSONP")                                                               \
	X(EIO_CONTEXT_FORBIDDEN, EIO_FORBIDDEN, "FORBIDDEN")                                                         \
	X(EIO_CONTEXT_PROTOCOL, EIO_UNSUPPORTED_PROTOCOL, "UNSUPPORTED_PROTOCOL_VERSION")                            \
	X(EIO_CONTEXT_SERVER_CLOSED, EIO_BAD_REQUEST, "SERVER_CLOSED")                                               \
	X(EIO_CONTEXT_TOO_MANY_SESSIONS, EIO_BAD_REQUEST, "TOO_MANY_SESSIONS")                                       \
	X(EIO_CONTEXT_NO_MEMORY, EIO_BAD_REQUEST, "NO_MEMORY")

enum eio_context {
#define X(name, code, word) name,
	EIO_CONTEXT_TABLE(X)
#undef X
		EIO_CONTEXT_COUNT
};

/* Return the message and the HTTP status of an error code. */
const char *eio_error_message(enum eio_error_code code);
int eio_error_status(enum eio_error_code code);

/* Return the error code and the word of a failed check. */
enum eio_error_code eio_context_code(enum eio_context context);
const char *eio_context_word(enum eio_context context);
/* Returns the status of a refusal. An upgrade request is refused with 400 instead, unless the status is 503. */
int eio_context_status(enum eio_context context);

/* The statistics of this layer. */
struct eio_stats {
	uint64_t refused[EIO_CONTEXT_COUNT]; /* refused requests */
	uint64_t ended[EIO_CAUSE_COUNT];     /* ended sessions */
	uint64_t sessions, websockets;	     /* all open sessions; the open sessions over WebSocket */
	uint64_t queued;		     /* bytes of packets that wait for a poll */
};
/* Fills `out` with the current values. */
void eio_stats(const struct eio_server *server, struct eio_stats *out);

/* Writes the JSON body {"code":1,"message":"..."}. A NULL message means the message in EIO_ERROR_TABLE. */
void eio_error_body(struct buffer *out, enum eio_error_code code, const char *message);

#endif
