/*
 * The codec of the backend protocol (backends/PROTOCOL.md): bytes in, struct out, no descriptor and no clock.
 */
#ifndef NODE_BACKEND_BACKEND_FRAME_H
#define NODE_BACKEND_BACKEND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json_msgpack.h"
#include "common/base/text.h"

#define BACKEND_HEAD 16 /* bytes before the body */

enum backend_type {
	BACKEND_CHALLENGE,
	BACKEND_HELLO,
	BACKEND_WELCOME,
	BACKEND_NSP,
	BACKEND_NSPASK,
	BACKEND_NSPANSWER,
	BACKEND_SESSION,
	BACKEND_OPEN,
	BACKEND_ACCEPT,
	BACKEND_REFUSE,
	BACKEND_EVENT,
	BACKEND_ACK,
	BACKEND_EMIT,
	BACKEND_ACKED,
	BACKEND_CAST,
	BACKEND_CASTED,
	BACKEND_JOIN,
	BACKEND_LEAVE,
	BACKEND_DISC,
	BACKEND_CLOSED,
	BACKEND_DATA,
	BACKEND_TRANSPORT,
	BACKEND_PEER,
	BACKEND_PEERS,
	BACKEND_REQUEST,
	BACKEND_RESPONSE,
	BACKEND_CONNERR,
	BACKEND_PING,
	BACKEND_PONG,
	BACKEND_WINDOW,
	BACKEND_DRAIN,
	BACKEND_HANDOFF,
	BACKEND_BYE,
	BACKEND_TYPES /* how many there are */
};

/* Two names of one bit: the type tells which. */
enum {
	BACKEND_F_ACK = 0x01,
	BACKEND_F_REATTACH = 0x02, /* OPEN */
	BACKEND_F_WIDE = 0x02,	   /* EVENT, ACK */
	BACKEND_F_VOLATILE = 0x04,
	BACKEND_F_BIN = 0x08,
	BACKEND_F_NO_COMPRESS = 0x10,
	BACKEND_F_CLOSE = 0x20,
	BACKEND_F_TIMED = 0x40, /* EMIT, CAST */
	BACKEND_F_LAST = 0x40,	/* CASTED */
	BACKEND_F_OPTIONAL = 0x80
};

struct backend_frame {
	uint8_t type, flags;
	uint16_t nsp;
	uint32_t handle, id;
	struct text body;
};

/* > 0: bytes consumed; 0: more is needed; ERROR_TOO_BIG: its length is beyond `max_frame`. The body lies in `bytes`. */
int64_t backend_frame_read(struct backend_frame *out, const uint8_t *bytes, size_t n, size_t max_frame);
void backend_frame_head(uint8_t out[BACKEND_HEAD], const struct backend_frame *f); /* of f->body its length alone */

/* The parts of a body. Each takes its part off the front of `*body`; false: it is not there, nothing is taken. */
bool backend_take_u32(struct text *body, uint32_t *out);
bool backend_take_text(struct text *body, struct text *out);
/* Up to `max` rooms into `out`; their number, or -1: malformed or more. */
int backend_take_rooms(struct text *body, struct text *out, unsigned max);

#endif
