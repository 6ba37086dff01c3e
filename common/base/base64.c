#include "common/base/base64.h"

#include <stdbool.h>

#include "common/base/error.h"

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO 0x40	   /* not in the alphabet: a bit that no value has */
#define BLANK 0x41 /* white space: not in the alphabet, but skipped by the lax decoder */
#define NO_4 NO, NO, NO, NO
#define NO_16 NO_4, NO_4, NO_4, NO_4

/* clang-format off */
#define DIGITS 52, 53, 54, 55, 56, 57, 58, 59, 60, 61
#define UPPER 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25
#define LOWER 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51

static const uint8_t strict_values[256] = {
	NO_16, NO_16,
	NO_4, NO_4, NO, NO, NO, 62, NO, NO, NO, 63,
	DIGITS, NO, NO, NO, NO, NO, NO,
	NO, UPPER, NO, NO, NO, NO, NO,
	NO, LOWER, NO, NO, NO, NO, NO,
	NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16,
};

/* Also accepts the URL alphabet (RFC 4648 section 5), and marks TAB, LF, FF, CR and space as white space. */
static const uint8_t loose_values[256] = {
	NO_4, NO_4, NO, BLANK, BLANK, NO, BLANK, BLANK, NO, NO, NO_16,
	BLANK, NO, NO, NO, NO_4, NO, NO, NO, 62, NO, 62, NO, 63,
	DIGITS, NO, NO, NO, NO, NO, NO,
	NO, UPPER, NO, NO, NO, NO, 63,
	NO, LOWER, NO, NO, NO, NO, NO,
	NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16,
};
/* clang-format on */

void
base64_encode(const void *bytes, size_t n, char *out)
{
	const uint8_t *in = bytes;

	for (; n >= 3; n -= 3, in += 3) {
		uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		*out++ = base64_alphabet[bits >> 18];
		*out++ = base64_alphabet[bits >> 12 & 63];
		*out++ = base64_alphabet[bits >> 6 & 63];
		*out++ = base64_alphabet[bits & 63];
	}
	if (n > 0) {
		uint32_t bits = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0);

		*out++ = base64_alphabet[bits >> 18];
		*out++ = base64_alphabet[bits >> 12 & 63];
		*out++ = n > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
		*out++ = '=';
	}
}

/* Decodes four characters to three bytes. Returns false if one is not in the alphabet. */
static bool
base64_decode_four(const uint8_t *table, const uint8_t *from, uint8_t *to)
{
	uint32_t a = table[from[0]], b = table[from[1]], c = table[from[2]], d = table[from[3]];

	if ((a | b | c | d) & NO)
		return false;
	to[0] = (uint8_t)(a << 2 | b >> 4);
	to[1] = (uint8_t)(b << 4 | c >> 2);
	to[2] = (uint8_t)(c << 6 | d);
	return true;
}

/* Writes the one or two bytes of the last two or three characters, whose value is `bits`. */
static uint8_t *
base64_decode_rest(uint32_t bits, unsigned count, uint8_t *to)
{
	bits <<= 6 * (4 - count);
	*to++ = (uint8_t)(bits >> 16);
	if (count == 3)
		*to++ = (uint8_t)(bits >> 8);
	return to;
}

int64_t
base64_decode(struct text in, uint8_t *out)
{
	const uint8_t *from = (const uint8_t *)in.at, *end = in.n > 0 ? from + in.n : from;
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned padding = 0;

	if (in.n % 4 != 0)
		return ERROR_SYNTAX;
	if (in.n > 0 && end[-1] == '=')
		padding = end[-2] == '=' ? 2 : 1;
	for (; end - from > (padding > 0 ? 4 : 0); from += 4, to += 3) {
		if (!base64_decode_four(strict_values, from, to))
			return ERROR_SYNTAX;
	}
	for (unsigned i = 0; padding > 0 && i < 4 - padding; i++) {
		if (strict_values[from[i]] & NO)
			return ERROR_SYNTAX;
		bits = bits << 6 | strict_values[from[i]];
	}
	return (padding > 0 ? base64_decode_rest(bits, 4 - padding, to) : to) - out;
}

/* Returns true if the rest, after the first "=", consists of at most `more` further "=" and white space. */
static bool
base64_only_padding(const uint8_t *at, const uint8_t *end, unsigned more)
{
	for (; at < end; at++) {
		if (*at == '=' && more > 0)
			more--;
		else if (loose_values[*at] != BLANK)
			return false;
	}
	return true;
}

int64_t
base64_decode_loose(struct text in, uint8_t *out)
{
	const uint8_t *from = (const uint8_t *)in.at, *end = in.n > 0 ? from + in.n : from;
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned held = 0; /* characters of a group that white space or the end interrupts */

	while (from < end) {
		uint8_t value;

		if (held == 0 && end - from >= 4 && base64_decode_four(loose_values, from, to)) {
			from += 4;
			to += 3;
			continue;
		}
		value = loose_values[*from++];
		if (value < 64) {
			bits = bits << 6 | value;
			if (++held < 4)
				continue;
			*to++ = (uint8_t)(bits >> 16);
			*to++ = (uint8_t)(bits >> 8);
			*to++ = (uint8_t)bits;
			bits = held = 0;
		} else if (value != BLANK) {
			if (from[-1] != '=' || held < 2 || !base64_only_padding(from, end, 3 - held))
				return ERROR_SYNTAX;
			break;
		}
	}
	if (held == 1)
		return ERROR_SYNTAX;
	return (held > 0 ? base64_decode_rest(bits, held, to) : to) - out;
}

const char base64url_alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int
base64url_value(char c)
{
	return c == '+' || c == '/' || loose_values[(uint8_t)c] >= NO ? -1 : loose_values[(uint8_t)c];
}
