#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/text.h"

static void
test_equality(void **state)
{
	(void)state;
	assert_true(text_is(TEXT("abc"), text_from("abc")));
	assert_false(text_is(TEXT("abc"), TEXT("abd")));
	assert_false(text_is(TEXT("abc"), TEXT("ab")));
	assert_true(text_is(TEXT_NONE, TEXT("")));
	assert_true(text_is(TEXT("a\0b"), TEXT("a\0b")));
	assert_false(text_is(TEXT("a\0b"), TEXT("a\0c")));
}

static void
test_case_is_ignored_for_ascii_letters_only(void **state)
{
	(void)state;
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			char x = (char)a, y = (char)b;
			int la = a >= 'A' && a <= 'Z' ? a | 32 : a, lb = b >= 'A' && b <= 'Z' ? b | 32 : b;

			assert_int_equal(text_is_nocase(text_of(&x, 1), text_of(&y, 1)), la == lb);
		}
	}
	assert_true(text_is_nocase(TEXT("Upgrade"), TEXT("uPGRADE")));
	assert_false(text_is_nocase(TEXT("Upgrade"), TEXT("Upgrades")));
	assert_true(text_is_nocase(TEXT_NONE, TEXT_NONE));
	/* at each place of texts longer than one step */
	for (size_t n = 1; n <= 26; n++) {
		for (size_t at = 0; at < n; at++) {
			char x[] = "sec-websocket-extensions-x", y[] = "SEC-WEBSOCKET-EXTENSIONS-X";

			x[at] = y[at] = '@';
			assert_true(text_is_nocase(text_of(x, n), text_of(y, n)));
			y[at] = '`'; /* differs by one bit, like the two cases of a letter */
			assert_false(text_is_nocase(text_of(x, n), text_of(y, n)));
			y[at] = 'A';
			assert_false(text_is_nocase(text_of(x, n), text_of(y, n)));
		}
	}
}

static void
test_parts(void **state)
{
	(void)state;
	assert_true(text_starts(TEXT("/socket.io/"), TEXT("/socket")));
	assert_true(text_starts(TEXT("a"), TEXT("")));
	assert_true(text_starts(TEXT_NONE, TEXT_NONE));
	assert_false(text_starts(TEXT("/so"), TEXT("/socket")));
	assert_true(text_ends(TEXT("x.js"), TEXT(".js")));
	assert_true(text_ends(TEXT_NONE, TEXT("")));
	assert_false(text_ends(TEXT("js"), TEXT(".js")));
	assert_false(text_ends(TEXT("x.jsx"), TEXT(".js")));
	assert_true(text_has(TEXT("gzip, br"), TEXT("br")));
	assert_true(text_has(TEXT("gzip"), TEXT("")));
	assert_true(text_has(TEXT_NONE, TEXT("")));
	assert_false(text_has(TEXT("gzip"), TEXT("gzipp")));
	assert_false(text_has(TEXT_NONE, TEXT("x")));
	assert_false(text_has(text_of("gzipbr", 5), TEXT("br")));
}

static void
test_trim(void **state)
{
	(void)state;
	assert_true(text_is(text_trim(TEXT(" \t a b\t ")), TEXT("a b")));
	assert_true(text_is(text_trim(TEXT("\na\r")), TEXT("\na\r")));
	assert_true(text_is(text_trim(TEXT(" \t ")), TEXT("")));
	assert_true(text_is(text_trim(TEXT_NONE), TEXT("")));
}

/* Expects the parts of `whole` in brackets. */
static void
check_cut(const char *whole, const char *expected)
{
	struct text rest = text_from(whole), part;
	char joined[64];
	size_t n = 0;

	while (text_cut(&rest, ',', &part)) {
		assert_true(n + part.n + 3 < sizeof joined);
		joined[n++] = '[';
		memcpy(joined + n, part.at, part.n);
		n += part.n;
		joined[n++] = ']';
	}
	joined[n] = '\0';
	assert_string_equal(joined, expected);
	assert_int_equal(rest.n, 0);
}

static void
test_cut(void **state)
{
	struct text none = TEXT_NONE, part;

	(void)state;
	check_cut("a,,b", "[a][][b]");
	check_cut("a", "[a]");
	check_cut("a,", "[a]");
	check_cut(",", "[]");
	check_cut(",a", "[][a]");
	check_cut("", "");
	assert_false(text_cut(&none, ',', &part));
}

static int
number(const char *digits, uint64_t max, uint64_t *value)
{
	*value = 77;
	return text_number(text_from(digits), max, value);
}

static void
test_number(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(number("0", 0, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(number("00042", 42, &value), 0);
	assert_int_equal(value, 42);
	assert_int_equal(number("43", 42, &value), ERROR_TOO_BIG);
	assert_int_equal(value, 77);
	assert_int_equal(number("9", 8, &value), ERROR_TOO_BIG);
	assert_int_equal(number("10", 8, &value), ERROR_TOO_BIG);
	assert_int_equal(number("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(number("18446744073709551616", UINT64_MAX, &value), ERROR_TOO_BIG);
	assert_int_equal(number("99999999999999999999999", UINT64_MAX, &value), ERROR_TOO_BIG);
	assert_int_equal(number("18446744073709551614", UINT64_MAX - 1, &value), 0);
	assert_int_equal(number("18446744073709551615", UINT64_MAX - 1, &value), ERROR_TOO_BIG);
	assert_int_equal(number("", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number("+1", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number("-1", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number(" 1", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number("1 ", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number("99999x", 9, &value), ERROR_SYNTAX);
	assert_int_equal(number("1/", 99, &value), ERROR_SYNTAX);
	assert_int_equal(number("1:", 99, &value), ERROR_SYNTAX);
	assert_int_equal(text_number(TEXT("1\0"), 99, &value), ERROR_SYNTAX);
	/* each number and each maximum of two digits */
	for (unsigned max = 0; max < 100; max++) {
		for (unsigned n = 0; n < 120; n++) {
			char digits[4] = {
				(char)('0' + n / 100), (char)('0' + n / 10 % 10), (char)('0' + n % 10), '\0'};

			assert_int_equal(number(digits, max, &value), n <= max ? 0 : ERROR_TOO_BIG);
			assert_true(value == (n <= max ? n : 77));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_case_is_ignored_for_ascii_letters_only),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
