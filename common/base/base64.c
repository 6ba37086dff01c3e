#include "common/base/base64.h"

#include <stdbool.h>

#include "common/base/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO 0x40	   /* outside of the alphabet: a bit that no value has */
#define BLANK 0x41 /* the same, but skipped where one is not strict */
#define NO_4 NO, NO, NO, NO
#define NO_16 NO_4, NO_4, NO_4, NO_4

/* clang-format off */
#define DIGITS 52, 53, 54, 55, 56, 57, 58, 59, 60, 61
#define UPPER 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25
#define LOWER 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51

static const uint8_t strict[256] = {
	NO_16, NO_16,
	NO_4, NO_4, NO, NO, NO, 62, NO, NO, NO, 63,
	DIGITS, NO, NO, NO, NO, NO, NO,
	NO, UPPER, NO, NO, NO, NO, NO,
	NO, LOWER, NO, NO, NO, NO, NO,
	NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16, NO_16,
};

/* With the alphabet for URLs (RFC 4648 section 5), TAB, LF, FF, CR and blank. */
static const uint8_t loose[256] = {
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

		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = alphabet[bits >> 6 & 63];
		*out++ = alphabet[bits & 63];
	}
	if (n > 0) {
		uint32_t bits = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0);

		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = n > 1 ? alphabet[bits >> 6 & 63] : '=';
		*out++ = '=';
	}
}

/* Four characters of the alphabet to three bytes. False: another character is among them. */
static bool
decode_four(const uint8_t *table, const uint8_t *from, uint8_t *to)
{
	uint32_t a = table[from[0]], b = table[from[1]], c = table[from[2]], d = table[from[3]];

	if ((a | b | c | d) & NO)
		return false;
	to[0] = (uint8_t)(a << 2 | b >> 4);
	to[1] = (uint8_t)(b << 4 | c >> 2);
	to[2] = (uint8_t)(c << 6 | d);
	return true;
}

/* The last two or three characters, `bits`, to one or two bytes. */
static uint8_t *
decode_rest(uint32_t bits, unsigned count, uint8_t *to)
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
		if (!decode_four(strict, from, to))
			return ERROR_SYNTAX;
	}
	for (unsigned i = 0; padding > 0 && i < 4 - padding; i++) {
		if (strict[from[i]] & NO)
			return ERROR_SYNTAX;
		bits = bits << 6 | strict[from[i]];
	}
	return (padding > 0 ? decode_rest(bits, 4 - padding, to) : to) - out;
}

/* Behind the first "=": up to `more` further ones, and blanks. */
static bool
padding_ends(const uint8_t *at, const uint8_t *end, unsigned more)
{
	for (; at < end; at++) {
		if (*at == '=' && more > 0)
			more--;
		else if (loose[*at] != BLANK)
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
	unsigned held = 0; /* characters of a group that a blank or the end cuts */

	while (from < end) {
		uint8_t value;

		if (held == 0 && end - from >= 4 && decode_four(loose, from, to)) {
			from += 4;
			to += 3;
			continue;
		}
		value = loose[*from++];
		if (value < 64) {
			bits = bits << 6 | value;
			if (++held < 4)
				continue;
			*to++ = (uint8_t)(bits >> 16);
			*to++ = (uint8_t)(bits >> 8);
			*to++ = (uint8_t)bits;
			bits = held = 0;
		} else if (value != BLANK) {
			if (from[-1] != '=' || held < 2 || !padding_ends(from, end, 3 - held))
				return ERROR_SYNTAX;
			break;
		}
	}
	if (held == 1)
		return ERROR_SYNTAX;
	return (held > 0 ? decode_rest(bits, held, to) : to) - out;
}

const char base64url_alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int
base64url_value(char c)
{
	return c == '+' || c == '/' || loose[(uint8_t)c] >= NO ? -1 : loose[(uint8_t)c];
}
