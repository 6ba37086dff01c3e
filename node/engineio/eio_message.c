#include "node/engineio/eio_message.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "node/engineio/eio_payload.h"
#include "node/ws/ws_frame.h"

/* Makes a message of a block that has room for the frame header in front of `n` bytes of payload. */
static struct eio_message *
message_of(struct block *block, enum ws_opcode opcode, size_t n)
{
	unsigned header = ws_frame_header_size(n);
	struct eio_message *message = small_zalloc(sizeof(*message));

	message->refs = 1;
	message->binary = opcode == WS_BINARY;
	message->frame = (struct ws_message){.block = block, .payload_at = header, .compress = true};
	must(ws_frame_write(block->data, opcode, true, false, n) == header);
	return message;
}

/* Creates a message with room for `n` bytes of payload after its frame header. Returns NULL if memory runs out. */
static struct eio_message *
message_new(enum ws_opcode opcode, size_t n)
{
	struct block *block = block_try_new(ws_frame_header_size(n) + n);

	return block != NULL ? message_of(block, opcode, n) : NULL;
}

static struct eio_message *
message_join(char type, struct text head, struct text tail)
{
	struct eio_message *message = message_new(WS_TEXT, 1 + head.n + tail.n);
	uint8_t *at;

	if (message == NULL)
		return NULL;
	at = message->frame.block->data + message->frame.payload_at;
	*at++ = (uint8_t)type;
	if (head.n > 0)
		memcpy(at, head.at, head.n);
	if (tail.n > 0)
		memcpy(at + head.n, tail.at, tail.n);
	return message;
}

struct eio_message *
eio_message_packet(char type, struct text data)
{
	return message_join(type, data, TEXT_NONE);
}

struct eio_message *
eio_message_text(struct text data)
{
	return message_join(EIO_PACKET_MESSAGE, data, TEXT_NONE);
}

struct eio_message *
eio_message_text2(struct text head, struct text tail)
{
	return message_join(EIO_PACKET_MESSAGE, head, tail);
}

struct eio_message *
eio_message_binary(const void *bytes, size_t n)
{
	struct eio_message *message = message_new(WS_BINARY, n);

	if (message != NULL && n > 0)
		memcpy(message->frame.block->data + message->frame.payload_at, bytes, n);
	return message;
}

struct eio_message *
eio_message_binary_of(const struct text *parts, unsigned count)
{
	struct eio_message *message;
	size_t n = 0;
	uint8_t *at;

	for (unsigned i = 0; i < count; i++)
		n += parts[i].n;
	message = message_new(WS_BINARY, n);
	if (message == NULL)
		return NULL;
	at = message->frame.block->data + message->frame.payload_at;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].n > 0)
			at = mempcpy(at, parts[i].at, parts[i].n);
	}
	return message;
}

void
eio_message_begin(struct buffer *out, size_t n)
{
	size_t head = BLOCK_HEAD + ws_frame_header_size(n);

	if (out->data == NULL && head + n <= SMALL_MAX && head + n <= out->max) {
		/* the block that it becomes is freed as a small object, so it should begin as one */
		out->data = small_try_alloc(head + n);
		out->size = out->data != NULL ? head + n : 0;
	}
	if (buffer_room(out, head + n) != NULL)
		out->len = head;
}

struct eio_message *
eio_message_end(struct buffer *out, size_t n)
{
	size_t at = BLOCK_HEAD + ws_frame_header_size(n), payload = out->len - at;
	unsigned header = ws_frame_header_size(payload);

	/* the size was not the expected one, and the header has another length */
	if (at != BLOCK_HEAD + header) {
		if (buffer_room(out, WS_SERVER_HEADER_MAX) == NULL) {
			buffer_fini(out);
			return NULL;
		}
		memmove(out->data + BLOCK_HEAD + header, out->data + at, payload);
		out->len = BLOCK_HEAD + header + payload;
	}
	return message_of(block_adopt(out), WS_BINARY, payload);
}

struct eio_message *
eio_message_ref(struct eio_message *message)
{
	message->refs++;
	return message;
}

static void
message_free_v3(struct eio_message_v3 *v3)
{
	if (v3 == NULL)
		return;
	ws_message_fini(&v3->frame);
	block_unref(v3->parts[false]);
	block_unref(v3->parts[true]);
	mem_free(v3);
}

void
eio_message_unref(struct eio_message *message)
{
	if (message == NULL || --message->refs > 0)
		return;
	ws_message_fini(&message->frame);
	block_unref(message->base64);
	message_free_v3(message->v3);
	small_free(message, sizeof(*message));
}

struct text
eio_message_polling(struct eio_message *message)
{
	const uint8_t *packet = message->frame.block->data + message->frame.payload_at;
	size_t n = message->frame.block->len - message->frame.payload_at;

	if (!message->binary)
		return text_of((const char *)packet, n);
	if (message->base64 == NULL) {
		message->base64 = block_try_new(1 + BASE64_ENCODED(n));
		if (message->base64 == NULL)
			return TEXT_NONE;
		message->base64->data[0] = EIO_PACKET_BASE64;
		base64_encode(packet, n, (char *)message->base64->data + 1);
	}
	return text_of((const char *)message->base64->data, message->base64->len);
}
