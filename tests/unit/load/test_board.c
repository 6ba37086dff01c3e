#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/load/board.h"

/* While one process is delayed, the others must not take the counts as complete. */
static void
test_stopped_when_the_last_process_is(void **state)
{
	struct board *b = board_new(3, 5);

	(void)state;
	assert_non_null(b);
	assert_false(board_stopped(b));
	b->parts[2].stopped = true;
	b->parts[0].stopped = true;
	assert_false(board_stopped(b));
	b->parts[1].stopped = true;
	assert_true(board_stopped(b));
	board_free(b);
}

static void
test_sums_are_over_all_parts(void **state)
{
	struct board *b = board_new(3, 1);
	uint64_t sent;

	(void)state;
	assert_non_null(b);
	for (unsigned i = 0; i < 3; i++)
		b->parts[i].sent = 10 + i;
	BOARD_SUM(b, sent, sent);
	assert_int_equal(sent, 33);
	board_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped_when_the_last_process_is),
		cmocka_unit_test(test_sums_are_over_all_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
