/*
 * UTF-8 validity (RFC 3629: no overlongs, no surrogates, nothing above
 * U+10FFFF), whole or in pieces.
 */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if the n bytes are valid UTF-8 from end to end; none are. */
bool utf8_valid(const void *bytes, size_t n);

/* The state between pieces; starts as { 0 }. */
struct utf8_state {
	uint8_t need; /* continuation bytes still missing */
	uint8_t low;  /* bounds of the next continuation byte */
	uint8_t high;
};

/* Feeds a piece. False as soon as the bytes can no longer become valid. */
bool utf8_feed(struct utf8_state *s, const void *bytes, size_t n);

/* True if the text may end here. */
static inline bool
utf8_done(const struct utf8_state *s)
{
	return s->need == 0;
}

/* Writes code point `c` (a surrogate or > U+10FFFF becomes U+FFFD) and returns the length, 1 to 4. */
unsigned utf8_encode(uint32_t c, uint8_t out[4]);

#endif
