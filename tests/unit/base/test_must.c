#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/asan.h"
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

#ifdef WITH_ASAN
static volatile int seventy = 70;

static void
shift_too_far(void)
{
	seventy = 1 << seventy;
}

static void
test_undefined_behaviour_ends_the_process_and_says_where(void **state)
{
	char said[4096];
	int end;

	(void)state;
	end = end_of(shift_too_far, said, sizeof said);
	assert_true(WIFEXITED(end) && WEXITSTATUS(end) != 0);
	assert_non_null(strstr(said, "AddressSanitizer: ILL"));
	assert_non_null(strstr(said, "shift_too_far"));
	assert_non_null(strstr(said, "test_must.c:"));
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_invariant_aborts_and_says_where),
		cmocka_unit_test(test_kept_invariant_is_silent),
#ifdef WITH_ASAN
		cmocka_unit_test(test_undefined_behaviour_ends_the_process_and_says_where),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
