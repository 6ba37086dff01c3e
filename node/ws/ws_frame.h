/* Frame headers, RFC 6455 section 5.2: a pure codec. Payloads are unmasked in place. */
#ifndef NODE_WS_WS_FRAME_H
#define NODE_WS_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
	bool fin, rsv1, rsv2, rsv3, masked;
	uint8_t opcode;
	uint8_t mask[4];
	uint64_t payload; /* length of the payload */
};

#define WS_FRAME_HEADER_MAX 14
#define WS_SERVER_HEADER_MAX 10

/*
 * Parses a header. Returns its length (2 to 14), or 0 if more bytes are needed. ERROR_SYNTAX: a length that is not in
 * its shortest form, a 64-bit length with the top bit set, a control frame that is too long or fragmented, or a
 * reserved opcode. The caller checks RSV1 to RSV3 and the masking.
 */
int ws_frame_parse(struct ws_frame *out, const uint8_t *data, size_t n);

/* Returns the length of the unmasked header for a payload: 2, 4 or 10. */
unsigned ws_frame_header_size(uint64_t payload);

/* Writes an unmasked header and returns its length. */
unsigned ws_frame_write(
	uint8_t out[WS_SERVER_HEADER_MAX], enum ws_opcode opcode, bool fin, bool rsv1, uint64_t payload);

/* XORs `n` bytes in place with the mask, a word at a time. `offset` is the position of data[0] in the payload. */
void ws_frame_unmask(uint8_t *data, size_t n, const uint8_t mask[4], uint64_t offset);

/*
 * Returns true for a status code that may appear in a Close frame: 1000-1003, 1007-1014, 3000-4999 (RFC 6455 7.4 and
 * the IANA registry).
 */
bool ws_close_code_valid(uint16_t code);

#endif
