/* Binary messages that are written where they stay, with a frame header of the right length in front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/engineio/eio_message.h"

/* Compares with the message that eio_message_binary() makes of the same bytes. */
static void
writes(size_t expected, size_t n)
{
	struct eio_message *message, *copied;
	struct buffer out, bytes;
	uint8_t *at;

	buffer_init(&bytes, 1u << 20);
	for (size_t i = 0; i < n; i++)
		buffer_add_byte(&bytes, (uint8_t)(i * 7));
	buffer_init(&out, 1u << 20);
	eio_message_begin(&out, expected);
	buffer_add(&out, bytes.data, n);
	assert_int_equal(buffer_error(&out), 0);
	message = eio_message_end(&out, expected);
	assert_non_null(message);
	assert_null(out.data);
	copied = eio_message_binary(bytes.data, n);
	assert_true(message->binary);
	assert_int_equal(message->refs, 1);
	assert_true(message->frame.compress);
	assert_int_equal(message->frame.payload_at, copied->frame.payload_at);
	assert_int_equal(message->frame.block->len, copied->frame.block->len);
	at = message->frame.block->data;
	assert_memory_equal(at, copied->frame.block->data, copied->frame.block->len);
	eio_message_unref(message);
	eio_message_unref(copied);
	buffer_fini(&bytes);
}

static void
test_sizes_around_each_header(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};

	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned j = 0; j < sizeof sizes / sizeof *sizes; j++)
			writes(sizes[i], sizes[j]);
}

static void
test_a_buffer_that_is_too_small_has_an_error(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out, 10);
	eio_message_begin(&out, 100);
	buffer_add(&out, "x", 1);
	assert_int_not_equal(buffer_error(&out), 0);
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_around_each_header),
		cmocka_unit_test(test_a_buffer_that_is_too_small_has_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
