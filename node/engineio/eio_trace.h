/*
 * The log of sessions, most of it for debugging. Callers check log_debug() first, so that logging costs nothing when
 * it is off. Message contents are not logged. Of a sid, only the beginning is logged.
 *
 * eio_session.c and this file depend on each other: the session reports that it opened, moved or ended, and the log
 * reads its fields.
 */
#ifndef NODE_ENGINEIO_EIO_TRACE_H
#define NODE_ENGINEIO_EIO_TRACE_H

#include "common/io/log_filter.h"
#include "node/engineio/eio_session.h"

/*
 * Returns the trace id of the handshake's field `traceparent`, 32 hexadecimal digits, or TEXT_NONE if the field is
 * absent or invalid (W3C Trace Context, section 3.2). Lines about the session have it as the key `trace`.
 */
struct text eio_trace_id(const struct eio_handshake *handshake);

/* The option logConnections, not only for debugging: logs a session that opens, if it is its turn, and its end. */
void eio_trace_sample(struct eio_session *s);
/* Logs the end of a session whose opening was logged. */
void eio_trace_client_left(const struct eio_session *s);

void eio_trace_opened(const struct eio_session *s); /* a session has opened */
/* A request was refused. `cause` is the context of on_refused(); `message` is the client's error message. */
void eio_trace_refused(const struct http_request *r, const char *cause, const char *message);
void eio_trace_probe(const struct eio_session *s);		     /* a WebSocket begins an upgrade */
void eio_trace_upgraded(const struct eio_session *s);		     /* the upgrade is complete */
void eio_trace_unused(const struct eio_session *s, unsigned reason); /* the upgrade failed; a REASON_ of names.h */
void eio_trace_ended(const struct eio_session *s);		     /* a session has ended */

#endif
