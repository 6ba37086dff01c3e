#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/unit/base/death.h"

#define assert_holds(b, literal) assert_true(text_is(buffer_text(b), TEXT(literal)))

static void
test_appends(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 1000);
	assert_null(b.data);
	assert_holds(&b, "");
	buffer_add(&b, "ab", 2);
	buffer_add(&b, NULL, 0);
	buffer_add_text(&b, TEXT("cd"));
	buffer_add_text(&b, TEXT_NONE);
	buffer_add_byte(&b, 0);
	buffer_add_number(&b, 0);
	buffer_add_number(&b, -7);
	buffer_add_number(&b, INT64_MIN);
	buffer_add_number(&b, INT64_MAX);
	buffer_printf(&b, "<%s %d>", "x", 5);
	assert_holds(&b, "abcd\0000-7-92233720368547758089223372036854775807<x 5>");
	assert_int_equal(buffer_error(&b), 0);
	buffer_drop(&b, 0);
	buffer_drop(&b, 5);
	assert_holds(&b, "0-7-92233720368547758089223372036854775807<x 5>");
	buffer_drop(&b, b.len);
	assert_holds(&b, "");
	buffer_fini(&b);
}

static void
test_fills_exactly_to_the_last_byte(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		struct buffer b;

		buffer_init(&b, max);
		for (size_t i = 0; i < max; i++) {
			buffer_add_byte(&b, (uint8_t)i);
			assert_true(b.size <= max);
		}
		assert_int_equal(buffer_error(&b), 0);
		assert_int_equal(b.len, max);
		buffer_add(&b, "", 0);
		assert_int_equal(buffer_error(&b), 0);
		buffer_add_byte(&b, 1);
		assert_int_equal(buffer_error(&b), ERROR_TOO_BIG);
		assert_int_equal(b.len, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.data[i], (uint8_t)i);
		buffer_fini(&b);
	}
}

static void
test_error_sticks_until_reset(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 4);
	buffer_add(&b, "abc", 3);
	buffer_add(&b, "de", 2);
	buffer_add_byte(&b, 'f');
	buffer_add(&b, "", 0);
	buffer_printf(&b, "%s", "");
	buffer_add_number(&b, 1);
	assert_null(buffer_room(&b, 0));
	assert_int_equal(buffer_error(&b), ERROR_TOO_BIG);
	assert_holds(&b, "abc");
	buffer_reset(&b);
	assert_int_equal(buffer_error(&b), 0);
	assert_holds(&b, "");
	buffer_add(&b, "wxyz", 4);
	assert_holds(&b, "wxyz");
	assert_null(buffer_room(&b, SIZE_MAX));
	assert_null(buffer_room(&b, SIZE_MAX - 3));
	buffer_fini(&b);
}

static void
test_room_is_counted_by_the_caller(void **state)
{
	struct buffer b;
	uint8_t *room;

	(void)state;
	buffer_init(&b, 100000);
	buffer_add(&b, "ab", 2);
	room = buffer_room(&b, 50000);
	assert_non_null(room);
	assert_ptr_equal(room, b.data + 2);
	memset(room, 'x', 50000);
	assert_int_equal(b.len, 2);
	b.len += 50000;
	assert_non_null(buffer_room(&b, 49998));
	assert_non_null(buffer_room(&b, 0));
	assert_null(buffer_room(&b, 49999));
	buffer_fini(&b);
}

static void
test_printf_of_any_length_up_to_the_maximum(void **state)
{
	static char words[1001];

	(void)state;
	memset(words, 'w', 1000);
	for (int n = 0; n <= 1000; n++) {
		struct buffer b;

		buffer_init(&b, 600);
		buffer_printf(&b, "%.*s", n, words);
		if (n <= 600) {
			assert_int_equal(buffer_error(&b), 0);
			assert_true(text_is(buffer_text(&b), text_of(words, (size_t)n)));
		} else {
			assert_int_equal(buffer_error(&b), ERROR_TOO_BIG);
			assert_int_equal(b.len, 0);
		}
		buffer_fini(&b);
	}
}

static void
test_steal_leaves_it_empty_and_usable(void **state)
{
	struct buffer b;
	uint8_t *data;
	size_t n;

	(void)state;
	buffer_init(&b, 10);
	buffer_add(&b, "abc", 3);
	data = buffer_steal(&b, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(data, "abc", 3);
	mem_free(data);
	assert_int_equal(b.len, 0);
	buffer_add(&b, "0123456789", 10);
	assert_holds(&b, "0123456789");
	buffer_add_byte(&b, 'x');
	assert_int_equal(buffer_error(&b), ERROR_TOO_BIG);
	buffer_fini(&b);
}

static void
drop_too_much(void)
{
	struct buffer b;

	buffer_init(&b, 10);
	buffer_add(&b, "abc", 3);
	buffer_drop(&b, 4);
}

static void
test_dropping_more_than_there_is_aborts(void **state)
{
	char said[256];

	(void)state;
	assert_true(aborts(drop_too_much, said, sizeof said));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_fills_exactly_to_the_last_byte),
		cmocka_unit_test(test_error_sticks_until_reset),
		cmocka_unit_test(test_room_is_counted_by_the_caller),
		cmocka_unit_test(test_printf_of_any_length_up_to_the_maximum),
		cmocka_unit_test(test_steal_leaves_it_empty_and_usable),
		cmocka_unit_test(test_dropping_more_than_there_is_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
