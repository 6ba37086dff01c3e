/*
 * A message of the server, as a ready frame for any number of WebSockets. Its compressed frame is made at most once,
 * for the first one that wants it, and refers to no earlier message. Every queue holds the same block.
 */
#ifndef NODE_WS_WS_MESSAGE_H
#define NODE_WS_WS_MESSAGE_H

#include <stdbool.h>

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/text.h"
#include "node/ws/ws_frame.h"

struct ws_deflate_pool;

/*
 * The frame is unmasked and single: the bytes of the block from frame_at on. Its payload begins at payload_at and
 * extends to the end of the block.
 */
struct ws_message {
	struct block *block;
	uint32_t frame_at, payload_at;
	bool compress;	      /* may be compressed */
	bool shared;	      /* several WebSockets may get it */
	uint8_t packed_bits;  /* a window of this size or more can inflate `packed` */
	uint32_t packed_at;   /* offset of the frame in `packed` */
	struct block *packed; /* the compressed frame; `block` if it would not be shorter; NULL: not made yet */
};

/* Drops the references to both blocks. */
void ws_message_fini(struct ws_message *message);

static inline struct text
ws_message_payload(const struct ws_message *message)
{
	return text_of(
		(const char *)message->block->data + message->payload_at, message->block->len - message->payload_at);
}

static inline enum ws_opcode
ws_message_opcode(const struct ws_message *message)
{
	return (enum ws_opcode)(message->block->data[message->frame_at] & 0x0f);
}

/*
 * Makes `packed`, for windows of at most `bits`. If compressing gains nothing, or memory is short, `packed` is
 * `block`.
 */
void ws_message_pack(struct ws_message *message, struct ws_deflate_pool *pool, int bits);

/*
 * A frame whose compressed payload is written first, because the length of the header depends on that of the payload.
 * ws_packed_begin() initialises the buffer, the caller appends the payload, and ws_packed_end() returns the frame,
 * which the buffer holds.
 */
void ws_packed_begin(struct buffer *out);
struct text ws_packed_end(struct buffer *out, enum ws_opcode opcode);

/* Returns the length of the payload so far. */
static inline size_t
ws_packed_length(const struct buffer *out)
{
	return out->len - WS_SERVER_HEADER_MAX;
}

#endif
