/*
 * Writes the heads of MessagePack values, always in the shortest form:
 * https://github.com/msgpack/msgpack/blob/master/spec.md. Errors are those of the buffer.
 */
#ifndef COMMON_BASE_MSGPACK_H
#define COMMON_BASE_MSGPACK_H

#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/bytes.h"

enum {
	MSGPACK_FIXMAP = 0x80,
	MSGPACK_FIXARRAY = 0x90,
	MSGPACK_FIXSTR = 0xa0,
	MSGPACK_NIL = 0xc0,
	MSGPACK_FALSE = 0xc2,
	MSGPACK_TRUE = 0xc3,
	MSGPACK_BIN_8 = 0xc4,
	MSGPACK_FLOAT_64 = 0xcb,
	MSGPACK_UINT_8 = 0xcc,
	MSGPACK_INT_8 = 0xd0,
	MSGPACK_STR_8 = 0xd9,
	MSGPACK_ARRAY_16 = 0xdc,
	MSGPACK_MAP_16 = 0xde,
};
#define MSGPACK_FIX_STRING_MAX 31
#define MSGPACK_FIX_COUNT_MAX 15

/* Appends a tag and an integer of `width` bytes. */
static inline void
msgpack_add(struct buffer *out, uint8_t tag, uint64_t value, unsigned width)
{
	uint8_t head[9] = {tag};

	bytes_write(head + 1, value, width);
	buffer_add(out, head, 1 + width);
}

/* Appends a length of 1, 2 or 4 bytes. The tags for the three widths are consecutive from `tag8`. */
static inline void
msgpack_add_length(struct buffer *out, uint8_t tag8, uint32_t n)
{
	if (n <= UINT8_MAX)
		msgpack_add(out, tag8, n, 1);
	else if (n <= UINT16_MAX)
		msgpack_add(out, tag8 + 1, n, 2);
	else
		msgpack_add(out, tag8 + 2, n, 4);
}

/* Appends the head of a string of `n` bytes of UTF-8. */
static inline void
msgpack_add_string(struct buffer *out, uint32_t n)
{
	if (n <= MSGPACK_FIX_STRING_MAX)
		buffer_add_byte(out, (uint8_t)(MSGPACK_FIXSTR | n));
	else
		msgpack_add_length(out, MSGPACK_STR_8, n);
}

/* Appends the head of an array of `n` elements. */
static inline void
msgpack_add_array(struct buffer *out, uint32_t n)
{
	if (n <= MSGPACK_FIX_COUNT_MAX)
		buffer_add_byte(out, (uint8_t)(MSGPACK_FIXARRAY | n));
	else if (n <= UINT16_MAX)
		msgpack_add(out, MSGPACK_ARRAY_16, n, 2);
	else
		msgpack_add(out, MSGPACK_ARRAY_16 + 1, n, 4);
}

/* Appends a non-negative integer. */
static inline void
msgpack_add_unsigned(struct buffer *out, uint64_t value)
{
	if (value < 0x80)
		buffer_add_byte(out, (uint8_t)value);
	else if (value <= UINT8_MAX)
		msgpack_add(out, MSGPACK_UINT_8, value, 1);
	else if (value <= UINT16_MAX)
		msgpack_add(out, MSGPACK_UINT_8 + 1, value, 2);
	else if (value <= UINT32_MAX)
		msgpack_add(out, MSGPACK_UINT_8 + 2, value, 4);
	else
		msgpack_add(out, MSGPACK_UINT_8 + 3, value, 8);
}

#endif
