/* Finds parts of the sockets that a node has answered to a fetch: {id,handshake,rooms,data} each. Pure. */
#ifndef BROKER_WIRE_SOCKETS_H
#define BROKER_WIRE_SOCKETS_H

#include "common/base/buffer.h"
#include "common/base/text.h"

/*
 * Each appends a JSON array: the ids of the sockets, or the rooms that they are in, which may occur several times.
 * `sockets` is a checked JSON array; whatever else it contains is passed over.
 */
void wire_sockets_ids(struct text sockets, struct buffer *out);
void wire_sockets_rooms(struct text sockets, struct buffer *out);

#endif
