/*
 * The shortest decimal of a double, in ECMAScript's layout, without the C library's printf and thus without the
 * locale.
 *
 * The algorithm is Schubfach, from its description: Raffaello Giulietti, "The Schubfach way to render doubles". A
 * double v = c * 2^q stands for all reals that round to it. Some power of ten 10^k is at most as wide as that
 * interval, and 10^(k+1) is wider: of the multiples of 10^(k+1) at most one lies in it, and is then the shortest
 * decimal; else one of the multiples of 10^k next to v is. The ends of the interval and v, scaled by 10^-k, are
 * compared as integers with two fraction bits, for which a power of ten of 128 bits is exact enough.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/must.h"

#define FRACTION_BITS 52
#define HIDDEN_BIT (UINT64_C(1) << FRACTION_BITS)
#define Q_MIN (-1074) /* exponent of the least bit of subnormal numbers, and of the smallest normal ones */

typedef unsigned __int128 uint128;

/* ---------------------------------------------------------------------------- powers of ten */

#define POWER_MIN (-292)
#define POWER_MAX 324

/* 10^k as g * 2^e with 2^127 <= g < 2^128, cut to an integer, plus one. */
struct power {
	uint64_t high, low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];

/* A number while the powers are computed: its highest 256 bits, the most significant word last. */
struct wide {
	uint64_t word[4];
};

static void
wide_shift_left(struct wide *w, unsigned bits)
{
	for (int i = 3; i > 0 && bits > 0; i--)
		w->word[i] = w->word[i] << bits | w->word[i - 1] >> (64 - bits);
	w->word[0] <<= bits;
}

/* Times five; what exceeds 256 bits is shifted out at the lower end. */
static void
wide_times_five(struct wide *w)
{
	uint64_t carry = 0;
	unsigned bits;

	for (int i = 0; i < 4; i++) {
		uint128 product = (uint128)w->word[i] * 5 + carry;

		w->word[i] = (uint64_t)product;
		carry = (uint64_t)(product >> 64);
	}
	if (carry == 0)
		return;
	bits = 64 - (unsigned)__builtin_clzll(carry);
	for (int i = 0; i < 4; i++)
		w->word[i] = w->word[i] >> bits | (i < 3 ? w->word[i + 1] : carry) << (64 - bits);
}

/* By five, and the highest bit is set again. */
static void
wide_by_five(struct wide *w)
{
	uint64_t rest = 0;

	for (int i = 3; i >= 0; i--) {
		uint128 dividend = (uint128)rest << 64 | w->word[i];

		w->word[i] = (uint64_t)(dividend / 5);
		rest = (uint64_t)(dividend % 5);
	}
	wide_shift_left(w, (unsigned)__builtin_clzll(w->word[3]));
}

static struct power
wide_power(const struct wide *w)
{
	uint128 g = ((uint128)w->word[3] << 64 | w->word[2]) + 1;

	return (struct power){(uint64_t)(g >> 64), (uint64_t)g};
}

/*
 * The powers of two in 10^k only move the exponent. 256 bits hold 5^k exactly up to k = 110; beyond, and below 0,
 * what is cut off in 324 steps is far below the 128 bits that are kept.
 */
static void
powers_make(void)
{
	struct wide w = {{0, 0, 0, HIDDEN_BIT << 11}};

	for (int k = 0; k <= POWER_MAX; k++) {
		powers[k - POWER_MIN] = wide_power(&w);
		wide_times_five(&w);
	}
	w = (struct wide){{0, 0, 0, HIDDEN_BIT << 11}};
	for (int k = -1; k >= POWER_MIN; k--) {
		wide_by_five(&w);
		powers[k - POWER_MIN] = wide_power(&w);
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

/* Rounded down; right for every exponent of a double. */
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

/* g * n / 2^128; the lowest bit says whether something was cut off ("round to odd"). */
static uint64_t
scale(struct power g, uint64_t n)
{
	uint64_t low = (uint64_t)((uint128)g.low * n >> 64);
	uint128 sum = (uint128)g.high * n + low;

	/* g is too large by less than 1, and so the second word by less than 2 */
	return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* Of a positive finite value c * 2^q. */
static struct decimal
decimal_shortest(uint64_t c, int q)
{
	bool even = c % 2 == 0;			    /* then the ends of the interval round to the value too */
	bool narrow = c == HIDDEN_BIT && q > Q_MIN; /* the doubles below lie twice as close as those above */
	int k = narrow ? log10_of_3_quarters_of_power_of_2(q) : log10_of_power_of_2(q);
	int shift = q + log2_of_power_of_10(-k) + 1;
	struct power g = power_of_ten(-k);
	/* in quarters of 10^k */
	uint64_t lower = scale(g, (4 * c - (narrow ? 1 : 2)) << shift) + !even;
	uint64_t middle = scale(g, 4 * c << shift);
	uint64_t upper = scale(g, (4 * c + 2) << shift) - !even;
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
	/* both or neither: the nearer one, and of two as near the even one */
	above = middle > 4 * s + 2 || (middle == 4 * s + 2 && s % 2 != 0);
	return (struct decimal){s + above, k};
}

/* ---------------------------------------------------------------------------- writing */

#define DIGITS_MAX 20

/* Writes the digits without the zeros at their end, to the end of `out`. Returns where they begin, and counts both.
 */
static const char *
write_digits(struct decimal d, char out[DIGITS_MAX], size_t *n, int *zeros)
{
	char *at = out + DIGITS_MAX;

	for (*zeros = 0; d.digits % 10 == 0; ++*zeros)
		d.digits /= 10;
	for (; d.digits > 0; d.digits /= 10)
		*--at = (char)('0' + d.digits % 10);
	*n = (size_t)(out + DIGITS_MAX - at);
	return at;
}

/* The four layouts of ECMAScript's Number::toString; value = 0.DIGITS * 10^point. */
static void
write_layout(struct buffer *out, const char *digits, size_t n, int point)
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
	struct decimal d;
	const char *digits;
	uint64_t bits, c;
	int exponent, zeros;
	size_t n;

	if (!isfinite(value)) {
		buffer_add_text(out, TEXT("null"));
		return;
	}
	if (fabs(value) <= 9007199254740992.0 && value == (double)(int64_t)value) {
		buffer_add_number(out, (int64_t)value); /* all whole numbers of JavaScript's safe range, and -0 */
		return;
	}
	memcpy(&bits, &value, sizeof bits);
	c = bits & (HIDDEN_BIT - 1);
	exponent = (int)(bits >> FRACTION_BITS & 0x7ff);
	d = exponent > 0 ? decimal_shortest(c | HIDDEN_BIT, exponent - 1 + Q_MIN) : decimal_shortest(c, Q_MIN);
	digits = write_digits(d, room, &n, &zeros);
	if (value < 0)
		buffer_add_byte(out, '-');
	write_layout(out, digits, n, d.exponent + zeros + (int)n);
}
