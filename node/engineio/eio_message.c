#include "node/engineio/eio_message.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_payload.h"
#include "node/ws/ws_frame.h"

/* A message with room for `n` bytes of WebSocket payload behind the ready frame header; NULL: no memory for it. */
static struct eio_message *
message_new(enum ws_opcode opcode, size_t n)
{
	unsigned header = ws_frame_header_size(n);
	struct block *block = block_try_new(header + n);
	struct eio_message *m;

	if (block == NULL)
		return NULL;
	m = mem_zalloc(sizeof(*m));
	m->refs = 1;
	m->binary = opcode == WS_BINARY;
	m->compress = true;
	m->packet_at = header;
	m->block = block;
	must(ws_frame_write(m->block->data, opcode, true, false, n) == header);
	return m;
}

static struct eio_message *
message_join(char type, struct text head, struct text tail)
{
	struct eio_message *m = message_new(WS_TEXT, 1 + head.n + tail.n);
	uint8_t *at;

	if (m == NULL)
		return NULL;
	at = m->block->data + m->packet_at;
	*at++ = (uint8_t)type;
	if (head.n > 0)
		memcpy(at, head.at, head.n);
	if (tail.n > 0)
		memcpy(at + head.n, tail.at, tail.n);
	return m;
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
	struct eio_message *m = message_new(WS_BINARY, n);

	if (m != NULL && n > 0)
		memcpy(m->block->data + m->packet_at, bytes, n);
	return m;
}

struct eio_message *
eio_message_ref(struct eio_message *m)
{
	m->refs++;
	return m;
}

void
eio_message_unref(struct eio_message *m)
{
	if (m == NULL || --m->refs > 0)
		return;
	block_unref(m->block);
	block_unref(m->base64);
	mem_free(m);
}

struct text
eio_message_polling(struct eio_message *m)
{
	const uint8_t *packet = m->block->data + m->packet_at;
	size_t n = m->block->len - m->packet_at;

	if (!m->binary)
		return text_of((const char *)packet, n);
	if (m->base64 == NULL) {
		m->base64 = block_try_new(1 + BASE64_ENCODED(n));
		if (m->base64 == NULL)
			return TEXT_NONE;
		m->base64->data[0] = EIO_PACKET_BASE64;
		base64_encode(packet, n, (char *)m->base64->data + 1);
	}
	return text_of((const char *)m->base64->data, m->base64->len);
}
