#include "node/engineio/eio_message_v3.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_payload.h"
#include "node/ws/ws_frame.h"

#define HEAD_MAX 24 /* room for a kind, 20 digits, an end and a NUL */

static struct eio_message_v3 *
forms_of(struct eio_message *message)
{
	if (message->v3 == NULL)
		message->v3 = mem_zalloc(sizeof(*message->v3));
	return message->v3;
}

/* Returns the length of valid UTF-8 in UTF-16 code units. */
static size_t
units_of(struct text t)
{
	size_t units = 0;

	for (size_t i = 0; i < t.n; i++) {
		uint8_t byte = (uint8_t)t.at[i];

		units += ((byte & 0xc0) != 0x80) + (byte >= 0xf0);
	}
	return units;
}

/* "4hello" becomes "6:4hello"; a binary message becomes "10:b4AQIDBA==". */
static struct block *
text_part(const struct eio_message *message)
{
	struct text bytes = ws_message_payload(&message->frame);
	size_t n = message->binary ? 2 + BASE64_ENCODED(bytes.n) : bytes.n;
	char head[HEAD_MAX];
	int head_n = snprintf(head, sizeof(head), "%zu:", message->binary ? n : units_of(bytes));
	struct block *block = block_try_new((size_t)head_n + n);
	char *at;

	if (block == NULL)
		return NULL;
	at = (char *)block->data;
	memcpy(at, head, (size_t)head_n);
	at += head_n;
	if (message->binary) {
		*at++ = EIO_PACKET_BASE64;
		*at++ = EIO_PACKET_MESSAGE;
		base64_encode(bytes.at, bytes.n, at);
	} else {
		memcpy(at, bytes.at, bytes.n);
	}
	return block;
}

static struct block *
binary_part(const struct eio_message *message)
{
	struct text bytes = ws_message_payload(&message->frame);
	size_t type = message->binary ? 1 : 0; /* a text packet begins with its type already */
	char head[HEAD_MAX];
	int head_n = snprintf(head, sizeof(head), "%c%zu%c", message->binary ? 1 : 0, bytes.n + type, 0xff);
	struct block *block = block_try_new((size_t)head_n + type + bytes.n);

	if (block == NULL)
		return NULL;
	for (int i = 1; i < head_n - 1; i++)
		head[i] = (char)(head[i] - '0');
	memcpy(block->data, head, (size_t)head_n);
	if (message->binary)
		block->data[head_n] = EIO_V3_BINARY_MESSAGE;
	if (bytes.n > 0)
		memcpy(block->data + (size_t)head_n + type, bytes.at, bytes.n);
	return block;
}

struct block *
eio_message_v3_part(struct eio_message *message, bool binary)
{
	struct eio_message_v3 *v3 = forms_of(message);

	if (v3->parts[binary] == NULL)
		v3->parts[binary] = binary ? binary_part(message) : text_part(message);
	return v3->parts[binary];
}

struct ws_message *
eio_message_v3_frame(struct eio_message *message)
{
	struct text bytes = ws_message_payload(&message->frame);
	struct eio_message_v3 *v3;
	unsigned header;

	if (!message->binary)
		return &message->frame;
	v3 = forms_of(message);
	if (v3->frame.block != NULL)
		return &v3->frame;
	header = ws_frame_header_size(bytes.n + 1);
	v3->frame.block = block_try_new(header + 1 + bytes.n);
	if (v3->frame.block == NULL)
		return NULL;
	v3->frame.payload_at = header;
	v3->frame.compress = message->frame.compress;
	v3->frame.shared = message->frame.shared;
	must(ws_frame_write(v3->frame.block->data, WS_BINARY, true, false, bytes.n + 1) == header);
	v3->frame.block->data[header] = EIO_V3_BINARY_MESSAGE;
	if (bytes.n > 0)
		memcpy(v3->frame.block->data + header + 1, bytes.at, bytes.n);
	return &v3->frame;
}

struct text
eio_message_v3_text(struct eio_message *message)
{
	struct text part, length;

	if (!message->binary)
		return ws_message_payload(&message->frame);
	if (eio_message_v3_part(message, false) == NULL)
		return TEXT_NONE;
	part = text_of((const char *)message->v3->parts[false]->data, message->v3->parts[false]->len);
	must(text_cut(&part, ':', &length));
	return part;
}
