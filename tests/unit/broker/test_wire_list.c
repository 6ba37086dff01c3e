/* The list of a long answer, in JSON and in MessagePack, in parts of any size; and what is not such an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/wire_list.h"
#include "common/base/error.h"
#include "common/base/json.h"

static struct buffer packed, parts;
static struct attachments found;

static int
start(void **state)
{
	(void)state;
	buffer_init(&packed, 1 << 16);
	buffer_init(&parts, 1 << 16);
	attachments_init(&found);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	buffer_fini(&packed);
	buffer_fini(&parts);
	attachments_fini(&found);
	return 0;
}

static struct text
pack(const char *json)
{
	buffer_reset(&packed);
	assert_int_equal(json_to_msgpack(text_from(json), NULL, &packed), 0);
	return buffer_text(&packed);
}

/* Reads the whole list in parts of at least `bytes`. Returns 0 or an error. */
static int
read_all(struct wire_list *list, size_t bytes)
{
	int rc;

	buffer_reset(&parts);
	do
		rc = wire_list_next(list, bytes, &parts, &found);
	while (rc == 0 && !list->ended);
	return rc;
}

static void
assert_parts(const char *expected)
{
	if (!text_is(buffer_text(&parts), text_from(expected)))
		fail_msg("read %.*s, not %s", (int)parts.len, (const char *)parts.data, expected);
}

static const struct {
	const char *json;
	bool nested;
	const char *ones, *whole, *frame;
} lists[] = {
	{"{\"requestId\":\"r\",\"sockets\":[{\"id\":\"a\"},{\"id\":\"b\"},7]}", false,
		"[{\"id\":\"a\"}][{\"id\":\"b\"}][7]", "[{\"id\":\"a\"},{\"id\":\"b\"},7]",
		"{\"requestId\":\"r\",\"sockets\":[]}"},
	{"{\"requestId\":\"r\",\"node\":\"n\",\"rooms\":[\"x\",\"y\"]}", false, "[\"x\"][\"y\"]", "[\"x\",\"y\"]",
		"{\"requestId\":\"r\",\"node\":\"n\",\"rooms\":[]}"},
	{"{\"requestId\":\"r\",\"sockets\":[]}", false, "[]", "[]", "{\"requestId\":\"r\",\"sockets\":[]}"},
	{"{\"type\":8,\"data\":{\"requestId\":\"r\",\"sockets\":[[1],[2]]},\"uid\":\"u\"}", true, "[[1]][[2]]",
		"[[1],[2]]", "{\"type\":8,\"data\":{\"requestId\":\"r\",\"sockets\":[]},\"uid\":\"u\"}"},
};
#define LISTS (sizeof lists / sizeof *lists)

static void
lists_are_read_in_parts(void **state)
{
	struct wire_list list;

	(void)state;
	for (unsigned i = 0; i < 2 * LISTS; i++) {
		struct text payload = i < LISTS ? text_from(lists[i].json) : pack(lists[i - LISTS].json);
		const char *ones = lists[i % LISTS].ones, *whole = lists[i % LISTS].whole;
		struct buffer frame, json;

		assert_true(wire_list_find(&list, payload, lists[i % LISTS].nested));
		assert_int_equal(list.packed, i >= LISTS);
		assert_true(text_is(list.request_id, TEXT("r")));
		assert_int_equal(read_all(&list, 1), 0);
		assert_parts(ones);
		assert_true(wire_list_find(&list, payload, lists[i % LISTS].nested));
		assert_int_equal(read_all(&list, 1000), 0);
		assert_parts(whole);
		buffer_init(&frame, 1000);
		buffer_init(&json, 1000);
		assert_int_equal(wire_list_frame(&list, &frame), 0);
		if (list.packed)
			assert_true(msgpack_to_json(frame.data, frame.len, 9, NULL, &json) == (int64_t)frame.len);
		else
			buffer_add_text(&json, buffer_text(&frame));
		assert_true(text_is(buffer_text(&json), text_from(lists[i % LISTS].frame)));
		buffer_fini(&frame);
		buffer_fini(&json);
	}
}

static void
white_space_and_other_members_do_not_matter(void **state)
{
	struct wire_list list;

	(void)state;
	assert_true(wire_list_find(&list,
		TEXT("{ \"x\" : {\"sockets\":[9]} , \"requestId\" : \"r\" ,\n\"sockets\" : [ 1 , [ 2 ] ] , \"y\" : 3 "
		     "}"),
		false));
	assert_int_equal(read_all(&list, 1), 0);
	assert_parts("[1][ [ 2 ]]");
	/* a list of the application, at another depth */
	assert_false(wire_list_find(&list, TEXT("{\"requestId\":\"r\",\"data\":{\"sockets\":[1]}}"), false));
	assert_false(wire_list_find(&list, TEXT("{\"sockets\":[1],\"data\":{\"requestId\":\"r\"}}"), true));
	assert_false(wire_list_find(&list, pack("{\"requestId\":\"r\",\"data\":{\"sockets\":[1]}}"), false));
	/* the request id stands behind, or has escapes */
	assert_true(wire_list_find(&list, TEXT("{\"sockets\":[1],\"requestId\":\"r\"}"), false));
	assert_null(list.request_id.at);
	assert_true(wire_list_find(&list, TEXT("{\"requestId\":\"\\u0072\",\"sockets\":[1]}"), false));
	assert_null(list.request_id.at);
}

static void
a_text_without_a_list_is_refused(void **state)
{
	static const char *const none[] = {"", "{", "{}", "{\"sockets\"", "{\"sockets\":", "{\"sockets\":7}",
		"{\"sockets\":{}}", "{\"requestId\":\"r\"}", "{\"requestId\":\"r\",", "[1]", "{sockets:[]}",
		"{\"a\":1 \"sockets\":[]}"};
	struct wire_list list;
	struct buffer long_value;

	(void)state;
	for (unsigned i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(wire_list_find(&list, text_from(none[i]), false));
	/* a long value before the list is not scanned */
	buffer_init(&long_value, 1 << 16);
	buffer_add_text(&long_value, TEXT("{\"a\":\""));
	for (unsigned i = 0; i < 5000; i++)
		buffer_add_byte(&long_value, 'x');
	buffer_add_text(&long_value, TEXT("\",\"sockets\":[]}"));
	assert_false(wire_list_find(&list, buffer_text(&long_value), false));
	buffer_fini(&long_value);
}

static void
malformed_lists_end_with_an_error(void **state)
{
	static const char *const bad[] = {"{\"sockets\":[1", "{\"sockets\":[1,", "{\"sockets\":[1,]}",
		"{\"sockets\":[1 2]}", "{\"sockets\":[1,x]}", "{\"sockets\":[", "{\"sockets\":[\"\xff\"]}"};
	struct wire_list list;
	struct text payload;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(wire_list_find(&list, text_from(bad[i]), false));
		assert_in_range(-read_all(&list, 1), 1, 100);
	}
	payload = pack("{\"requestId\":\"r\",\"sockets\":[{\"id\":\"a\"},{\"id\":\"b\"}]}");
	for (size_t n = 0; n < payload.n; n++) {
		if (wire_list_find(&list, text_of(payload.at, n), false))
			assert_int_equal(read_all(&list, 1), ERROR_SYNTAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_are_read_in_parts, start, stop),
		cmocka_unit_test_setup_teardown(white_space_and_other_members_do_not_matter, start, stop),
		cmocka_unit_test_setup_teardown(a_text_without_a_list_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(malformed_lists_end_with_an_error, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
