#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/mem.h"
#include "tests/load/message.h"

static const struct message usual = {0x89abcdef, 0x12, 0x34567, 0x0123456789abcdef};
static const char usual_text[] = "sl89abcdef00000012000345670123456789abcdef------";

static void
test_fields_are_hexadecimal_digits_in_front_of_padding(void **state)
{
	uint8_t bytes[MESSAGE_SIZE_MIN + 1];

	(void)state;
	bytes[MESSAGE_SIZE_MIN] = '!';
	message_write(&usual, bytes);
	assert_int_equal(strlen(usual_text), MESSAGE_SIZE_MIN);
	assert_memory_equal(bytes, usual_text, MESSAGE_SIZE_MIN);
	assert_int_equal(bytes[MESSAGE_SIZE_MIN], '!');
}

static void
test_a_written_message_is_read(void **state)
{
	static const struct message all[] = {{0, 0, 0, 0}, {1, 2, 3, 4},
		{0x89abcdef, 0x12, 0x34567, 0x0123456789abcdef}, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX}};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		uint8_t bytes[MESSAGE_SIZE_MIN];
		struct message m;

		message_write(&all[i], bytes);
		assert_true(message_read(&m, bytes, sizeof bytes));
		assert_int_equal(m.run, all[i].run);
		assert_int_equal(m.sender, all[i].sender);
		assert_int_equal(m.sequence, all[i].sequence);
		assert_true(m.due == all[i].due);
	}
}

static void
test_a_cut_message_is_refused(void **state)
{
	struct message m;

	(void)state;
	for (size_t n = 0; n < MESSAGE_SIZE_MIN; n++) {
		uint8_t *copy = mem_alloc(n + 1);

		memcpy(copy, usual_text, n);
		assert_false(message_read(&m, copy, n));
		mem_free(copy);
	}
}

/* Every other byte in each place of the fields. */
static void
test_hostile_bytes_are_refused(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 42; at++) {
		for (unsigned b = 0; b < 256; b++) {
			uint8_t bytes[MESSAGE_SIZE_MIN];
			bool digit = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f'),
			     same = b == (uint8_t)usual_text[at];
			struct message m;

			memcpy(bytes, usual_text, sizeof bytes);
			bytes[at] = (uint8_t)b;
			assert_int_equal(message_read(&m, bytes, sizeof bytes), same || (at >= 2 && digit));
		}
	}
}

static void
test_a_message_is_found_in_an_event_and_in_an_attachment(void **state)
{
	char event[256] = "[\"room\",\"r12\",\"";
	size_t before = strlen(event), n;
	const uint8_t *at;

	(void)state;
	strncat(event, usual_text, sizeof event - before - 1);
	strncat(event, "xyz\"]", sizeof event - strlen(event) - 1);
	n = strlen(event);
	at = message_find((const uint8_t *)event, n, usual.run);
	assert_ptr_equal(at, event + before);
	assert_ptr_equal(message_find((const uint8_t *)usual_text, MESSAGE_SIZE_MIN, usual.run), usual_text);
	assert_null(message_find((const uint8_t *)event, n, usual.run + 1));
	assert_null(message_find((const uint8_t *)event, before + 9, usual.run)); /* the mark is cut */
	assert_null(message_find((const uint8_t *)"", 0, usual.run));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_hexadecimal_digits_in_front_of_padding),
		cmocka_unit_test(test_a_written_message_is_read),
		cmocka_unit_test(test_a_cut_message_is_refused),
		cmocka_unit_test(test_hostile_bytes_are_refused),
		cmocka_unit_test(test_a_message_is_found_in_an_event_and_in_an_attachment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
