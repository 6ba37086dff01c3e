/*
 * Codec for the sessions of connection state recovery in Redis streams mode, in the form that
 * @socket.io/redis-streams-adapter 0.3 stores and reads (socketio/socket.io-redis-streams-adapter, lib/adapter.ts):
 * Base64 of the MessagePack map {sid, pid, rooms, data}, where `rooms` includes the socket's own room. Sockeye adds
 * the member `sockeye`, which Node.js ignores:
 *
 *   nsp, owner     the namespace, and the uid of the worker that has the socket; empty uid: the client is away
 *   given          what the client has got with histories (sio_history_given.h), as a bin value; absent: nothing
 *   start          position of the first CONNECT; positions are numbers (broker/stream_number.h)
 *   last           number of the last event that was for the socket
 *   heard          position at the loss: everything up to it was delivered
 *   moved          lower bound of valid offsets: `last` when the socket last joined or left a room, or the number
 *                  of an event that was delivered without an offset. UINT64_MAX: no offset is valid, because the
 *                  socket waits for the history of a room
 *   since          position when the socket last joined or left a room
 *   lost           wall-clock milliseconds of the loss; 0: the client is not away
 *
 * With --redis-secret, the last member, `seal`, holds the tag of seal.h, which covers all bytes before it.
 *
 * The codec is pure. Bytes that it reads are untrusted.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_SESSION_H
#define NODE_SOCKETIO_SIO_STREAM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

/* Maximum bytes of the map. In Base64, it stays below RESP_TREE_BULK_MAX. */
#define SIO_STREAM_SESSION_MAX (700 * 1024)
#define SIO_STREAM_ROOMS_MAX 65536
#define SIO_STREAM_PID_MAX 32 /* characters of a pid; Node.js makes 20 */

struct sio_stream_session {
	struct text sid, pid;
	struct text rooms; /* by sio_recovery_room_write(), without the own room */
	uint32_t room_count;
	bool own;	  /* in its own room */
	struct text data; /* MessagePack; empty: none */

	/* the member `sockeye` */
	bool ours; /* the member is present */
	struct text nsp, owner;
	uint64_t start, last, heard, moved, since, lost;
	struct text given; /* it is checked when the socket gets it */
};

/* Appends the map. `tag` is the size of the seal that the caller appends next; 0: none. The buffer keeps errors. */
void sio_stream_session_write(struct buffer *out, const struct sio_stream_session *session, size_t tag);
/*
 * Reads a map. `seal` is the size of the seal that the caller has checked and cut off; 0: none. The texts of `out`
 * point into the map, and its `rooms` into the buffer `rooms`, which must be empty. Returns 0, ERROR_SYNTAX,
 * ERROR_TOO_MANY or the error of the buffer.
 */
int sio_stream_session_read(struct text map, size_t seal, struct buffer *rooms, struct sio_stream_session *out);

#endif
