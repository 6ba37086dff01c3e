/*
 * What this layer logs of each packet at level debug: its namespace, its event and its size, never its contents.
 * Callers ask log_debug() first, so that it costs nothing when it is off. `session` is the client's, NULL once it is
 * gone: nothing is logged.
 */
#ifndef NODE_SOCKETIO_SIO_TRACE_H
#define NODE_SOCKETIO_SIO_TRACE_H

#include "node/engineio/eio.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_packet.h"

void sio_trace_in(const struct eio_session *session, const struct sio_packet *packet);
void sio_trace_out(
	const struct eio_session *session, const struct sio_packet_out *packet, const struct sio_encoding *encoded);

/* Bytes of a client that are not a packet, for the reason `why`; how far they are one. */
void sio_trace_undecodable(
	const struct eio_session *session, const char *why, bool binary, const uint8_t *data, size_t n);
/* A packet that is not allowed where the client stands: the client is closed for it. */
void sio_trace_violation(const struct eio_session *session, const struct sio_packet *packet);
/* A CONNECT that was refused, with what the client is told. */
void sio_trace_refused(const struct eio_session *session, struct text nsp, const char *message);
/* A socket that has left its namespace. */
void sio_trace_left(const struct eio_session *session, struct text nsp, struct text id, unsigned reason);

#endif
