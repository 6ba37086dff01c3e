#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>

#include "common/base/block.h"
#include "tests/unit/base/death.h"

static void
test_counts_references(void **state)
{
	struct block *b = block_copy("abc", 3);

	(void)state;
	assert_int_equal(b->refs, 1);
	assert_int_equal(b->len, 3);
	assert_memory_equal(b->data, "abc", 3);
	assert_ptr_equal(block_ref(b), b);
	assert_int_equal(b->refs, 2);
	block_unref(b);
	assert_int_equal(b->refs, 1);
	assert_memory_equal(b->data, "abc", 3);
	block_unref(b);
	block_unref(NULL);
}

static void
test_empty_blocks(void **state)
{
	struct block *a = block_new(0), *b = block_copy(NULL, 0);

	(void)state;
	assert_int_equal(a->len, 0);
	assert_int_equal(b->len, 0);
	block_unref(a);
	block_unref(b);
}

static void
test_costs_its_bytes_and_a_header_of_sixteen(void **state)
{
	struct block *b = block_new(56);

	(void)state;
	assert_int_equal(sizeof *b, 16);
	memset(b->data, 1, 56);
	assert_in_range(malloc_usable_size(b), 72, 88);
	block_unref(b);
}

static void
test_takes_the_memory_of_a_buffer(void **state)
{
	static const uint8_t head[BLOCK_HEAD];
	struct buffer buffer;
	struct block *b;

	(void)state;
	buffer_init(&buffer, 10000);
	assert_non_null(buffer_room(&buffer, 5000));
	buffer_add(&buffer, head, sizeof head);
	buffer_add(&buffer, "abc", 3);
	b = block_adopt(&buffer);
	assert_int_equal(b->refs, 1);
	assert_int_equal(b->len, 3);
	assert_memory_equal(b->data, "abc", 3);
	assert_true(malloc_usable_size(b) < 1000); /* the rest of the memory is given back */
	assert_null(buffer.data);
	assert_int_equal(buffer.len, 0);
	block_unref(b);
}

static volatile size_t too_long = (size_t)UINT32_MAX + 1;

static void
make_too_long(void)
{
	block_unref(block_new(too_long));
}

static void
test_four_gigabytes_abort(void **state)
{
	char said[256];

	(void)state;
	assert_true(aborts(make_too_long, said, sizeof said));
	assert_non_null(strstr(said, "UINT32_MAX"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_references),
		cmocka_unit_test(test_empty_blocks),
		cmocka_unit_test(test_costs_its_bytes_and_a_header_of_sixteen),
		cmocka_unit_test(test_takes_the_memory_of_a_buffer),
		cmocka_unit_test(test_four_gigabytes_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
