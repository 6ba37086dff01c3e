/* The mark of an event in the history of a room, as text and in broadcasts of both codecs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/wire.h"
#include "common/base/buffer.h"

static void
marks_as_text(void **state)
{
	static const char *const bad[] = {"", "0123456789abcdef", "0123456789abcdef0123456789abcdeg",
		"0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcdef0"};
	struct wire_mark mark = {UINT64_C(0xfedcba9876543210), 7}, read;
	char text[WIRE_MARK_MAX];

	(void)state;
	assert_int_equal(wire_mark_write(mark, text), 32);
	assert_string_equal(text, "fedcba98765432100000000000000007");
	read = wire_mark_read(text_from(text));
	assert_true(read.origin == mark.origin && read.number == mark.number);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(wire_mark_read(text_from(bad[i])).origin, 0);
}

/* Without a mark, a broadcast has the bytes that it always had. */
static void
a_mark_is_one_flag(void **state)
{
	struct wire_target plain = {.flags = WIRE_VOLATILE}, marked = plain;
	struct buffer a, b;

	(void)state;
	buffer_init(&a, 1000);
	buffer_init(&b, 1000);
	marked.mark = (struct wire_mark){1, 2};
	assert_int_equal(wire_write_broadcast(&a, TEXT("uid"), TEXT("/"), &plain, TEXT("[\"e\"]"), NULL), 0);
	assert_int_equal(wire_write_broadcast(&b, TEXT("uid"), TEXT("/"), &marked, TEXT("[\"e\"]"), NULL), 0);
	assert_int_equal(b.len - a.len, 1 + strlen("history") + 2 + 32);
	assert_false(text_has(buffer_text(&a), TEXT("history")));
	assert_true(text_has(buffer_text(&b), TEXT("00000000000000010000000000000002")));
	buffer_fini(&a);
	buffer_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(marks_as_text), cmocka_unit_test(a_mark_is_one_flag)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
