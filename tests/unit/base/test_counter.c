#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/counter.h"

static void
test_each_counter_has_a_metric_name_and_help(void **state)
{
	(void)state;
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const char *name = counter_name((enum counter)i);

		assert_true(strlen(name) > 0);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(counter_help((enum counter)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, counter_name((enum counter)j));
	}
	assert_string_equal(counter_name(COUNT_BYTES_OUT), "bytes_sent");
}

static void
test_adding_touches_one_counter(void **state)
{
	struct counters c = {{0}};

	(void)state;
	counter_add(&c, COUNT_READS, 2);
	counter_add(&c, COUNT_READS, UINT64_C(1) << 40);
	for (int i = 0; i < COUNTER_COUNT; i++)
		assert_true(c.value[i] == (i == COUNT_READS ? (UINT64_C(1) << 40) + 2 : 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_counter_has_a_metric_name_and_help),
		cmocka_unit_test(test_adding_touches_one_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
