/*
 * The messages between the workers of a machine and the keeper in its hub (sio_keeper.h). Both ends are on the same
 * machine, so numbers are written as they are in memory. A text is preceded by its length in 4 bytes. A reader that
 * would pass the end of a message sets `bad`, and returns zeros and empty texts from then on.
 *
 *   worker to keeper                                 keeper to worker
 *   HELLO    former origin, its counts: events,      WELCOME   key of the epochs, number
 *            messages
 *   SESSION  a live session: see below               UNKNOWN   the keeper does not know the origin: send HELLO
 *   STORE    pid, quiet (last, heard, local)         TAKE      pid: the client is back again
 *   QUIET    as STORE, but the session stays live    CLAIMED   nonce, result, pid, the session
 *   END      pid                                     REPLAYED  nonce, result, pid, number, events
 *   CLAIM    nonce, max bytes, pid, offset, nsp,     ENDED     why, sid, nsp, data
 *            when the connection began
 *   REPLAY   nonce, max bytes, pid
 *   RELEASE  pid: the claimed session is not
 *            continued; its client has got no
 *            event of REPLAYED                       OTHER_VERSION
 *
 * Every message begins with the version, the type and the origin of the worker. In a message from a worker, the name
 * of its channel, the count of its recorded events and the count of its messages under this origin follow. A gap in
 * the second count shows that a message was dropped on the way: the keeper then answers UNKNOWN.
 *
 * The fields of SESSION are pid, sid, nsp; whether the client must send an offset; whether the socket is in its own
 * room; when the connection of a recovered client began, else 0; the position at which the session began (heard,
 * local); whether the rooms have changed, and where they last changed (last, heard, local); the number of other
 * rooms, these rooms, and data. If joins with history have sent events to the socket, their marks follow
 * (sio_history_given.h).
 *
 * During an upgrade of a running server, workers of the former program meet the hub of the new one. The keeper
 * answers a message of another version with OTHER_VERSION, and reads only its head, up to the name of the channel.
 * This head and the types HELLO and OTHER_VERSION are the same in all versions.
 */
#ifndef NODE_SOCKETIO_SIO_KEEP_WIRE_H
#define NODE_SOCKETIO_SIO_KEEP_WIRE_H

#include <string.h>

#include "common/base/base64.h"
#include "common/base/buffer.h"
#include "common/base/table.h"
#include "common/base/text.h"
#include "node/socketio/sio_recovery_log.h"

#define SIO_KEEP_VERSION 34 /* raise it with every change of the messages; greater than all message types */

enum sio_keep_message {
	SIO_KEEP_OTHER_VERSION,
	SIO_KEEP_HELLO,
	SIO_KEEP_SESSION,
	SIO_KEEP_STORE,
	SIO_KEEP_QUIET,
	SIO_KEEP_END,
	SIO_KEEP_CLAIM,
	SIO_KEEP_REPLAY,
	SIO_KEEP_RELEASE,
	SIO_KEEP_WELCOME,
	SIO_KEEP_UNKNOWN,
	SIO_KEEP_TAKE,
	SIO_KEEP_CLAIMED,
	SIO_KEEP_REPLAYED,
	SIO_KEEP_ENDED
};

/* These two replace the origin of an event that its worker has not recorded. */
#define SIO_KEEP_LOST UINT64_MAX /* the worker failed to record it: clients that miss it cannot be recovered */
#define SIO_KEEP_NOT_RECORDED (UINT64_MAX - 1) /* the event is never recovered */

#define SIO_KEEP_KEY 16 /* bytes of the key of the epochs */

static inline void
keep_put_u64(struct buffer *out, uint64_t value)
{
	buffer_add(out, &value, sizeof value);
}

static inline void
keep_put_text(struct buffer *out, struct text value)
{
	uint32_t n = (uint32_t)value.n;

	buffer_add(out, &n, sizeof n);
	buffer_add_text(out, value);
}

struct keep_reader {
	struct text rest;
	bool bad;
};

static inline struct text
keep_get_bytes(struct keep_reader *in, size_t n)
{
	struct text value = text_of(in->rest.at, n);

	if (in->bad || in->rest.n < n) {
		in->bad = true;
		return TEXT("");
	}
	in->rest = text_of(in->rest.at + n, in->rest.n - n);
	return value;
}

static inline uint64_t
keep_get_u64(struct keep_reader *in)
{
	struct text bytes = keep_get_bytes(in, sizeof(uint64_t));
	uint64_t value = 0;

	if (bytes.n == sizeof value)
		memcpy(&value, bytes.at, sizeof value);
	return value;
}

static inline uint8_t
keep_get_u8(struct keep_reader *in)
{
	struct text bytes = keep_get_bytes(in, 1);

	return bytes.n == 1 ? (uint8_t)*bytes.at : 0;
}

static inline struct text
keep_get_text(struct keep_reader *in)
{
	struct text bytes = keep_get_bytes(in, sizeof(uint32_t));
	uint32_t n = 0;

	if (bytes.n == sizeof n)
		memcpy(&n, bytes.at, sizeof n);
	return keep_get_bytes(in, n);
}

/* The same for a text at the end of a message, which is empty if it is missing. */
static inline struct text
keep_get_last_text(struct keep_reader *in)
{
	return in->rest.n != 0 ? keep_get_text(in) : TEXT("");
}

/* Writes the epoch of a namespace's offsets, which is derived from the key and the name. */
static inline void
sio_keeper_epoch(const char key[SIO_KEEP_KEY], struct text nsp, char out[SIO_EPOCH_LENGTH])
{
	uint64_t hash = table_hash_keyed((const uint8_t *)key, nsp.at, nsp.n);

	for (unsigned i = 0; i < SIO_EPOCH_LENGTH; i++)
		out[i] = base64url_alphabet[hash >> (6 * i) & 63];
}

#endif
