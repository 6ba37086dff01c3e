#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/utf8.h"

/*
 * The definition as a model: decodes a number without checks, then verifies that it is allowed and has no shorter
 * form. Returns the length of the sequence, 0 if it is invalid or cut short.
 */
static unsigned
model_length(const uint8_t *at, size_t n)
{
	unsigned length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c;

	if (length == 0 || length > n)
		return 0;
	if (length == 1)
		return 1;
	c = at[0] & (0x7f >> length);
	for (unsigned i = 1; i < length; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		c = c << 6 | (at[i] & 0x3f);
	}
	return c >= least[length] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) ? length : 0;
}

static bool
model_valid(const uint8_t *at, size_t n)
{
	while (n > 0) {
		unsigned length = model_length(at, n);

		if (length == 0)
			return false;
		at += length;
		n -= length;
	}
	return true;
}

static void
test_all_of_up_to_three_bytes(void **state)
{
	uint8_t b[3];

	(void)state;
	assert_true(utf8_valid(NULL, 0));
	for (unsigned x = 0; x < 256; x++) {
		b[0] = (uint8_t)x;
		assert_int_equal(utf8_valid(b, 1), model_valid(b, 1));
		for (unsigned y = 0; y < 256; y++) {
			b[1] = (uint8_t)y;
			assert_int_equal(utf8_valid(b, 2), model_valid(b, 2));
			for (unsigned z = 0; z < 256; z++) {
				b[2] = (uint8_t)z;
				if (utf8_valid(b, 3) != model_valid(b, 3))
					fail_msg("%02x %02x %02x", x, y, z);
			}
		}
	}
}

/* Values on both sides of each boundary that a byte can have in any place. */
static const uint8_t edges[] = {
	0x00,
	0x41,
	0x7f,
	0x80,
	0x8f,
	0x90,
	0x9f,
	0xa0,
	0xbf,
	0xc0,
	0xc1,
	0xc2,
	0xdf,
	0xe0,
	0xe1,
	0xec,
	0xed,
	0xee,
	0xef,
	0xf0,
	0xf1,
	0xf3,
	0xf4,
	0xf5,
	0xf8,
	0xff,
};
#define EDGES (sizeof edges)

/*
 * The result is the same for the whole text and for each cut. A prefix that no continuation makes valid is refused at
 * once.
 */
static void
check_cuts(const uint8_t *b, size_t n)
{
	bool valid = model_valid(b, n);

	if (utf8_valid(b, n) != valid)
		fail_msg("whole, %02x %02x %02x %02x", b[0], b[1], b[2], b[3]);
	for (size_t cut = 0; cut <= n; cut++) {
		struct utf8_state s = {0};
		bool fed = utf8_feed(&s, b, cut) && utf8_feed(&s, b + cut, n - cut);

		if ((fed && utf8_done(&s)) != valid)
			fail_msg("cut at %zu, %02x %02x %02x %02x", cut, b[0], b[1], b[2], b[3]);
	}
}

static void
test_boundaries_of_four_bytes_at_each_cut(void **state)
{
	uint8_t b[4];

	(void)state;
	for (size_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
		b[0] = edges[i % EDGES];
		b[1] = edges[i / EDGES % EDGES];
		b[2] = edges[i / EDGES / EDGES % EDGES];
		b[3] = edges[i / EDGES / EDGES / EDGES];
		check_cuts(b, 4);
	}
}

static void
test_every_code_point_by_single_bytes(void **state)
{
	uint8_t b[4];

	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		unsigned n = utf8_encode(c, b);
		struct utf8_state s = {0};

		if (c >= 0xd800 && c <= 0xdfff) {
			assert_true(n == 3 && memcmp(b, "\xef\xbf\xbd", 3) == 0);
			continue;
		}
		if (n != model_length(b, 4) || !utf8_valid(b, n))
			fail_msg("U+%x", c);
		for (unsigned i = 0; i < n; i++)
			if (!utf8_feed(&s, b + i, 1) || utf8_done(&s) != (i + 1 == n))
				fail_msg("U+%x at %u", c, i);
	}
	assert_int_equal(utf8_encode(0x110000, b), 3);
	assert_memory_equal(b, "\xef\xbf\xbd", 3);
	assert_int_equal(utf8_encode(UINT32_MAX, b), 3);
	assert_int_equal(utf8_encode(0x1f600, b), 4);
	assert_memory_equal(b, "\xf0\x9f\x98\x80", 4);
}

/* An invalid byte or a valid character at each place of ASCII texts of each length and alignment. */
static void
test_words_of_ascii(void **state)
{
	static uint8_t room[80];

	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		for (size_t n = 0; n <= 64; n++) {
			uint8_t *text = room + shift;

			memset(room, 0xff, sizeof room);
			memset(text, 'a', n);
			assert_true(utf8_valid(text, n));
			for (size_t i = 0; i < n; i++) {
				text[i] = 0x80;
				assert_false(utf8_valid(text, n));
				text[i] = 0xc3;
				assert_false(utf8_valid(text, n));
				if (i + 1 < n) {
					text[i + 1] = 0xa9;
					assert_true(utf8_valid(text, n));
					text[i + 1] = 'a';
				}
				text[i] = 'a';
			}
		}
	}
}

static void
test_invalid_is_known_at_the_first_hopeless_byte(void **state)
{
	static const char *const hopeless[] = {"\x80", "\xc0", "\xc1", "\xf5", "\xff", "\xe0\x9f", "\xed\xa0",
		"\xf0\x8f", "\xf4\x90", "\xc3(", "\xe2\x82(", "\xf0\x9f\x98("};

	(void)state;
	for (unsigned i = 0; i < sizeof hopeless / sizeof hopeless[0]; i++) {
		struct utf8_state s = {0};
		size_t n = strlen(hopeless[i]);

		assert_true(utf8_feed(&s, hopeless[i], n - 1));
		assert_false(utf8_feed(&s, hopeless[i] + n - 1, 1));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_up_to_three_bytes),
		cmocka_unit_test(test_boundaries_of_four_bytes_at_each_cut),
		cmocka_unit_test(test_every_code_point_by_single_bytes),
		cmocka_unit_test(test_words_of_ascii),
		cmocka_unit_test(test_invalid_is_known_at_the_first_hopeless_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
