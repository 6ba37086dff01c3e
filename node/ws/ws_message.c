#include "node/ws/ws_message.h"

#include <string.h>

#include "node/ws/ws_deflater.h"

void
ws_message_fini(struct ws_message *message)
{
	block_unref(message->block);
	block_unref(message->packed);
}

void
ws_packed_begin(struct buffer *out)
{
	buffer_init(out, SIZE_MAX);
	buffer_add(out, (uint8_t[WS_SERVER_HEADER_MAX]){0}, WS_SERVER_HEADER_MAX);
}

struct text
ws_packed_end(struct buffer *out, enum ws_opcode opcode)
{
	uint8_t header[WS_SERVER_HEADER_MAX];
	unsigned size = ws_frame_write(header, opcode, true, true, ws_packed_length(out));
	size_t from = WS_SERVER_HEADER_MAX - size;

	memcpy(out->data + from, header, size);
	return text_of((const char *)out->data + from, out->len - from);
}

/* Returns the smallest window with which the frame can be inflated: no match reaches back beyond the message. */
static int
needed_bits(size_t n, int bits)
{
	while (bits > WS_WINDOW_BITS_MIN && n <= (size_t)1 << (bits - 1))
		bits--;
	return bits;
}

void
ws_message_pack(struct ws_message *message, struct ws_deflate_pool *pool, int bits)
{
	struct text payload = ws_message_payload(message);
	struct block *packed = NULL;
	struct buffer out;
	struct text frame;

	ws_packed_begin(&out);
	if (ws_deflate_pool_run(pool, bits, payload.at, payload.n, &out) == 0 && ws_packed_length(&out) < payload.n) {
		frame = ws_packed_end(&out, ws_message_opcode(message));
		packed = block_try_copy(frame.at, frame.n);
	}
	buffer_fini(&out);
	if (packed != NULL) {
		message->packed = packed;
		message->packed_at = 0;
		message->packed_bits = (uint8_t)needed_bits(payload.n, bits);
	} else {
		message->packed = block_ref(message->block);
		message->packed_at = message->frame_at;
		message->packed_bits = 0;
	}
}
