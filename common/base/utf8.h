/* Checks UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), whole or in pieces. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns true if the bytes are valid UTF-8 as a whole. Zero bytes are valid. */
bool utf8_valid(const void *bytes, size_t n);

/* State between pieces; starts as { 0 }. */
struct utf8_state {
	uint8_t need; /* missing continuation bytes */
	uint8_t low;  /* bounds of the next continuation byte, inclusive */
	uint8_t high;
};

/* Checks the next piece. Returns false if the bytes can no longer become valid. */
bool utf8_feed(struct utf8_state *state, const void *bytes, size_t n);

/* Returns true if the text may end here. */
static inline bool
utf8_done(const struct utf8_state *state)
{
	return state->need == 0;
}

/* Writes code point `c` and returns its length, 1 to 4. A surrogate or a value above U+10FFFF becomes U+FFFD. */
unsigned utf8_encode(uint32_t c, uint8_t out[4]);

#endif
