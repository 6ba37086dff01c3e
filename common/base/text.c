#include "common/base/text.h"

#include "common/base/error.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Compares eight bytes. The two cases of a letter differ in one bit. */
static bool
eight_same_nocase(uint64_t x, uint64_t y)
{
	const uint64_t case_bits = EACH_BYTE(0x20), high_bits = EACH_BYTE(0x80);
	uint64_t folded = (x | case_bits) & ~high_bits, differ = (x ^ y) << 2;
	/* the high bit of a byte: it is "a" or above; it is above "z" */
	uint64_t from_a = folded + EACH_BYTE(0x80 - 'a'), above_z = folded + EACH_BYTE(0x7f - 'z');

	return ((x ^ y) & ~case_bits) == 0 && (differ & ~(from_a & ~above_z & ~x)) == 0;
}

/* Returns up to eight bytes. */
static inline uint64_t
text_eight(const char *at, size_t n)
{
	uint64_t word = 0;
	uint32_t first, last;

	if (n == sizeof word) {
		memcpy(&word, at, sizeof word);
	} else if (n >= sizeof first) {
		memcpy(&first, at, sizeof first);
		memcpy(&last, at + n - sizeof last, sizeof last);
		word = first | (uint64_t)last << 32;
	} else {
		for (size_t i = 0; i < n; i++)
			word = word << 8 | (unsigned char)at[i];
	}
	return word;
}

bool
text_same_nocase(const char *a, const char *b, size_t n)
{
	uint64_t x, y;

	for (; n > sizeof(uint64_t); a += sizeof(uint64_t), b += sizeof(uint64_t), n -= sizeof(uint64_t)) {
		x = text_eight(a, sizeof(uint64_t));
		y = text_eight(b, sizeof(uint64_t));
		if (x != y && !eight_same_nocase(x, y))
			return false;
	}
	x = text_eight(a, n);
	y = text_eight(b, n);
	return x == y || eight_same_nocase(x, y);
}

bool
text_starts(struct text whole, struct text prefix)
{
	return whole.n >= prefix.n && text_is(text_of(whole.at, prefix.n), prefix);
}

bool
text_ends(struct text whole, struct text suffix)
{
	return whole.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(whole.at + whole.n - suffix.n, suffix.at, suffix.n) == 0);
}

bool
text_has(struct text whole, struct text part)
{
	return part.n == 0 || (whole.n >= part.n && memmem(whole.at, whole.n, part.at, part.n) != NULL);
}

static bool
text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct text
text_trim(struct text text)
{
	while (text.n > 0 && text_is_blank(text.at[0])) {
		text.at++;
		text.n--;
	}
	while (text.n > 0 && text_is_blank(text.at[text.n - 1]))
		text.n--;
	return text;
}

bool
text_cut(struct text *rest, char separator, struct text *part)
{
	const char *found;

	if (rest->n == 0)
		return false;
	found = memchr(rest->at, separator, rest->n);
	if (!found) {
		*part = *rest;
		rest->at += rest->n;
		rest->n = 0;
		return true;
	}
	*part = text_of(rest->at, (size_t)(found - rest->at));
	rest->at = found + 1;
	rest->n -= part->n + 1;
	return true;
}

int
text_number(struct text text, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;
	bool big = false;

	if (text.n == 0)
		return ERROR_SYNTAX;
	for (size_t i = 0; i < text.n; i++) {
		unsigned digit = (unsigned char)text.at[i] - (unsigned)'0';

		if (digit > 9)
			return ERROR_SYNTAX;
		if (digit > max || sum > (max - digit) / 10)
			big = true;
		else
			sum = sum * 10 + digit;
	}
	if (big)
		return ERROR_TOO_BIG;
	*value = sum;
	return 0;
}
