#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/error.h"

static const int all[] = {
#define X(name, text) name,
	ERROR_TABLE(X)
#undef X
};
#define COUNT (sizeof all / sizeof all[0])

static void
test_each_error_is_negative_and_has_its_own_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(all[i], -(int)(i + 1));
		assert_true(strlen(error_text(all[i])) > 0);
		assert_string_not_equal(error_text(all[i]), error_text(-1000));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(error_text(all[i]), error_text(all[j]));
	}
}

static void
test_other_numbers_have_a_text_too(void **state)
{
	(void)state;
	assert_string_equal(error_text(ERROR_NONE), "no error");
	assert_non_null(error_text(1));
	assert_non_null(error_text(INT32_MIN));
	assert_string_equal(error_text(ERROR_TIMEOUT), "timed out");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_error_is_negative_and_has_its_own_text),
		cmocka_unit_test(test_other_numbers_have_a_text_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
