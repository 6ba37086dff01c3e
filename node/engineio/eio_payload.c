#include "node/engineio/eio_payload.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/must.h"

int
eio_packet_parse(uint8_t *bytes, size_t n, struct eio_packet *out)
{
	int64_t decoded;

	if (n == 0)
		return ERROR_SYNTAX;
	out->data = bytes + 1;
	out->n = n - 1;
	out->binary = false;
	if (bytes[0] == EIO_PACKET_BASE64) {
		decoded = base64_decode_loose(text_of((const char *)out->data, out->n), out->data);
		if (decoded < 0)
			return ERROR_SYNTAX;
		out->type = EIO_PACKET_MESSAGE;
		out->binary = true;
		out->n = (size_t)decoded;
		return 0;
	}
	if (bytes[0] < EIO_PACKET_OPEN || bytes[0] > EIO_PACKET_NOOP)
		return ERROR_SYNTAX;
	out->type = (enum eio_packet_type)bytes[0];
	return 0;
}

void
eio_payload_init(struct eio_payload *payload, uint8_t *bytes, size_t n)
{
	payload->at = bytes;
	payload->end = n > 0 ? bytes + n : bytes;
	payload->more = true;
}

int
eio_payload_next(struct eio_payload *payload, struct eio_packet *out)
{
	size_t left = (size_t)(payload->end - payload->at);
	uint8_t *separator = left > 0 ? memchr(payload->at, EIO_SEPARATOR, left) : NULL;
	uint8_t *packet = payload->at;
	int error;

	if (!payload->more)
		return 0;
	/* a separator must be followed by another packet; an empty one is malformed */
	payload->more = separator != NULL;
	if (separator != NULL) {
		left = (size_t)(separator - packet);
		payload->at = separator + 1;
	}
	error = eio_packet_parse(packet, left, out);
	if (error < 0) {
		payload->more = false;
		return error;
	}
	return 1;
}

size_t
eio_payload_message_size(const struct eio_message *message)
{
	size_t n = message->frame.block->len - message->frame.payload_at;

	return message->binary ? 1 + BASE64_ENCODED(n) : n;
}

struct block *
eio_payload_encode(struct eio_message *const *messages, unsigned n)
{
	struct block *block;
	size_t size = n - 1, at = 0;

	must(n > 0);
	for (unsigned i = 0; i < n; i++)
		size += eio_payload_message_size(messages[i]);
	block = block_try_new(size);
	for (unsigned i = 0; block != NULL && i < n; i++) {
		struct text packet = eio_message_polling(messages[i]);

		if (packet.at == NULL) {
			block_unref(block);
			return NULL;
		}
		if (i > 0)
			block->data[at++] = EIO_SEPARATOR;
		memcpy(block->data + at, packet.at, packet.n);
		at += packet.n;
	}
	must(block == NULL || at == size);
	return block;
}
