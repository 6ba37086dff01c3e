/*
 * Writes the shortest decimal of a double in the layout of ECMAScript. It does not use printf() and so does not
 * depend on the locale.
 *
 * The algorithm is Schubfach, written from its description: Raffaello Giulietti, "The Schubfach way to render
 * doubles". A double v = c * 2^q stands for all real numbers that round to it. Choose k so that 10^k is at most as
 * wide as that interval and 10^(k+1) is wider. At most one multiple of 10^(k+1) lies in the interval; if one does, it
 * is the shortest decimal. Otherwise the result is one of the two multiples of 10^k next to v. The ends of the
 * interval and v are scaled by 10^-k and compared as integers with two fraction bits, for which a 128-bit power of
 * ten is exact enough.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/must.h"

#define FRACTION_BITS 52
#define HIDDEN_BIT (UINT64_C(1) << FRACTION_BITS)
#define Q_MIN (-1074) /* exponent of the lowest bit of subnormal numbers and of the smallest normal numbers */

typedef unsigned __int128 uint128;

/* ---------------------------------------------------------------------------- powers of ten */

#define POWER_MIN (-292)
#define POWER_MAX 324

/* 10^k as g * 2^e with 2^127 <= g < 2^128. g is truncated to an integer, plus one. */
struct power {
	uint64_t high, low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];

/* The highest 256 bits of a number while the powers are computed; the most significant word is last. */
struct wide {
	uint64_t word[4];
};

static void
wide_shift_left(struct wide *wide, unsigned bits)
{
	for (int i = 3; i > 0 && bits > 0; i--)
		wide->word[i] = wide->word[i] << bits | wide->word[i - 1] >> (64 - bits);
	wide->word[0] <<= bits;
}

/* Multiplies by five. If the result exceeds 256 bits, low bits are shifted out. */
static void
wide_times_five(struct wide *wide)
{
	uint64_t carry = 0;
	unsigned bits;

	for (int i = 0; i < 4; i++) {
		uint128 product = (uint128)wide->word[i] * 5 + carry;

		wide->word[i] = (uint64_t)product;
		carry = (uint64_t)(product >> 64);
	}
	if (carry == 0)
		return;
	bits = 64 - (unsigned)__builtin_clzll(carry);
	for (int i = 0; i < 4; i++)
		wide->word[i] = wide->word[i] >> bits | (i < 3 ? wide->word[i + 1] : carry) << (64 - bits);
}

/* Divides by five and shifts the highest bit back into place. */
static void
wide_divide_by_five(struct wide *wide)
{
	uint64_t rest = 0;

	for (int i = 3; i >= 0; i--) {
		uint128 dividend = (uint128)rest << 64 | wide->word[i];

		wide->word[i] = (uint64_t)(dividend / 5);
		rest = (uint64_t)(dividend % 5);
	}
	wide_shift_left(wide, (unsigned)__builtin_clzll(wide->word[3]));
}

static struct power
wide_power(const struct wide *wide)
{
	uint128 g = ((uint128)wide->word[3] << 64 | wide->word[2]) + 1;

	return (struct power){(uint64_t)(g >> 64), (uint64_t)g};
}

/*
 * Computes the table from powers of five; the powers of two in 10^k change the exponent only. 256 bits hold 5^k
 * exactly up to k = 110. For other k, the error of at most 324 truncations stays far below the 128 bits that are
 * kept.
 */
static void
powers_make(void)
{
	struct wide wide = {{0, 0, 0, HIDDEN_BIT << 11}};

	for (int k = 0; k <= POWER_MAX; k++) {
		powers[k - POWER_MIN] = wide_power(&wide);
		wide_times_five(&wide);
	}
	wide = (struct wide){{0, 0, 0, HIDDEN_BIT << 11}};
	for (int k = -1; k >= POWER_MIN; k--) {
		wide_divide_by_five(&wide);
		powers[k - POWER_MIN] = wide_power(&wide);
	}
}

static struct power
power_of_ten(int k)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, powers_make) == 0);
	must(k >= POWER_MIN && k <= POWER_MAX);
	return powers[k - POWER_MIN];
}

/* The logarithms are rounded down and exact for every exponent of a double. */
static int
log10_of_power_of_2(int e)
{
	return (e * 1262611) >> 22;
}

static int
log10_of_3_quarters_of_power_of_2(int e)
{
	return (e * 1262611 - 524031) >> 22;
}

static int
log2_of_power_of_10(int e)
{
	return (e * 1741647) >> 19;
}

/* ---------------------------------------------------------------------------- the shortest decimal */

