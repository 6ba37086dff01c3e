/*
 * What this layer logs of each packet at level debug: its namespace, its event and its size, never its contents.
 * Callers ask log_debug() first, so that it costs nothing when it is off.
 */
#ifndef NODE_SOCKETIO_SIO_TRACE_H
#define NODE_SOCKETIO_SIO_TRACE_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_packet.h"

void sio_trace_in(const struct sio_client *c, const struct sio_packet *packet);
void sio_trace_out(
	const struct sio_client *c, const struct sio_packet_out *packet, const struct sio_encoding *encoded);

/* Bytes of the client that are not a packet, for the reason `why`; how far they are one. */
void sio_trace_undecodable(const struct sio_client *c, const char *why, bool binary, const uint8_t *data, size_t n);
/* A packet that is not allowed where the client stands: the client is closed for it. */
void sio_trace_violation(const struct sio_client *c, const struct sio_packet *packet);
/* A CONNECT that was refused, with what the client is told. */
void sio_trace_refused(const struct sio_client *c, struct text nsp, const char *message);
/* A socket that has left its namespace. */
void sio_trace_left(const struct sio_client *c, struct text nsp, struct text id, unsigned reason);

#endif
