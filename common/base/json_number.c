/*
 * Numbers of JSON text. Nothing here depends on the locale: strtod() and snprintf() only see or give digits
 * and an exponent, never a decimal point that counts.
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

/* ---------------------------------------------------------------------------- writing */

/* value = 0.DIGITS * 10^point, DIGITS without trailing zeros. */
struct json_shortest {
	char digits[20];
	int n, point;
};

static bool
json_reads_back(const struct json_shortest *s, double value)
{
	char text[40];

	snprintf(text, sizeof text, "%.*se%d", s->n, s->digits, s->point - s->n);
	return strtod(text, NULL) == value;
}

/*
 * Rounds to `precision` digits; true if they read back as the same double. Below a power of two doubles lie twice as
 * close as above it: there the nearest decimal, if it is smaller, can miss while the next larger one hits.
 */
static bool
json_round(struct json_shortest *s, double value, int precision)
{
	char text[40];
	int unused;

	snprintf(text, sizeof text, "%.*e", precision - 1, value);
	s->digits[0] = text[0];
	if (precision > 1)
		memcpy(s->digits + 1, text + 2, (size_t)precision - 1); /* whatever stands for the point is skipped */
	s->n = precision;
	s->point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	if (json_reads_back(s, value))
		return true;
	if (frexp(value, &unused) != 0.5 || s->digits[precision - 1] == '9')
		return false;
	s->digits[precision - 1]++;
	return json_reads_back(s, value);
}

/*
 * The fewest digits that read back as the same double, and of those the nearest. A decimal of up to 15 digits
 * survives rounding to 15 digits, so shorter ones show by their zeros; subnormal numbers have fewer bits than that.
 */
static struct json_shortest
json_shortest(double value)
{
	struct json_shortest s;
	int precision = value < DBL_MIN ? 1 : DBL_DIG;

	while (!json_round(&s, value, precision) && precision < DBL_DECIMAL_DIG)
		precision++;
	while (s.n > 1 && s.digits[s.n - 1] == '0')
		s.n--;
	return s;
}

/* The four layouts of ECMAScript's Number::toString. */
static void
json_write_shortest(struct buffer *out, const struct json_shortest *s)
{
	static const char zeros[] = "000000000000000000000";

	if (s->point > 21 || s->point <= -6) {
		buffer_add(out, s->digits, 1);
		if (s->n > 1) {
			buffer_add_byte(out, '.');
			buffer_add(out, s->digits + 1, (size_t)s->n - 1);
		}
		buffer_add(out, s->point > 0 ? "e+" : "e", s->point > 0 ? 2 : 1);
		buffer_add_number(out, s->point - 1);
	} else if (s->point <= 0) {
		buffer_add_text(out, TEXT("0."));
		buffer_add(out, zeros, (size_t)-s->point);
		buffer_add(out, s->digits, (size_t)s->n);
	} else if (s->n <= s->point) {
		buffer_add(out, s->digits, (size_t)s->n);
		buffer_add(out, zeros, (size_t)(s->point - s->n));
	} else {
		buffer_add(out, s->digits, (size_t)s->point);
		buffer_add_byte(out, '.');
		buffer_add(out, s->digits + s->point, (size_t)(s->n - s->point));
	}
}

void
json_write_double(struct buffer *out, double value)
{
	struct json_shortest s;

	if (!isfinite(value)) {
		buffer_add_text(out, TEXT("null"));
		return;
	}
	if (fabs(value) <= 9007199254740992.0 && value == (double)(int64_t)value) {
		buffer_add_number(out, (int64_t)value); /* all whole numbers of JavaScript's safe range, and -0 */
		return;
	}
	if (value < 0)
		buffer_add_byte(out, '-');
	s = json_shortest(fabs(value));
	json_write_shortest(out, &s);
}
