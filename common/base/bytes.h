/* Numbers of 1 to 8 bytes in network order, as frames, MessagePack and PROXY headers have them. */
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

/* What does not fit into `width` bytes is cut off. */
static inline void
bytes_write(uint8_t *at, uint64_t value, unsigned width)
{
	while (width-- > 0) {
		at[width] = (uint8_t)value;
		value >>= 8;
	}
}

#endif
