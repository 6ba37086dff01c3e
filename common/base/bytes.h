/* Integers of 1 to 8 bytes in network byte order, as in frames, MessagePack and PROXY headers. */
#ifndef COMMON_BASE_BYTES_H
#define COMMON_BASE_BYTES_H

#include <stdint.h>

static inline uint64_t
bytes_read(const uint8_t *at, unsigned width)
{
	uint64_t value = 0;

	while (width-- > 0)
		value = value << 8 | *at++;
	return value;
}

/* Writes the low `width` bytes of `value`; higher bytes are dropped. */
static inline void
bytes_write(uint8_t *at, uint64_t value, unsigned width)
{
	while (width-- > 0) {
		at[width] = (uint8_t)value;
		value >>= 8;
	}
}

#endif
