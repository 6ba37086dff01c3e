/* Small objects are recycled by size, up to a limit, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/small.h"

static void
test_memory_is_used_again(void **state)
{
	void *first = small_alloc(100), *again;

	(void)state;
	small_give_back();
	small_free(first, 100);
	if (SMALL_KEPT_MAX == 0) /* with AddressSanitizer */
		skip();
	assert_in_range(small_kept(), 100, 120);
	again = small_alloc(97);
	assert_ptr_equal(again, first);
	assert_int_equal(small_kept(), 0);
	small_free(again, 97);
	again = small_alloc(2 * 100);
	assert_ptr_not_equal(again, first);
	small_free(again, 2 * 100);
	small_give_back();
	assert_int_equal(small_kept(), 0);
}

static void
test_every_size_is_whole(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL_MAX + 100; n++) {
		uint8_t *at = small_try_alloc(n), *other;

		assert_non_null(at);
		memset(at, 0xff, n);
		small_free(at, n);
		other = small_zalloc(n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(other[i], 0);
		memset(other, 0xff, n);
		small_free_any(other);
	}
	small_free(NULL, 10);
	small_free_any(NULL);
	small_give_back();
}

static void
test_memory_of_other_sources_is_taken_by_its_size(void **state)
{
	uint8_t *at = mem_alloc(33), *other;

	(void)state;
	small_free_any(at);
	for (size_t n = 1; n <= 100; n++) {
		other = small_alloc(n);
		memset(other, 0xff, n);
		small_free(other, n);
	}
	small_free_any(mem_alloc(1));
	small_free_any(mem_alloc(100000));
	small_give_back();
	assert_int_equal(small_kept(), 0);
}

static void
test_the_kept_bytes_have_a_limit(void **state)
{
	enum { COUNT = SMALL_KEPT_MAX / 1000 * 2 + 1 }; /* one with AddressSanitizer, which keeps none */
	static void *at[COUNT];

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		at[i] = small_alloc(1000);
	for (unsigned i = 0; i < COUNT; i++)
		small_free(at[i], 1000);
	assert_in_range(small_kept(), 0, SMALL_KEPT_MAX);
	small_free(small_alloc(SMALL_MAX + 1), SMALL_MAX + 1);
	small_give_back();
	assert_int_equal(small_kept(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_used_again),
		cmocka_unit_test(test_every_size_is_whole),
		cmocka_unit_test(test_memory_of_other_sources_is_taken_by_its_size),
		cmocka_unit_test(test_the_kept_bytes_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
