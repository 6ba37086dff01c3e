#include "node/ws/ws_frame.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/error.h"

#define CONTROL_PAYLOAD_MAX 125 /* RFC 6455 5.5 */

static bool
opcode_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

int
ws_frame_parse(struct ws_frame *out, const uint8_t *data, size_t n)
{
	unsigned extended = 0, header;
	uint8_t length;

	if (n < 1)
		return 0;
	out->fin = data[0] & 0x80;
	out->rsv1 = data[0] & 0x40;
	out->rsv2 = data[0] & 0x20;
	out->rsv3 = data[0] & 0x10;
	out->opcode = data[0] & 0x0f;
	if (!opcode_known(out->opcode) || (out->opcode >= WS_CLOSE && !out->fin))
		return ERROR_SYNTAX;
	if (n < 2)
		return 0;
	out->masked = data[1] & 0x80;
	length = data[1] & 0x7f;
	if (out->opcode >= WS_CLOSE && length > CONTROL_PAYLOAD_MAX)
		return ERROR_SYNTAX;
	if (length >= 126)
		extended = length == 126 ? 2 : 8;
	header = 2 + extended + (out->masked ? 4 : 0);
	if (n < header)
		return 0;
	out->payload = extended ? bytes_read(data + 2, extended) : length;
	/* RFC 6455 5.2: the shortest form is required, and the most significant bit must be 0 */
	if ((extended == 2 && out->payload <= 125) || (extended == 8 && out->payload <= UINT16_MAX) ||
		out->payload > INT64_MAX)
		return ERROR_SYNTAX;
	if (out->masked)
		memcpy(out->mask, data + 2 + extended, 4);
	else
		memset(out->mask, 0, 4);
	return (int)header;
}

unsigned
ws_frame_header_size(uint64_t payload)
{
	return payload <= 125 ? 2 : payload <= UINT16_MAX ? 4 : 10;
}

unsigned
ws_frame_write(uint8_t out[WS_SERVER_HEADER_MAX], enum ws_opcode opcode, bool fin, bool rsv1, uint64_t payload)
{
	unsigned size = ws_frame_header_size(payload);

	out[0] = (uint8_t)((fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode);
	out[1] = size == 2 ? (uint8_t)payload : size == 4 ? 126 : 127;
	bytes_write(out + 2, payload, size - 2);
	return size;
}

void
ws_frame_unmask(uint8_t *data, size_t n, const uint8_t mask[4], uint64_t offset)
{
	uint8_t turned[4];
	uint32_t key, half;
	uint64_t wide, word;
	size_t i;

	for (i = 0; i < sizeof turned; i++)
		turned[i] = mask[(offset + i) & 3];
	memcpy(&key, turned, sizeof key);
	wide = (uint64_t)key << 32 | key;
	for (i = 0; n - i >= sizeof word; i += sizeof word) {
		memcpy(&word, data + i, sizeof word);
		word ^= wide;
		memcpy(data + i, &word, sizeof word);
	}
	if (n - i >= sizeof half) {
		memcpy(&half, data + i, sizeof half);
		half ^= key;
		memcpy(data + i, &half, sizeof half);
		i += sizeof half;
	}
	for (; i < n; i++)
		data[i] ^= turned[i & 3];
}

bool
ws_close_code_valid(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
