/* Hexadecimal digits, percent-encoding, numbers in network order, the alphabet of ids. */
#include "common/base/ascii.h"
#include "common/base/base64.h"
#include "common/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_hex(void **state)
{
	unsigned digits = 0;

	(void)state;
	for (int c = -128; c < 128; c++)
		digits += ascii_hex_value((char)c) >= 0;
	assert_int_equal(digits, 22);
	for (int i = 0; i < 16; i++)
		assert_int_equal(ascii_hex_value(ascii_hex_digits[i]), i);
	assert_int_equal(ascii_hex_value('F'), 15);
}

static void
test_percent(void **state)
{
	(void)state;
	assert_int_equal(ascii_percent(TEXT("%2Frest")), '/');
	assert_int_equal(ascii_percent(TEXT("%00")), 0);
	assert_int_equal(ascii_percent(TEXT("%fF")), 255);
	assert_int_equal(ascii_percent(TEXT("%2")), -1);
	assert_int_equal(ascii_percent(TEXT("%2g")), -1);
	assert_int_equal(ascii_percent(TEXT("2F2")), -1);
	assert_int_equal(ascii_percent(TEXT_NONE), -1);
}

static void
test_bytes(void **state)
{
	uint8_t room[8];

	(void)state;
	bytes_write(room, 0x0102030405060708, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(room[i], i + 1);
	assert_true(bytes_read(room, 8) == 0x0102030405060708);
	assert_int_equal(bytes_read(room, 3), 0x010203);
	bytes_write(room, 0x12345, 2);
	assert_int_equal(bytes_read(room, 2), 0x2345);
	assert_int_equal(room[2], 3);
}

static void
test_base64url(void **state)
{
	unsigned characters = 0;

	(void)state;
	for (int c = -128; c < 128; c++)
		characters += base64url_value((char)c) >= 0;
	assert_int_equal(characters, 64);
	for (int i = 0; i < 64; i++)
		assert_int_equal(base64url_value(base64url_alphabet[i]), i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_base64url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
