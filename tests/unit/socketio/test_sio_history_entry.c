/* An entry of a history as bytes: what is written is read, and what others write is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/socketio/sio_history_entry.h"

static struct buffer bytes, json;
static struct attachments in, out;

static int
setup(void **state)
{
	(void)state;
	buffer_init(&bytes, 1 << 20);
	buffer_init(&json, 1 << 20);
	attachments_init(&in);
	attachments_init(&out);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buffer_fini(&bytes);
	buffer_fini(&json);
	attachments_fini(&in);
	attachments_fini(&out);
	return 0;
}

static void
what_is_written_is_read(void **state)
{
	struct sio_history_entry entry = {
		.mark = {UINT64_MAX, 300}, .except = {TEXT("a"), TEXT("")}, .except_count = 2};
	struct sio_history_entry read;
	struct block *block = block_copy("\0\377", 2);

	(void)state;
	attachments_add(&in, block);
	block_unref(block);
	assert_int_equal(sio_history_entry_write(
				 &bytes, &entry, TEXT("[\"e\",{\"_placeholder\":true,\"num\":0},[1.5,null]]"), &in),
		0);
	assert_int_equal(sio_history_entry_read(buffer_text(&bytes), &read, &json, &out), 0);
	assert_true(read.mark.origin == UINT64_MAX && read.mark.number == 300);
	assert_int_equal(read.except_count, 2);
	assert_true(text_is(read.except[0], TEXT("a")));
	assert_int_equal(read.except[1].n, 0);
	assert_true(text_is(buffer_text(&json), TEXT("[\"e\",{\"_placeholder\":true,\"num\":0},[1.5,null]]")));
	assert_int_equal(out.count, 1);
	assert_memory_equal(out.blocks[0]->data, "\0\377", 2);
}

static void
every_cut_entry_is_refused(void **state)
{
	struct sio_history_entry entry = {.mark = {1, 1}, .except = {TEXT("room")}, .except_count = 1}, read;

	(void)state;
	assert_int_equal(sio_history_entry_write(&bytes, &entry, TEXT("[\"event\",12,\"x\"]"), NULL), 0);
	for (size_t n = 0; n < bytes.len; n++) {
		buffer_reset(&json);
		attachments_cut(&out, 0);
		assert_true(sio_history_entry_read(text_of((const char *)bytes.data, n), &read, &json, &out) < 0);
	}
	buffer_reset(&json);
	buffer_add_byte(&bytes, 0);
	assert_int_equal(sio_history_entry_read(buffer_text(&bytes), &read, &json, &out), ERROR_SYNTAX);
}

static void
others_entries_are_refused(void **state)
{
#define BYTES(literal)                                                                                               \
	{                                                                                                            \
		literal, sizeof(literal) - 1                                                                         \
	}
	static const struct text bad[] = {
		BYTES("rubbish"),
		BYTES("\x95\x02\x01\x01\x90\x91\xa1"
		      "e"),		       /* another version */
		BYTES("\x94\x01\x01\x01\x90"), /* no event */
		BYTES("\x95\x01\x00\x01\x90\x91\xa1"
		      "e"), /* no origin */
		BYTES("\x95\x01\x01\xff\x90\x91\xa1"
		      "e"), /* a negative number */
		BYTES("\x95\x01\x01\x01\x91\x01\x91\xa1"
		      "e"), /* a room that is a number */
		BYTES("\x95\x01\x01\x01\xdc\x00\x11\x91\xa1"
		      "e"), /* too many rooms */
		BYTES("\x95\x01\x01\x01\x90\xa1"
		      "e"),			   /* the event is not an array */
		BYTES("\x95\x01\x01\x01\x90\x90"), /* the event has no name */
		BYTES("\x95\x01\x01\x01\x90\x91\xa7"
		      "connect"),		       /* a reserved name */
		BYTES("\x95\x01\x01\x01\x90\x91\xc0"), /* a name that is null */
		BYTES("\x95\x01\x01\x01\x90\xdd\xff\xff\xff\xff\xa1"
		      "e"), /* an endless array */
	};
	struct sio_history_entry read;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		buffer_reset(&json);
		attachments_cut(&out, 0);
		assert_true(sio_history_entry_read(bad[i], &read, &json, &out) < 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(every_cut_entry_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(others_entries_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
