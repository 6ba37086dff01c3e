/*
 * ASCII characters and words that several layers read and write: hexadecimal digits, percent-encoding, and the names
 * of days and months. Independent of the locale.
 */
#ifndef COMMON_BASE_ASCII_H
#define COMMON_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

extern const char ascii_hex_digits[17]; /* "0123456789abcdef" */
extern const char ascii_days[7][4];	/* "Sun" first, as in struct tm */
extern const char ascii_months[12][4];	/* "Jan" first, as in struct tm */

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Writes two lower-case hexadecimal digits for each byte, without a NUL. */
void ascii_hex_write(const void *bytes, size_t n, char *out);

/* Returns the value of a hexadecimal digit, or -1. */
static inline int
ascii_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Decodes the percent-encoding ("%2F", RFC 3986 section 2.1) at the start of a text. Returns the byte, or -1 if the
 * text does not begin with one.
 */
static inline int
ascii_percent(struct text text)
{
	int high, low;

	if (text.n < 3 || text.at[0] != '%')
		return -1;
	high = ascii_hex_value(text.at[1]);
	low = ascii_hex_value(text.at[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

#endif
