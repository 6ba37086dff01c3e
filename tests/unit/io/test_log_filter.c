/* Which debug lines pass the filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/io/log_filter.h"

static const struct log_subject client = {
	.sid = {"AAAB0123456789abcdef", 20},
	.address = {"192.0.2.7", 9},
	.nsp = {"/chat", 5},
};
static const struct log_subject nobody;

static int
restore(void **state)
{
	(void)state;
	return log_filter_set(NULL);
}

static bool
passes(const char *filter, const struct log_subject *about)
{
	assert_int_equal(log_filter_set(filter), 0);
	return log_filter_passes(about);
}

static void
a_filter_passes_matching_lines(void **state)
{
	(void)state;
	assert_true(passes(NULL, &client) && passes("", &nobody));
	assert_true(passes("sid=AAAB0123", &client));
	assert_true(passes("sid=AAAB0123456789abcdef", &client));
	assert_false(passes("sid=AAAB0124", &client));
	assert_false(passes("sid=AAAB0123456789abcdefg", &client));
	assert_true(passes("address=192.0.2.7", &client));
	assert_false(passes("address=192.0.2.70", &client));
	assert_true(passes("namespace=/chat", &client));
	assert_true(passes("namespace=chat", &client));
	assert_false(passes("namespace=cha", &client));
	assert_false(passes("namespace=//chat", &client));
	assert_false(passes("namespace=/", &client));
	assert_true(passes("address=::ffff:192.0.2.7", &client));
	assert_true(passes("namespace=/chat,address=192.0.2.7", &client));
	assert_false(passes("namespace=/chat,address=192.0.2.8", &client));
}

static void
a_filter_on_an_absent_key_does_not_pass(void **state)
{
	(void)state;
	assert_false(passes("sid=AAAB0123", &nobody));
	assert_false(passes("address=192.0.2.7", &nobody));
	assert_false(passes("namespace=/chat", &nobody));
}

static void
other_forms_are_refused_and_the_old_filter_stays(void **state)
{
	static const char *const wrong[] = {"x", "sid", "sid=", "sid=AAAB012", "sid:AAAB0123", "address=192.0.2.7,x",
		"address=nonsense", "address=192.0.2", "address=192.0.2.0/24", "colour=red", " sid=AAAB0123"};
	char longer[LOG_FILTER_MAX + 1];

	(void)state;
	assert_int_equal(log_filter_set("address=192.0.2.8"), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(log_filter_check(wrong[i]), ERROR_ARGUMENT);
		assert_int_equal(log_filter_set(wrong[i]), ERROR_ARGUMENT);
	}
	memset(longer, 'a', sizeof longer);
	memcpy(longer, "namespace=", 10);
	longer[LOG_FILTER_MAX] = '\0';
	assert_int_equal(log_filter_set(longer), ERROR_ARGUMENT);
	longer[LOG_FILTER_MAX - 1] = '\0';
	assert_false(log_filter_passes(&client));
	assert_int_equal(log_filter_set(longer), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_filter_passes_matching_lines, restore),
		cmocka_unit_test_teardown(a_filter_on_an_absent_key_does_not_pass, restore),
		cmocka_unit_test_teardown(other_forms_are_refused_and_the_old_filter_stays, restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
