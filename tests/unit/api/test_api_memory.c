/* Requests whose length the caller chooses, while the system has no memory for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "node/api/api_query.h"
#include "tests/unit/faults.h"

static void
test_query_is_refused(void **state)
{
	static char query[5000];
	struct api_fault fault;
	struct api_query q;

	(void)state;
	(void)snprintf(query, sizeof query, "namespace=/%04900d", 1);
	fault_above = 4000;
	assert_false(api_query_read(&q, API_LIST_SOCKETS, text_from(query), &fault));
	fault_above = SIZE_MAX;
	assert_int_equal(fault.status, 503);
	assert_string_equal(fault.code, "no_memory");
	api_query_fini(&q);
	assert_false(api_query_read(&q, API_LIST_SOCKETS, text_from(query), &fault));
	assert_int_equal(fault.status, 400); /* no namespace has such a long name */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
