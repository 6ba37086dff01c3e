/*
 * RFC 6455 frames, section 5.2: a pure codec, header only. Payload bytes are
 * handled where they lie.
 */
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
	uint64_t payload; /* length */
};

#define WS_FRAME_HEADER_MAX 14
#define WS_SERVER_HEADER_MAX 10

/*
 * Parses a header. Returns its length (2..14), 0 when more bytes are needed, ERROR_SYNTAX for: a length not in its
 * shortest form, a 64-bit length with the top bit, a control frame that is long or fragmented, a reserved opcode.
 * Bits RSV1-3 and masking are the caller's to judge.
 */
int ws_frame_parse(struct ws_frame *out, const uint8_t *data, size_t n);

/* Length of the unmasked server header for a payload: 2, 4 or 10. */
unsigned ws_frame_header_size(uint64_t payload);

/* Writes that header; returns its length. */
unsigned ws_frame_write(
	uint8_t out[WS_SERVER_HEADER_MAX], enum ws_opcode opcode, bool fin, bool rsv1, uint64_t payload);

/* XORs `n` bytes in place; `offset` is the position of data[0] within the payload. Word-wise. */
void ws_frame_unmask(uint8_t *data, size_t n, const uint8_t mask[4], uint64_t offset);

/* True for status codes that may appear in a Close frame (RFC 6455 7.4 and the IANA registry: 1000-1003, 1007-1014,
 * 3000-4999). */
bool ws_close_code_valid(uint16_t code);

#endif
