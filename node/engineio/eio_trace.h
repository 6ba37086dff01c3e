/*
 * What this layer logs of each session at level debug. Callers ask log_debug() first, so that it costs nothing when
 * it is off. No contents are logged, and of a sid its beginning.
 *
 * eio_session.c and this file go in a circle: the session says that it opened, moved or ended, and what is logged of
 * it is read from the session.
 */
#ifndef NODE_ENGINEIO_EIO_TRACE_H
#define NODE_ENGINEIO_EIO_TRACE_H

#include "common/io/log_filter.h"
#include "node/engineio/eio_session.h"

void eio_trace_opened(const struct eio_session *s);
/* A request that was answered with an error: `cause` as in on_refused(), `message` as the client gets it. */
void eio_trace_refused(const struct http_request *r, const char *cause, const char *message);
void eio_trace_probe(const struct eio_session *s);		     /* a WebSocket wants to become its transport */
void eio_trace_upgraded(const struct eio_session *s);		     /* and has become it */
void eio_trace_unused(const struct eio_session *s, unsigned reason); /* or not; enum reason */
void eio_trace_ended(const struct eio_session *s);

#endif
