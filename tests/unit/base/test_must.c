#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/must.h"
#include "tests/unit/base/death.h"

static void
break_it(void)
{
	must(1 + 1 == 3);
}

static void
test_broken_invariant_aborts_and_says_where(void **state)
{
	char said[512];

	(void)state;
	assert_true(aborts(break_it, said, sizeof said));
	assert_non_null(strstr(said, "1 + 1 == 3"));
	assert_non_null(strstr(said, "test_must.c:"));
}

static void
test_kept_invariant_is_silent(void **state)
{
	int evaluated = 0;

	(void)state;
	must(++evaluated == 1);
	assert_int_equal(evaluated, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_invariant_aborts_and_says_where),
		cmocka_unit_test(test_kept_invariant_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
