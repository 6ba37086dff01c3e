/* Characters and words of ASCII that several layers read and write: hexadecimal digits, percent-encoding, the names
 * of days and months. No locale. */
#ifndef COMMON_BASE_ASCII_H
#define COMMON_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

extern const char ascii_hex_digits[17]; /* "0123456789abcdef" */
extern const char ascii_days[7][4];	/* "Sun" first, as in struct tm */
extern const char ascii_months[12][4];	/* "Jan" first, as in struct tm */

/* The value of a hexadecimal digit, or -1. */
static inline int
ascii_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that a text beginning with "%2F" stands for, or -1: it begins otherwise (RFC 3986 2.1). */
static inline int
ascii_percent(struct text t)
{
	int high, low;

	if (t.n < 3 || t.at[0] != '%')
		return -1;
	high = ascii_hex_value(t.at[1]);
	low = ascii_hex_value(t.at[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

#endif
