/*
 * The debug log of sessions. Callers check log_debug() first, so that logging costs nothing when it is off. Message
 * contents are not logged. Of a sid, only the beginning is logged.
 *
 * eio_session.c and this file depend on each other: the session reports that it opened, moved or ended, and the log
 * reads its fields.
 */
#ifndef NODE_ENGINEIO_EIO_TRACE_H
#define NODE_ENGINEIO_EIO_TRACE_H

#include "common/io/log_filter.h"
#include "node/engineio/eio_session.h"

void eio_trace_opened(const struct eio_session *s);
/* A request was refused. `cause` is the context of on_refused(); `message` is the client's error message. */
void eio_trace_refused(const struct http_request *r, const char *cause, const char *message);
void eio_trace_probe(const struct eio_session *s);		     /* a WebSocket begins an upgrade */
void eio_trace_upgraded(const struct eio_session *s);		     /* the upgrade is complete */
void eio_trace_unused(const struct eio_session *s, unsigned reason); /* the upgrade failed; a REASON_ of names.h */
void eio_trace_ended(const struct eio_session *s);

#endif
