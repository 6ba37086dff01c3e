#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/reason.h"

static void
test_each_reason_has_a_word_and_a_meaning(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_COUNT; i++) {
		const char *word = reason_word((enum reason)i);

		assert_true(strlen(word) > 0);
		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(word));
		assert_true(strlen(reason_meaning((enum reason)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(word, reason_word((enum reason)j));
	}
	assert_string_equal(reason_word(REASON_SLOW_READER), "slow-reader");
}

static void
test_a_value_of_another_table_is_survived(void **state)
{
	(void)state;
	assert_string_equal(reason_word(REASON_COUNT), "unknown");
	assert_string_equal(reason_word((enum reason) - 1), "unknown");
	assert_non_null(reason_meaning((enum reason)10000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_reason_has_a_word_and_a_meaning),
		cmocka_unit_test(test_a_value_of_another_table_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
