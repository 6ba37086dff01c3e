/*
 * Reads the numbers of JSON text. Nothing depends on the locale: strtod() is only given digits and an exponent, never
 * a decimal point.
 */
#include "common/base/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* With a larger exponent, a number is 0 or infinite whatever its digits, since texts are shorter than 2^30 bytes. */
#define EXPONENT_MAX 1000000000
/* 767 digits determine any double; of later digits it only matters whether one is not zero */
#define DIGITS_EXACT 780

/* A number as a sign, the range of its significant digits (which may include a point) and an exponent. */
struct json_decimal {
	const char *first, *last; /* first and last non-zero digit; NULL if the number is zero */
	bool negative;
	int64_t digits; /* digits from `first` to `last`, without the point */
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
	struct json_decimal decimal = {0};
	const char *at = number.at, *end = number.at + number.n;
	int64_t index = 0, first = 0, last = 0, point = -1; /* positions, counted in digits */

	if (at < end && *at == '-') {
		decimal.negative = true;
		at++;
	}
	for (; at < end && (*at | 0x20) != 'e'; at++) {
		if (*at == '.') {
			point = index;
			continue;
		}
		if (*at != '0') {
			if (!decimal.first) {
				decimal.first = at;
				first = index;
			}
			decimal.last = at;
			last = index;
		}
		index++;
	}
	decimal.point = (point < 0 ? index : point) - first;
	if (at < end)
		decimal.point += json_exponent(at + 1, end);
	decimal.digits = decimal.first ? last - first + 1 : 0;
	return decimal;
}

bool
json_number_integer(struct text number, bool *negative, uint64_t *magnitude)
{
	struct json_decimal decimal = json_decimal(number);
	uint64_t value = 0;
	int64_t i = 0;

	*negative = decimal.negative;
	*magnitude = 0;
	if (!decimal.first)
		return true;
	if (decimal.point < decimal.digits ||
		decimal.point > 20) /* a fraction, or more digits than any number below 2^64 */
		return false;
	for (const char *at = decimal.first; i < decimal.point; i++) {
		unsigned digit = 0;

		if (i < decimal.digits) {
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

/*
 * Up to 15 digits and a small power of ten are exact as doubles, so a single operation rounds only once (Clinger's
 * fast path).
 */
static bool
json_double_fast(const struct json_decimal *decimal, double *value)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
		1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	int64_t exponent = decimal->point - decimal->digits;
	uint64_t mantissa = 0;

	if (FLT_EVAL_METHOD != 0 || decimal->digits > 15 || exponent < -22 || exponent > 22)
		return false;
	for (const char *at = decimal->first; at <= decimal->last; at++)
		if (*at != '.')
			mantissa = mantissa * 10 + (uint64_t)(*at - '0');
	*value = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
	return true;
}

double
json_number_double(struct text number)
{
	struct json_decimal decimal = json_decimal(number);
	char digits[DIGITS_EXACT + 32];
	double value = 0;
	size_t n = 0;

	if (!decimal.first)
		return decimal.negative ? -0.0 : 0.0;
	if (decimal.point > 400) {
		value = HUGE_VAL;
	} else if (decimal.point >= -400 && !json_double_fast(&decimal, &value)) {
		for (const char *at = decimal.first; at <= decimal.last && n < DIGITS_EXACT; at++)
			if (*at != '.')
				digits[n++] = *at;
		if (decimal.digits > (int64_t)n)
			digits[n++] = '1'; /* the omitted digits are not all zero, since d.last is not */
		snprintf(digits + n, sizeof digits - n, "e%d", (int)(decimal.point - (int64_t)n));
		value = strtod(digits, NULL);
	}
	return decimal.negative ? -value : value;
}
