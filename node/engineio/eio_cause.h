/*
 * Why sessions end. Each row is more specific than the reason that client and application receive. Counters and log
 * lines are made from this table.
 */
#ifndef NODE_ENGINEIO_EIO_CAUSE_H
#define NODE_ENGINEIO_EIO_CAUSE_H

#include "node/engineio/eio.h"

/*        cause                      reason                meaning */
#define EIO_CAUSE_TABLE(X)                                                                                           \
	X(EIO_CAUSE_NO_PONG, EIO_PING_TIMEOUT, "no pong")                                                            \
	X(EIO_CAUSE_NO_PING, EIO_PING_TIMEOUT, "no ping")                                                            \
	X(EIO_CAUSE_MALFORMED, EIO_PARSE_ERROR, "malformed packet")                                                  \
	X(EIO_CAUSE_PING, EIO_TRANSPORT_ERROR, "invalid heartbeat direction")                                        \
	X(EIO_CAUSE_POLL_OVERLAP, EIO_TRANSPORT_ERROR, "overlap from client")                                        \
	X(EIO_CAUSE_PUSH_OVERLAP, EIO_TRANSPORT_ERROR, "data request overlap from client")                           \
	X(EIO_CAUSE_CONTENT, EIO_TRANSPORT_ERROR, "invalid content")                                                 \
	X(EIO_CAUSE_TOO_LARGE, EIO_TRANSPORT_ERROR, "payload too large")                                             \
	X(EIO_CAUSE_POLL_ABORTED, EIO_TRANSPORT_ERROR, "poll connection closed prematurely")                         \
	X(EIO_CAUSE_PUSH_ABORTED, EIO_TRANSPORT_ERROR, "data request connection closed prematurely")                 \
	X(EIO_CAUSE_SLOW_READER, EIO_TRANSPORT_ERROR, "slow-reader")                                                 \
	X(EIO_CAUSE_MEMORY, EIO_TRANSPORT_ERROR, "memory")                                                           \
	X(EIO_CAUSE_NO_MEMORY, EIO_TRANSPORT_ERROR, "no-memory")                                                     \
	X(EIO_CAUSE_DROPPED, EIO_TRANSPORT_ERROR, "given up by the application")                                     \
	X(EIO_CAUSE_CONNECTION_ERROR, EIO_TRANSPORT_ERROR, "connection error")                                       \
	X(EIO_CAUSE_CONNECTION_CLOSED, EIO_TRANSPORT_CLOSE, "connection closed")                                     \
	X(EIO_CAUSE_CLOSE_PACKET, EIO_TRANSPORT_CLOSE, "close packet")                                               \
	X(EIO_CAUSE_SERVER, EIO_FORCED_CLOSE, "closed by the server")                                                \
	X(EIO_CAUSE_DISCARDED, EIO_FORCED_CLOSE, "closed by the server, queue discarded")                            \
	X(EIO_CAUSE_NOT_FETCHED, EIO_FORCED_CLOSE, "the client did not fetch the close packet")

enum eio_cause {
#define X(cause, reason, meaning) cause,
	EIO_CAUSE_TABLE(X)
#undef X
		EIO_CAUSE_COUNT
};

/* Return the reason and the meaning of a cause. */
enum eio_close_reason eio_cause_reason(enum eio_cause cause);
const char *eio_cause_text(enum eio_cause cause);

#endif
