/*
 * Numbers of JSON text, read. Nothing here depends on the locale: strtod() sees digits and an exponent, and never a
 * decimal point.
 */
#include "common/base/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Beyond it a number is 0 or infinite, whatever its digits (texts are < 2^30 bytes). */
#define EXPONENT_MAX 1000000000
#define DIGITS_EXACT 780 /* 767 digits decide any double; later ones only matter by not being zero */

/* A number as sign, the span of its significant digits (a point may be among them), and an exponent. */
struct json_decimal {
	const char *first, *last; /* first and last non-zero digit; NULL: the number is zero */
	bool negative;
	int64_t digits; /* from first to last, the point not counted */
	int64_t point;	/* value = 0.DIGITS * 10^point */
};

static int64_t
json_exponent(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	int64_t value = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end; at++)
		if (value < EXPONENT_MAX)
			value = value * 10 + (*at - '0');
	return negative ? -value : value;
}

static struct json_decimal
json_decimal(struct text number)
{
	struct json_decimal d = {0};
	const char *at = number.at, *end = number.at + number.n;
	int64_t index = 0, first = 0, last = 0, point = -1; /* counted in digits */

	if (at < end && *at == '-') {
		d.negative = true;
		at++;
	}
	for (; at < end && (*at | 0x20) != 'e'; at++) {
		if (*at == '.') {
			point = index;
			continue;
		}
		if (*at != '0') {
			if (!d.first) {
				d.first = at;
				first = index;
			}
			d.last = at;
			last = index;
		}
		index++;
	}
	d.point = (point < 0 ? index : point) - first;
	if (at < end)
		d.point += json_exponent(at + 1, end);
	d.digits = d.first ? last - first + 1 : 0;
	return d;
}

bool
json_number_integer(struct text number, bool *negative, uint64_t *magnitude)
{
	struct json_decimal d = json_decimal(number);
	uint64_t value = 0;
	int64_t i = 0;

	*negative = d.negative;
	*magnitude = 0;
	if (!d.first)
		return true;
	if (d.point < d.digits || d.point > 20) /* a fraction, or more digits than 2^64 has */
		return false;
	for (const char *at = d.first; i < d.point; i++) {
		unsigned digit = 0;

		if (i < d.digits) {
			if (*at == '.')
				at++;
			digit = (unsigned)(*at++ - '0');
		}
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*magnitude = value;
	return true;
}

bool
json_number_int(struct text number, int64_t *value)
{
	uint64_t magnitude;
	bool negative;

	if (!json_number_integer(number, &negative, &magnitude))
		return false;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}

/* Up to 15 digits and a small power of ten are exact doubles, so one operation rounds once (Clinger's fast path). */
static bool
json_double_fast(const struct json_decimal *d, double *value)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
		1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	int64_t exponent = d->point - d->digits;
	uint64_t mantissa = 0;

	if (FLT_EVAL_METHOD != 0 || d->digits > 15 || exponent < -22 || exponent > 22)
		return false;
	for (const char *at = d->first; at <= d->last; at++)
		if (*at != '.')
			mantissa = mantissa * 10 + (uint64_t)(*at - '0');
	*value = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
	return true;
}

double
json_number_double(struct text number)
{
	struct json_decimal d = json_decimal(number);
	char digits[DIGITS_EXACT + 32];
	double value = 0;
	size_t n = 0;

	if (!d.first)
		return d.negative ? -0.0 : 0.0;
	if (d.point > 400) {
		value = HUGE_VAL;
	} else if (d.point >= -400 && !json_double_fast(&d, &value)) {
		for (const char *at = d.first; at <= d.last && n < DIGITS_EXACT; at++)
			if (*at != '.')
				digits[n++] = *at;
		if (d.digits > (int64_t)n)
			digits[n++] = '1'; /* what was left out is not zero: d.last is not */
		snprintf(digits + n, sizeof digits - n, "e%d", (int)(d.point - (int64_t)n));
		value = strtod(digits, NULL);
	}
	return d.negative ? -value : value;
}
