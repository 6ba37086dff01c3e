/*
 * Scanning helpers of the JSON files: eight bytes at a time, or sixteen if the processor has SSE2 (every x86-64).
 * Private to common/base/json*.c.
 */
#ifndef COMMON_BASE_JSON_SCAN_H
#define COMMON_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_ONES UINT64_C(0x0101010101010101)
#define JSON_HIGH_BITS UINT64_C(0x8080808080808080)

/*
 * Loads eight bytes, the first one in the lowest position, so that counting trailing zero bits finds the first match.
 */
static inline uint64_t
json_word(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/*
 * Sets the high bit of each byte equal to `byte`. Bytes above a true match may be marked wrongly; the lowest mark is
 * always right.
 */
static inline uint64_t
json_word_has(uint64_t word, uint8_t byte)
{
	word ^= JSON_ONES * byte;
	return (word - JSON_ONES) & ~word & JSON_HIGH_BITS;
}

static inline bool
json_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *
json_blanks(const char *at, const char *end)
{
	while (at < end && json_blank(*at))
		at++;
	return at;
}

#ifdef __SSE2__
/* Returns one bit per byte, set if the byte is a quote, a backslash, a control character or not ASCII. */
static inline unsigned
json_stops(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)at);
	__m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* signed comparison: bytes from 0x80 on also count as below */
	__m128i below = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, escape), below));
}
#endif

/* Returns the first byte from `at` on that is a quote, a backslash, a control character or not ASCII, or `end`. */
static inline const char *
json_plain(const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		unsigned stops = json_stops(at);

		if (stops)
			return at + __builtin_ctz(stops);
	}
#endif
	for (; end - at >= 8; at += 8) {
		uint64_t word = json_word(at);
		uint64_t stop = json_word_has(word, '"') | json_word_has(word, '\\') |
				((word - JSON_ONES * 0x20) & ~word & JSON_HIGH_BITS) | (word & JSON_HIGH_BITS);

		if (stop)
			return at + (__builtin_ctzll(stop) >> 3);
	}
	while (at < end && *at != '"' && *at != '\\' && (uint8_t)*at >= 0x20 && (uint8_t)*at < 0x80)
		at++;
	return at;
}

#endif
