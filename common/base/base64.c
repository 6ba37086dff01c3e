#include "common/base/base64.h"

#include "common/base/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO 0x40 /* outside of the alphabet: a bit that no value has */
#define NO_16 NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO

/* clang-format off */
static const uint8_t values[256] = {
	NO_16, NO_16,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, NO, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
	NO,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, NO,
	NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
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

int64_t
base64_decode(struct text in, uint8_t *out)
{
	const uint8_t *from = (const uint8_t *)in.at;
	size_t n = in.n;
	uint8_t *to = out;
	uint32_t a, b, c, d;

	if (n > 0 && n % 4 == 0 && from[n - 1] == '=')
		n -= from[n - 2] == '=' ? 2 : 1;
	if (n % 4 == 1)
		return ERROR_SYNTAX;
	for (; n >= 4; n -= 4, from += 4) {
		a = values[from[0]];
		b = values[from[1]];
		c = values[from[2]];
		d = values[from[3]];
		if ((a | b | c | d) & NO)
			return ERROR_SYNTAX;
		*to++ = (uint8_t)(a << 2 | b >> 4);
		*to++ = (uint8_t)(b << 4 | c >> 2);
		*to++ = (uint8_t)(c << 6 | d);
	}
	if (n > 0) {
		a = values[from[0]];
		b = values[from[1]];
		c = n > 2 ? values[from[2]] : 0;
		if ((a | b | c) & NO)
			return ERROR_SYNTAX;
		*to++ = (uint8_t)(a << 2 | b >> 4);
		if (n > 2)
			*to++ = (uint8_t)(b << 4 | c >> 2);
	}
	return to - out;
}

const char base64url_alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int
base64url_value(char c)
{
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return c == '+' || c == '/' || values[(uint8_t)c] == NO ? -1 : values[(uint8_t)c];
}
