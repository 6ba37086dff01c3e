/*
 * How the JSON files look at text eight bytes at a time, or sixteen where the processor has SSE2 (every x86-64).
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

/* Eight bytes whose first one is the lowest, so that counting zero bits finds the first match. */
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

/* High bits of the bytes equal to `byte`; false alarms only above a true match, so the lowest one is right. */
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
/* One bit for each of the sixteen bytes that ends a string, escapes, is a control character or is not ASCII. */
static inline unsigned
json_stops(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)at);
	__m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	__m128i below = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* signed: bytes from 0x80 on are below, too */

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, escape), below));
}
#endif

/* The first byte from `at` that ends a string, escapes, is a control character or is not ASCII. */
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
