#include "common/base/text.h"

#include "common/base/error.h"

static unsigned char
text_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool
text_same_nocase_bytewise(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && text_lower((unsigned char)a[i]) != text_lower((unsigned char)b[i]))
			return false;
	return true;
}

/*
 * Compares eight bytes at a time. The two cases of a letter differ in one bit, so most different texts are found in
 * the first step.
 */
bool
text_same_nocase(const char *a, const char *b, size_t n)
{
	const uint64_t case_bits = UINT64_C(0x2020202020202020);
	size_t i = 0;

	for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t x, y;

		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		if (x == y)
			continue;
		if (((x ^ y) & ~case_bits) != 0 || !text_same_nocase_bytewise(a + i, b + i, sizeof x))
			return false;
	}
	return text_same_nocase_bytewise(a + i, b + i, n - i);
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
