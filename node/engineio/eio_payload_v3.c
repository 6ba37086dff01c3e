#include "node/engineio/eio_payload_v3.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/engineio/eio_message_v3.h"

#define DIGITS_MAX 10 /* of a length; maxHttpBufferSize is at most 2^30 */

int
eio_packet_v3_parse(uint8_t *bytes, size_t n, struct eio_packet *out)
{
	if (n == 0 || bytes[0] != EIO_PACKET_BASE64)
		return eio_packet_parse(bytes, n, out);
	if (n < 2 || bytes[1] != EIO_PACKET_MESSAGE)
		return ERROR_SYNTAX;
	bytes[1] = EIO_PACKET_BASE64; /* revision 4 has no type digit after the "b" */
	return eio_packet_parse(bytes + 1, n - 1, out);
}

int
eio_packet_v3_parse_binary(uint8_t *bytes, size_t n, struct eio_packet *out)
{
	if (n == 0 || bytes[0] != EIO_V3_BINARY_MESSAGE)
		return ERROR_SYNTAX;
	*out = (struct eio_packet){.type = EIO_PACKET_MESSAGE, .binary = true, .data = bytes + 1, .n = n - 1};
	return 0;
}

/*
 * Reads a length and the byte `end` after it. Digits are the bytes `zero` to `zero` + 9. Returns the length, at least
 * 1 and at most the number of bytes left, or ERROR_SYNTAX.
 */
static int64_t
take_length(struct eio_payload *payload, uint8_t zero, uint8_t end)
{
	size_t left = (size_t)(payload->end - payload->at), i;
	int64_t length = 0;

	for (i = 0; i < left && payload->at[i] != end; i++) {
		uint8_t digit = (uint8_t)(payload->at[i] - zero);

		if (digit > 9 || i == DIGITS_MAX || (i == 0 && digit == 0))
			return ERROR_SYNTAX;
		length = length * 10 + digit;
	}
	if (i == 0 || i == left || (uint64_t)length > left - i - 1)
		return ERROR_SYNTAX;
	payload->at += i + 1;
	return length;
}

/* Returns the number of bytes of the first `units` UTF-16 code units, or ERROR_SYNTAX. */
static int64_t
bytes_of_units(const uint8_t *at, const uint8_t *end, int64_t units)
{
	const uint8_t *begin = at;

	while (units > 0 && at < end) {
		unsigned step = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

		if (step > (size_t)(end - at))
			return ERROR_SYNTAX;
		at += step;
		units -= step == 4 ? 2 : 1;
	}
	return units == 0 ? at - begin : ERROR_SYNTAX;
}

int
eio_payload_v3_next(struct eio_payload *payload, struct eio_packet *out)
{
	int64_t units, n;
	int error;

	if (!payload->more)
		return 0;
	units = take_length(payload, '0', ':');
	n = units > 0 ? bytes_of_units(payload->at, payload->end, units) : ERROR_SYNTAX;
	error = n > 0 ? eio_packet_v3_parse(payload->at, (size_t)n, out) : ERROR_SYNTAX;
	if (error == 0)
		payload->at += n;
	payload->more = error == 0 && payload->at < payload->end;
	return error == 0 ? 1 : error;
}

static int
parse_of_kind(uint8_t kind, uint8_t *bytes, size_t n, struct eio_packet *out)
{
	if (kind != 0)
		return eio_packet_v3_parse_binary(bytes, n, out);
	return utf8_valid(bytes, n) ? eio_packet_v3_parse(bytes, n, out) : ERROR_UTF8;
}

int
eio_payload_v3_next_binary(struct eio_payload *payload, struct eio_packet *out)
{
	int64_t n = ERROR_SYNTAX;
	int error = ERROR_SYNTAX;
	uint8_t kind;

	if (!payload->more || payload->at == payload->end)
		return 0;
	kind = *payload->at++;
	if (kind <= 1)
		n = take_length(payload, 0, 0xff);
	if (n > 0)
		error = parse_of_kind(kind, payload->at, (size_t)n, out);
	if (error == 0)
		payload->at += n;
	payload->more = error == 0;
	return error == 0 ? 1 : error;
}

struct block *
eio_payload_v3_encode(struct eio_message *const *messages, unsigned n, bool *binary)
{
	bool any = false;
	size_t size = 0, at = 0;
	struct block *block;

	must(n > 0);
	for (unsigned i = 0; i < n; i++)
		any = any || messages[i]->binary;
	*binary = *binary && any;
	for (unsigned i = 0; i < n; i++) {
		const struct block *part = eio_message_v3_part(messages[i], *binary);

		if (part == NULL)
			return NULL;
		size += part->len;
	}
	if (n == 1)
		return block_ref(eio_message_v3_part(messages[0], *binary));
	block = block_try_new(size);
	for (unsigned i = 0; block != NULL && i < n; i++) {
		const struct block *part = eio_message_v3_part(messages[i], *binary);

		memcpy(block->data + at, part->data, part->len);
		at += part->len;
	}
	return block;
}
