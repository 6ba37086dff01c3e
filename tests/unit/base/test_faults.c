/* What buffers, blocks and compression do when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/zip.h"
#include "tests/unit/faults.h"

static void
test_buffer_that_cannot_grow_keeps_what_it_has(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 100000);
	buffer_add_text(&b, TEXT("some bytes"));
	fault_above = 1000;
	assert_null(buffer_room(&b, 2000));
	assert_int_equal(buffer_error(&b), ERROR_MEMORY);
	buffer_add_text(&b, TEXT(" more")); /* the error stays, as in a full buffer */
	fault_above = SIZE_MAX;
	buffer_add_text(&b, TEXT(" more"));
	assert_int_equal(b.len, 10);
	assert_memory_equal(b.data, "some bytes", 10);
	buffer_reset(&b);
	assert_int_equal(buffer_error(&b), 0);
	buffer_add_text(&b, TEXT("anew"));
	assert_int_equal(b.len, 4);
	buffer_fini(&b);
}

static void
test_print_without_memory_is_an_error(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 100000);
	assert_non_null(buffer_room(&b, 5000));
	fault_above = 1000;
	buffer_printf(&b, "%02000d", 1);
	fault_above = SIZE_MAX;
	assert_int_equal(buffer_error(&b), ERROR_MEMORY);
	assert_int_equal(b.len, 0);
	buffer_fini(&b);
}

static void
test_block_is_refused(void **state)
{
	struct block *b;

	(void)state;
	fault_above = 1000;
	assert_null(block_try_new(2000));
	assert_null(block_try_copy("abc", 2000));
	b = block_try_copy("abc", 3);
	fault_above = SIZE_MAX;
	assert_memory_equal(b->data, "abc", 3);
	assert_int_equal(b->refs, 1);
	assert_null(b->total);
	block_unref(b);
}

static void
test_text_is_not_compressed(void **state)
{
	static const char text[50000];
	struct zip *z = zip_new(5);
	struct buffer out;

	(void)state;
	buffer_init(&out, sizeof text);
	fault_above = 30000; /* enough for a step of the output, too little for the stream */
	assert_int_equal(zip_text(z, ZIP_GZIP, text, sizeof text, &out), ERROR_MEMORY);
	fault_above = SIZE_MAX;
	assert_int_equal(out.len, 0);
	buffer_reset(&out);
	assert_int_equal(zip_text(z, ZIP_GZIP, text, sizeof text, &out), 0);
	assert_in_range(out.len, 20, 1000);
	buffer_fini(&out);
	zip_free(z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_that_cannot_grow_keeps_what_it_has),
		cmocka_unit_test(test_print_without_memory_is_an_error),
		cmocka_unit_test(test_block_is_refused),
		cmocka_unit_test(test_text_is_not_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
