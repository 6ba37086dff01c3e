/*
 * Debug log lines of this layer, for each packet: its namespace, event and size, but never its contents. Callers ask
 * log_debug() first, so that lines cost nothing while they are off. `session` is the client's; if it is NULL (the
 * client has gone), nothing is logged.
 */
#ifndef NODE_SOCKETIO_SIO_TRACE_H
#define NODE_SOCKETIO_SIO_TRACE_H

#include "node/engineio/eio.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_packet.h"

/* Log a packet received, and a packet sent. `encoded`: what is sent to this client. */
void sio_trace_in(const struct eio_session *session, const struct sio_packet *packet);
void sio_trace_out(
	const struct eio_session *session, const struct sio_packet_out *packet, const struct sio_encoding *encoded);

/* Logs bytes from a client that cannot be decoded: why, and at which position. */
void sio_trace_undecodable(
	const struct eio_session *session, const char *why, bool binary, const uint8_t *data, size_t n);
/* Logs a packet that is not allowed in the client's state, and for which the client is closed. */
void sio_trace_violation(const struct eio_session *session, const struct sio_packet *packet);
/* Logs a refused CONNECT, with the message sent to the client. */
void sio_trace_refused(const struct eio_session *session, struct text nsp, const char *message);
/* Logs that a socket has left its namespace. */
void sio_trace_left(const struct eio_session *session, struct text nsp, struct text id, unsigned reason);

#endif
