#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/counter.h"

#define LOW_TABLE(X)                                                                                                 \
	X(LOW_NONE, "none", "nothing")                                                                               \
	X(LOW_ONE, "one", "the first")
#define BESIDE_TABLE(X) X(BESIDE_ONE, "beside", "of a neighbour")
#define HIGH_TABLE(X)                                                                                                \
	X(HIGH_ONE, "high", "of the layer above")                                                                    \
	X(HIGH_TWO, "higher", "its second")

NAMES_DECLARE(NAMES_IO, LOW_TABLE, LOW_END);
NAMES_DECLARE(NAMES_BROKER, BESIDE_TABLE, BESIDE_END);
NAMES_DECLARE(NAMES_WS, HIGH_TABLE, HIGH_END);

extern const struct names low, beside, high;
NAMES_DEFINE(low, NAMES_IO, LOW_TABLE, LOW_END, NULL, NULL);
NAMES_DEFINE(beside, NAMES_BROKER, BESIDE_TABLE, BESIDE_END, &low, NULL);
NAMES_DEFINE(high, NAMES_WS, HIGH_TABLE, HIGH_END, &low, &beside);

static void
test_a_layer_knows_its_rows_and_those_below(void **state)
{
	(void)state;
	assert_int_equal(LOW_NONE, 0);
	assert_int_equal(HIGH_ONE, NAMES_WS);
	assert_int_equal(HIGH_TWO, NAMES_WS + 1);
	assert_string_equal(names_word(&high, HIGH_TWO), "higher");
	assert_string_equal(names_meaning(&high, HIGH_TWO), "its second");
	assert_string_equal(names_word(&high, LOW_ONE), "one");
	assert_string_equal(names_word(&high, BESIDE_ONE), "beside");
	assert_string_equal(names_word(&low, LOW_NONE), "none");
}

static void
test_an_unknown_number_is_survived(void **state)
{
	static const unsigned numbers[] = {LOW_END, BESIDE_END, HIGH_END, NAMES_MAX, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		assert_null(names_find(&high, numbers[i]));
		assert_string_equal(names_word(&high, numbers[i]), "unknown");
		assert_non_null(names_meaning(&high, numbers[i]));
	}
	assert_null(names_find(&low, HIGH_ONE)); /* the lower layer does not know the higher layer's names */
	assert_null(names_find(&beside, HIGH_ONE));
}

static void
test_counting_touches_one_counter(void **state)
{
	struct counters c = {{0}};

	(void)state;
	counter_add(&c, HIGH_TWO, 2);
	counter_add(&c, HIGH_TWO, UINT64_C(1) << 40);
	for (unsigned i = 0; i < NAMES_MAX; i++)
		assert_true(c.value[i] == (i == HIGH_TWO ? (UINT64_C(1) << 40) + 2 : 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_layer_knows_its_rows_and_those_below),
		cmocka_unit_test(test_an_unknown_number_is_survived),
		cmocka_unit_test(test_counting_touches_one_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
