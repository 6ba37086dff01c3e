/*
 * Codec for the messages of nodes in sharded mode: those of createShardedAdapter of @socket.io/redis-adapter 8, whose
 * frames are those of the ClusterAdapter of socket.io-adapter 2.5. Source: those packages
 * (socketio/socket.io-redis-adapter, lib/sharded-adapter.ts; socketio/socket.io, socket.io-adapter). Pure.
 *
 * A message is {type, data, uid, nsp}, as JSON, or as MessagePack if its data contains binary values:
 *
 *   type  from the asking node                    type  answer
 *   3     broadcast {packet,opts}
 *   3     with acknowledgements {packet,          11    {requestId,clientCount}, then for each client
 *         requestId,opts}                         12    {requestId,packet}
 *   4, 5  join, leave {opts,rooms}
 *   6     disconnect {opts,close}
 *   7     fetch {opts,requestId}                  8     {requestId,sockets}
 *   9     server emit {packet}
 *   9     with answers {requestId,packet}         10    {requestId,packet}
 *
 * Channels (P the prefix, N the namespace): P#N# receives the left column, P#N#uid# the answers to that node, and
 * P#N#room# the broadcasts for one room.
 */
#ifndef BROKER_WIRE_SHARDED_H
#define BROKER_WIRE_SHARDED_H

#include "broker/wire_codec.h"

/*
 * Uids and request ids are 16 hexadecimal digits. read_broadcast() reads the left column, read_response() the right
 * one; there is no read_request(). Both return the errors of wire.h.
 */
extern const struct wire_codec wire_sharded;

#define WIRE_SHARDED_BROADCAST 3 /* type */

/* wire_sharded_read.c */
bool wire_sharded_is_from(struct text payload, const struct wire_from *from);
int wire_sharded_read(struct wire_message *message, struct text payload);
/*
 * The same, but the event of a broadcast in MessagePack is set as message->event, as by wire_read_broadcast_late(). A
 * broadcast in JSON has its event in message->data, as it came.
 */
int wire_sharded_read_late(struct wire_message *message, struct text payload);
int wire_sharded_read_response(struct wire_message *message, struct text payload);

/*
 * Returns true if other nodes take the room for the id of a socket in this namespace: it has 20 UTF-16 code units,
 * like the ids of Socket.IO. The id of a client of Socket.IO 2 in a custom namespace has the namespace's name and "#"
 * before these; nodes in JavaScript do not recognise that form (`v2`).
 */
bool wire_sharded_looks_like_id(struct text room);
bool wire_sharded_looks_like_v2_id(struct text room, struct text nsp);

#endif
