#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static void
test_vectors_of_rfc_4648(void **state)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};

	(void)state;
	for (unsigned i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct text plain = text_from(vectors[i][0]), coded = text_from(vectors[i][1]);
		char out[16];
		uint8_t back[16];

		assert_int_equal(BASE64_ENCODED(plain.n), coded.n);
		base64_encode(plain.at, plain.n, out);
		assert_memory_equal(out, coded.at, coded.n);
		assert_int_equal(base64_decode(coded, back), plain.n);
		assert_memory_equal(back, plain.at, plain.n);
	}
	assert_int_equal(base64_decode(TEXT_NONE, NULL), 0);
}

/* Every length, in memory of exactly the needed size, so that a sanitizer sees each byte beyond it. */
static void
test_round_trip_of_each_length(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300; n++) {
		size_t coded = BASE64_ENCODED(n), bare = (n * 4 + 2) / 3;
		uint8_t *plain = mem_alloc(n), *back = mem_alloc(BASE64_DECODED_MAX(coded));
		char *out = mem_alloc(coded);

		for (size_t i = 0; i < n; i++)
			plain[i] = (uint8_t)(i * 89 + n * 31);
		base64_encode(plain, n, out);
		assert_int_equal(base64_decode(text_of(out, coded), back), n);
		assert_memory_equal(back, plain, n);

		assert_int_equal(base64_decode_loose(text_of(out, coded), back), n);
		assert_memory_equal(back, plain, n);

		/* without padding */
		assert_int_equal(base64_decode(text_of(out, bare), back), bare == coded ? (int64_t)n : ERROR_SYNTAX);
		assert_int_equal(base64_decode_loose(text_of(out, bare), back), n);
		assert_memory_equal(back, plain, n);

		/* in place */
		assert_int_equal(base64_decode(text_of(out, coded), (uint8_t *)out), n);
		assert_memory_equal(out, plain, n);
		mem_free(plain);
		mem_free(back);
		mem_free(out);
	}
}