/* value = digits * 10^exponent */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* Returns g * n / 2^128. The lowest bit is set if a fraction was dropped ("round to odd"). */
static uint64_t
power_scale(struct power power, uint64_t n)
{
	uint64_t low = (uint64_t)((uint128)power.low * n >> 64);
	uint128 sum = (uint128)power.high * n + low;

	/* g is too large by less than 1, so the second word is too large by less than 2 */
	return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* Returns the shortest decimal of the positive finite value c * 2^q. */
static struct decimal
decimal_shortest(uint64_t c, int q)
{
	bool even = c % 2 == 0; /* the ends of the interval round to the value too */
	/* the next smaller double is half as far away as the next larger one */
	bool narrow = c == HIDDEN_BIT && q > Q_MIN;
	int k = narrow ? log10_of_3_quarters_of_power_of_2(q) : log10_of_power_of_2(q);
	int shift = q + log2_of_power_of_10(-k) + 1;
	struct power power = power_of_ten(-k);
	/* in units of a quarter of 10^k */
	uint64_t lower = power_scale(power, (4 * c - (narrow ? 1 : 2)) << shift) + !even;
	uint64_t middle = power_scale(power, 4 * c << shift);
	uint64_t upper = power_scale(power, (4 * c + 2) << shift) - !even;
	uint64_t s = middle / 4;
	bool below, above;

	if (s >= 10) {
		uint64_t tens = s / 10;

		below = lower <= 40 * tens;
		above = 40 * tens + 40 <= upper;
		if (below != above)
			return (struct decimal){tens + above, k + 1};
	}
	below = lower <= 4 * s;
	above = 4 * s + 4 <= upper;
	if (below != above)
		return (struct decimal){s + above, k};
	/* both or neither lie in the interval: take the nearer one, on a tie the even one */
	above = middle > 4 * s + 2 || (middle == 4 * s + 2 && s % 2 != 0);
	return (struct decimal){s + above, k};
}

/* ---------------------------------------------------------------------------- writing */

#define DIGITS_MAX 20

/*
 * Writes the digits without trailing zeros to the end of `out`. Returns their start, and counts the digits and the
 * zeros.
 */
static const char *
double_write_digits(struct decimal decimal, char out[DIGITS_MAX], size_t *n, int *zeros)
{
	char *at = out + DIGITS_MAX;

	for (*zeros = 0; decimal.digits % 10 == 0; ++*zeros)
		decimal.digits /= 10;
	for (; decimal.digits > 0; decimal.digits /= 10)
		*--at = (char)('0' + decimal.digits % 10);
	*n = (size_t)(out + DIGITS_MAX - at);
	return at;
}

/* Appends one of the four layouts of ECMAScript's Number::toString; value = 0.DIGITS * 10^point. */
static void
double_write_layout(struct buffer *out, const char *digits, size_t n, int point)
{
	static const char zeros[] = "000000000000000000000";

	if (point > 21 || point <= -6) {
		buffer_add(out, digits, 1);
		if (n > 1) {
			buffer_add_byte(out, '.');
			buffer_add(out, digits + 1, n - 1);
		}
		buffer_add(out, point > 0 ? "e+" : "e", point > 0 ? 2 : 1);
		buffer_add_number(out, point - 1);
	} else if (point <= 0) {
		buffer_add_text(out, TEXT("0."));
		buffer_add(out, zeros, (size_t)-point);
		buffer_add(out, digits, n);
	} else if (n <= (size_t)point) {
		buffer_add(out, digits, n);
		buffer_add(out, zeros, (size_t)point - n);
	} else {
		buffer_add(out, digits, (size_t)point);
		buffer_add_byte(out, '.');
		buffer_add(out, digits + point, n - (size_t)point);
	}
}

void
json_write_double(struct buffer *out, double value)
{
	char room[DIGITS_MAX];
	struct decimal decimal;
	const char *digits;
	uint64_t bits, c;
	int exponent, zeros;
	size_t n;

	if (!isfinite(value)) {
		buffer_add_text(out, TEXT("null"));
		return;
	}
	if (fabs(value) <= 9007199254740992.0 && value == (double)(int64_t)value) {
		/* whole numbers up to 2^53, which double represents exactly, and -0 */
		buffer_add_number(out, (int64_t)value);
		return;
	}
	memcpy(&bits, &value, sizeof bits);
	c = bits & (HIDDEN_BIT - 1);
	exponent = (int)(bits >> FRACTION_BITS & 0x7ff);
	decimal = exponent > 0 ? decimal_shortest(c | HIDDEN_BIT, exponent - 1 + Q_MIN) : decimal_shortest(c, Q_MIN);
	digits = double_write_digits(decimal, room, &n, &zeros);
	if (value < 0)
		buffer_add_byte(out, '-');
	double_write_layout(out, digits, n, decimal.exponent + zeros + (int)n);
}
