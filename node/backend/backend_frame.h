/*
 * The codec of the backend protocol (backends/PROTOCOL.md). Pure: bytes in, struct out, no descriptor and no clock.
 */
#ifndef NODE_BACKEND_BACKEND_FRAME_H
#define NODE_BACKEND_BACKEND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json_msgpack.h"
#include "common/base/text.h"

#define BACKEND_HEAD 16 /* bytes before the body */

/* The senders of a frame type. */
enum { BACKEND_BY_EDGE = 1, BACKEND_BY_BACKEND = 2, BACKEND_BY_BOTH = 3 };

/*        type              name in metrics  sender */
#define BACKEND_TYPE_TABLE(X)                                                                                        \
	X(BACKEND_CHALLENGE, "challenge", BACKEND_BY_EDGE)                                                           \
	X(BACKEND_HELLO, "hello", BACKEND_BY_BACKEND)                                                                \
	X(BACKEND_WELCOME, "welcome", BACKEND_BY_EDGE)                                                               \
	X(BACKEND_NSP, "nsp", BACKEND_BY_BOTH)                                                                       \
	X(BACKEND_NSPASK, "nspask", BACKEND_BY_EDGE)                                                                 \
	X(BACKEND_NSPANSWER, "nspanswer", BACKEND_BY_BACKEND)                                                        \
	X(BACKEND_SESSION, "session", BACKEND_BY_EDGE)                                                               \
	X(BACKEND_OPEN, "open", BACKEND_BY_EDGE)                                                                     \
	X(BACKEND_ACCEPT, "accept", BACKEND_BY_BACKEND)                                                              \
	X(BACKEND_REFUSE, "refuse", BACKEND_BY_BACKEND)                                                              \
	X(BACKEND_EVENT, "event", BACKEND_BY_EDGE)                                                                   \
	X(BACKEND_ACK, "ack", BACKEND_BY_BACKEND)                                                                    \
	X(BACKEND_EMIT, "emit", BACKEND_BY_BACKEND)                                                                  \
	X(BACKEND_ACKED, "acked", BACKEND_BY_EDGE)                                                                   \
	X(BACKEND_CAST, "cast", BACKEND_BY_BACKEND)                                                                  \
	X(BACKEND_CASTED, "casted", BACKEND_BY_EDGE)                                                                 \
	X(BACKEND_JOIN, "join", BACKEND_BY_BOTH)                                                                     \
	X(BACKEND_LEAVE, "leave", BACKEND_BY_BOTH)                                                                   \
	X(BACKEND_DISC, "disc", BACKEND_BY_BACKEND)                                                                  \
	X(BACKEND_CLOSED, "closed", BACKEND_BY_EDGE)                                                                 \
	X(BACKEND_DATA, "data", BACKEND_BY_BACKEND)                                                                  \
	X(BACKEND_TRANSPORT, "transport", BACKEND_BY_EDGE)                                                           \
	X(BACKEND_PEER, "peer", BACKEND_BY_BOTH)                                                                     \
	X(BACKEND_PEERS, "peers", BACKEND_BY_EDGE)                                                                   \
	X(BACKEND_REQUEST, "request", BACKEND_BY_EDGE)                                                               \
	X(BACKEND_RESPONSE, "response", BACKEND_BY_BACKEND)                                                          \
	X(BACKEND_CONNERR, "connerr", BACKEND_BY_EDGE)                                                               \
	X(BACKEND_PING, "ping", BACKEND_BY_BOTH)                                                                     \
	X(BACKEND_PONG, "pong", BACKEND_BY_BOTH)                                                                     \
	X(BACKEND_WINDOW, "window", BACKEND_BY_BOTH)                                                                 \
	X(BACKEND_DRAIN, "drain", BACKEND_BY_BOTH)                                                                   \
	X(BACKEND_HANDOFF, "handoff", BACKEND_BY_BACKEND)                                                            \
	X(BACKEND_BYE, "bye", BACKEND_BY_BOTH)                                                                       \
	X(BACKEND_ENDED, "ended", BACKEND_BY_EDGE)                                                                   \
	X(BACKEND_CATCHUP, "catchup", BACKEND_BY_BACKEND)                                                            \
	X(BACKEND_HISTORY, "history", BACKEND_BY_BACKEND)                                                            \
	X(BACKEND_FORGET, "forget", BACKEND_BY_BACKEND)                                                              \
	X(BACKEND_PAST, "past", BACKEND_BY_EDGE)                                                                     \
	X(BACKEND_PRESENCE, "presence", BACKEND_BY_BACKEND)                                                          \
	X(BACKEND_USER, "user", BACKEND_BY_BACKEND)                                                                  \
	X(BACKEND_WHO, "who", BACKEND_BY_BACKEND)                                                                    \
	X(BACKEND_PRESENT, "present", BACKEND_BY_EDGE)                                                               \
	X(BACKEND_CHANGE, "change", BACKEND_BY_EDGE)