static bool
in_alphabet(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static void
test_each_byte_at_each_place(void **state)
{
	uint8_t back[8];

	(void)state;
	for (int c = 0; c < 256; c++) {
		for (unsigned n = 2; n <= 8; n++) {
			for (unsigned at = 0; at < n; at++) {
				char coded[8] = {'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A'};
				bool padding = c == '=' && n % 4 == 0 && at == n - 1;
				int64_t result;

				if (n % 4 != 0)
					continue;
				coded[at] = (char)c;
				result = base64_decode(text_of(coded, n), back);
				if (in_alphabet(c))
					assert_int_equal(result, n * 3 / 4);
				else
					assert_int_equal(result, padding ? (int)n * 3 / 4 - 1 : ERROR_SYNTAX);
			}
		}
	}
}

static void
test_malformed(void **state)
{
	static const char *const bad[] = {"A", "AAAAA", "=", "==", "===", "====", "A===", "AA=", "AA=A", "=AAA",
		"A=AA", "AAA==", "AA", "AAA", "AAAAAA", "AAAA=", "AAAA==", "AAAA====", "AA==AAAA", "AAA=AAAA",
		"AA==AA==", "AA AA", "AAA\n", "-_-_", "AAAA\n"};
	uint8_t back[16];

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (base64_decode(text_from(bad[i]), back) != ERROR_SYNTAX)
			fail_msg("accepted %s", bad[i]);
	/* the bytes that follow are in the alphabet, but not part of the text */
	assert_int_equal(base64_decode(text_of("AAAAAAAA", 1), back), ERROR_SYNTAX);
	assert_int_equal(base64_decode(text_of("AAAAAAAA", 5), back), ERROR_SYNTAX);
}

static void
test_trailing_bits_need_not_be_zero(void **state)
{
	uint8_t back[8];

	(void)state;
	assert_int_equal(base64_decode(TEXT("//=="), back), 1);
	assert_int_equal(back[0], 0xff);
	assert_int_equal(base64_decode(TEXT("///="), back), 2);
	assert_int_equal(back[1], 0xff);
}

/* Lines of `width` characters, each followed by `end`, optionally in the alphabet for URLs. */
static size_t
break_lines(const char *in, size_t n, size_t width, const char *end, bool url, char *out)
{
	char *at = out;

	for (size_t i = 0; i < n; i++) {
		*at++ = url && in[i] == '+' ? '-' : url && in[i] == '/' ? '_' : in[i];
		if ((i + 1) % width == 0 || i + 1 == n)
			at = stpcpy(at, end);
	}
	return (size_t)(at - out);
}

static void
test_lines_of_any_width(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", " ", "\t\f\n"};
	uint8_t plain[100], back[BASE64_DECODED_MAX(800)];
	char coded[BASE64_ENCODED(100)], lines[800];

	(void)state;
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(255 - i * 3);
	for (size_t n = 95; n <= sizeof plain; n++) {
		base64_encode(plain, n, coded);
		for (size_t width = 1; width <= 80; width++) {
			for (unsigned e = 0; e < 4; e++) {
				size_t length =
					break_lines(coded, BASE64_ENCODED(n), width, ends[e], width % 2 == 0, lines);

				assert_int_equal(base64_decode_loose(text_of(lines, length), back), n);
				assert_memory_equal(back, plain, n);
				/* in place */
				assert_int_equal(base64_decode_loose(text_of(lines, length), (uint8_t *)lines), n);
				assert_memory_equal(lines, plain, n);
			}
		}
	}
}

static void
test_loose(void **state)
{
	static const struct {
		const char *coded;
		int64_t n; /* number of bytes, all 0; negative: refused */
	} rows[] = {
		{"", 0},
		{"\n", 0},
		{" \r\n", 0},
		{"AA", 1},
		{"AA=", 1},
		{"AA==", 1},
		{"AAA", 2},
		{"AAA=", 2},
		{"A A\n=\r\n= ", 1},
		{"AAAA", 3},
		{"AAAAAA", 4},
		{"AAAA\n", 3},
		{"\tAAAA", 3},
		/* one character left over, padding in a wrong place, other characters */
		{"A", -1},
		{"AAAAA", -1},
		{"AAAA A", -1},
		{"A=", -1},
		{"A===", -1},
		{"=", -1},
		{"==", -1},
		{"AA===", -1},
		{"AAA==", -1},
		{"AAAA=", -1},
		{"AA==AA", -1},
		{"AA=A", -1},
		{"AA==\n!", -1},
		{"AAA!", -1},
		{"AA!", -1},
		{"AAAA.AAAA", -1},
		{"AAAA\v", -1},
		{"AAAA\x1e", -1},
		{"AAAA\x80", -1},
		{"AA,A", -1},
		{"%2B", -1},
	};
	uint8_t back[16], zero[16] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t n = base64_decode_loose(text_from(rows[i].coded), back);

		if (n != (rows[i].n < 0 ? ERROR_SYNTAX : rows[i].n))
			fail_msg("\"%s\": %lld", rows[i].coded, (long long)n);
		if (n > 0)
			assert_memory_equal(back, zero, (size_t)n);
	}
	assert_int_equal(base64_decode_loose(text_of("AAAA\0", 5), back), ERROR_SYNTAX);
	assert_int_equal(base64_decode_loose(TEXT("-_+/"), back), 3);
	assert_memory_equal(back, "\xfb\xff\xbf", 3);
}

/* Every byte before, within and after a group, for both decoders. */
static void
test_loose_skips_only_blanks(void **state)
{
	uint8_t back[8];

	(void)state;
	for (int c = 1; c < 256; c++) {
		bool blank = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' ';
		bool letter = in_alphabet(c) || c == '-' || c == '_';

		for (unsigned at = 0; at < 5; at++) {
			char coded[5] = {'A', 'A', 'A', 'A', 'A'};
			int64_t result;

			coded[at] = (char)c;
			result = base64_decode_loose(text_of(coded, 5), back);
			assert_int_equal(result, blank ? 3 : ERROR_SYNTAX); /* the byte is a letter too, so one of
									       five letters is left over */
			result = base64_decode_loose(text_of(coded, 4), back);
			if (at < 4)
				assert_int_equal(result, letter				  ? 3
							 : blank || (c == '=' && at == 3) ? 2
											  : ERROR_SYNTAX);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_of_rfc_4648),
		cmocka_unit_test(test_round_trip_of_each_length),
		cmocka_unit_test(test_each_byte_at_each_place),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_trailing_bits_need_not_be_zero),
		cmocka_unit_test(test_lines_of_any_width),
		cmocka_unit_test(test_loose),
		cmocka_unit_test(test_loose_skips_only_blanks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
