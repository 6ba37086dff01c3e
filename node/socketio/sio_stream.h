/*
 * Connection state recovery in Redis streams mode, shared with Node.js servers that use the Redis Streams adapter.
 * Redis keeps the sessions (sio_stream_session.h), and the stream of a namespace is its log: the offset of an event
 * is the id of its entry.
 *
 *   sio_stream_store.c    stores the sessions: at CONNECT, when rooms or data change, at the loss
 *   sio_stream_write.c    sends them to Redis, and removes those that Redis does not take
 *   sio_stream_hold.c     holds the events of this worker until they come back from the stream
 *   sio_stream_claim.c    finds the session of a client that comes back, and takes it from the worker that has it;
 *                         sio_stream_claim_record.c reads it
 *   sio_stream_ghost.c    ends the socket of a client that comes back before its loss was noticed, here or at another
 *                         worker; sio_stream_letter.c has the messages between workers
 *   sio_stream_replay.c   sends the missed events
 *   sio_stream_expiry.c   removes the sessions whose clients have not come back, if somebody wants to know of it
 *
 * Every worker delivers all events of a namespace, including its own, in the order of the stream. So one number, its
 * position, tells how far a client has got. While the stream is away, events are delivered at once and without an
 * offset. Clients that received such an event cannot be recovered until they have received a later one with an
 * offset.
 *
 *   a session in Redis    written                                     ends by
 *   live                  at CONNECT and at each change, for the      the loss; a claim, after its worker has let it
 *                         window and two intervals; renewed           go; its time to live, if the worker has died
 *   stored                at the loss, for the window                 a claim; its time to live
 *
 * A claim removes the session from Redis. Only the worker whose DEL has removed it continues the session.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_H
#define NODE_SOCKETIO_SIO_STREAM_H

#include "node/socketio/sio_stream_state.h"

/* Makes recovery->stream. Called when the server joins a bus with streams, if recovery is on. */
void sio_stream_new(struct sio_recovery *recovery, struct broker *broker);
/* Delivers the held events, and fails the waiting claims and replays. Accepts NULL. */
void sio_stream_free(struct sio_stream *stream);

#endif
