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

/* Every length, in memory of exactly the promised size, so that a sanitizer sees each byte beyond. */
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

		/* without padding */
		assert_int_equal(base64_decode(text_of(out, bare), back), n);
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

				if (n == 5)
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
		"A=AA", "AAA==", "AAAA=", "AAAA==", "AAAA====", "AA==AAAA", "AAA=AAAA", "AA==AA==", "AA AA", "AAA\n",
		"-_-_", "AAAA\n"};
	uint8_t back[16];

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (base64_decode(text_from(bad[i]), back) != ERROR_SYNTAX)
			fail_msg("accepted %s", bad[i]);
	/* more of the alphabet follows, but is not part of the text */
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
	assert_int_equal(base64_decode(TEXT("///"), back), 2);
	assert_int_equal(back[1], 0xff);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
