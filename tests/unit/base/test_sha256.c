#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/sha256.h"

/* FIPS 180-2, appendix B. */
static void
test_vectors(void **state)
{
	static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d,
		0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
		0x15, 0xad};
	struct sha256 whole = sha256_of(TEXT("abc"), TEXT_NONE), parts = sha256_of(TEXT("a"), TEXT("bc"));
	struct sha256 other = sha256_of(TEXT("abd"), TEXT_NONE);

	(void)state;
	assert_memory_equal(whole.bytes, abc, sizeof abc);
	assert_true(sha256_same(&whole, &parts));
	assert_false(sha256_same(&whole, &other));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