enum backend_type {
#define X(type, word, sender) type,
	BACKEND_TYPE_TABLE(X)
#undef X
		BACKEND_TYPES /* number of types */
};

/* Some bits have two names; the frame type decides. */
enum {
	BACKEND_F_ACK = 0x01,
	BACKEND_F_EIO3 = 0x01,	   /* SESSION */
	BACKEND_F_REATTACH = 0x02, /* OPEN */
	BACKEND_F_WIDE = 0x02,	   /* EVENT, ACK */
	BACKEND_F_VOLATILE = 0x04,
	BACKEND_F_RECOVERED = 0x04, /* OPEN */
	BACKEND_F_BIN = 0x08,
	BACKEND_F_NO_COMPRESS = 0x10,
	BACKEND_F_CLOSE = 0x20,
	BACKEND_F_TIMED = 0x40, /* EMIT, CAST */
	BACKEND_F_LAST = 0x40,	/* CASTED, PAST, PRESENT */
	BACKEND_F_OPTIONAL = 0x80
};

struct backend_frame {
	uint8_t type, flags;
	uint16_t nsp;
	uint32_t handle, id;
	struct text body;
};

/*
 * Reads a frame at the start of `bytes`. Returns the bytes consumed, 0 if more are needed, or ERROR_TOO_BIG if the
 * body is longer than `max_frame`. The body stays in `bytes`.
 */
int64_t backend_frame_read(struct backend_frame *out, const uint8_t *bytes, size_t n, size_t max_frame);
/* Writes the head of a frame. Of f->body, only the length is read. */
void backend_frame_head(uint8_t out[BACKEND_HEAD], const struct backend_frame *f);

/*
 * The parts of a body. Each function takes one part off the front of `*body`. If the part is missing, it returns
 * false and leaves `*body` unchanged.
 */
bool backend_take_u32(struct text *body, uint32_t *out);
bool backend_take_text(struct text *body, struct text *out);
/* Reads up to `max` rooms into `out`. Returns their number, ERROR_SYNTAX or ERROR_TOO_MANY. */
int backend_take_rooms(struct text *body, struct text *out, unsigned max);
/*
 * Reads args, which extend to the end of the frame: JSON text, which is not checked, and with flag BIN up to `max`
 * attachments. Returns the number of attachments, ERROR_SYNTAX or ERROR_TOO_MANY.
 */
int backend_take_args(struct text body, uint8_t flags, struct text *json, struct text *attachments, unsigned max);

/* Writes a little-endian number of `width` bytes. */
void backend_write_number(uint8_t *at, uint32_t value, unsigned width);

/* Returns the name of a type in lower case, or "unknown". */
const char *backend_type_name(uint8_t type);
/* Returns true if `who` (BACKEND_BY_EDGE or BACKEND_BY_BACKEND) may send frames of this type. */
bool backend_sends(unsigned who, uint8_t type);

#endif
