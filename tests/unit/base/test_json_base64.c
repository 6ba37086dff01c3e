#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/json_base64.h"

static struct attachments attachments;
static struct buffer out;

static int
read_text(const char *json, unsigned max)
{
	attachments_fini(&attachments);
	buffer_fini(&out);
	buffer_init(&out, 4096);
	return json_base64_read(text_from(json), max, &attachments, &out);
}

static void
expect(const char *wanted)
{
	buffer_add_byte(&out, '\0');
	assert_string_equal((const char *)out.data, wanted);
	out.len--;
}

static void
test_binary_is_taken_out(void **state)
{
	(void)state;
	assert_int_equal(read_text("[1,{\"$base64\":\"AAEC\"},{\"a\":[{\"\\u0024base64\" : \"\"}]},\"x\"]", 8), 0);
	expect("[1,{\"_placeholder\":true,\"num\":0},{\"a\":[{\"_placeholder\":true,\"num\":1}]},\"x\"]");
	assert_int_equal(attachments.count, 2);
	assert_int_equal(attachments.blocks[0]->len, 3);
	assert_memory_equal(attachments.blocks[0]->data, "\0\1\2", 3);
	assert_int_equal(attachments.blocks[1]->len, 0);
	/* elements without an array around them */
	assert_int_equal(read_text("1, {\"$base64\":\"Lw==\"}", 8), 0);
	expect("1, {\"_placeholder\":true,\"num\":0}");
	assert_memory_equal(attachments.blocks[0]->data, "/", 1);
	/* JSON allows an escaped slash */
	assert_int_equal(read_text("{\"$base64\":\"\\/\\/\\/\\/\"}", 8), 0);
	assert_memory_equal(attachments.blocks[0]->data, "\xff\xff\xff", 3);
}

static void
test_lookalikes_stay(void **state)
{
	static const char *const plain[] = {"{\"$base64\":1}", "{\"$base64\":[\"AAEC\"]}",
		"{\"$base64\":\"AAEC\",\"b\":1}", "{\"b\":1,\"$base64\":\"AAEC\"}", "{}", "[\"$base64\",\"AAEC\"]",
		"{\"x\":{}}", "\"$base64\"", "{\"base64\":\"AAEC\"}", "{\"_placeholder\":true,\"num\":0}"};

	(void)state;
	for (unsigned i = 0; i < sizeof plain / sizeof *plain; i++) {
		assert_int_equal(read_text(plain[i], 8), 0);
		expect(plain[i]);
		assert_int_equal(attachments.count, 0);
	}
}

static void
test_errors(void **state)
{
	(void)state;
	assert_int_equal(read_text("{\"$base64\":\"AAE\"}", 8), ERROR_SYNTAX);
	assert_int_equal(read_text("{\"$base64\":\"AA*=\"}", 8), ERROR_SYNTAX);
	assert_int_equal(read_text("{\"$base64\":\"AA-_\"}", 8), ERROR_SYNTAX);
	assert_int_equal(read_text("[{\"$base64\":\"\"},{\"$base64\":\"\"}]", 1), ERROR_TOO_MANY);
	assert_int_equal(read_text("[{\"_placeholder\":true,\"num\":0},{\"$base64\":\"\"}]", 8), ERROR_EXISTS);
	assert_int_equal(read_text("[{\"$base64\":\"\"},[{\"a\":1,\"_placeholder\":true}]]", 8), ERROR_EXISTS);
	buffer_fini(&out);
	buffer_init(&out, 5);
	assert_int_equal(json_base64_read(TEXT("\"longer\""), 1, &attachments, &out), ERROR_TOO_BIG);
}

static void
test_there_and_back(void **state)
{
	static const char json[] = "[{\"$base64\":\"AAEC\"},{\"x\":{\"$base64\":\"\"}},{\"$base64\":\"AA==\"},null]";
	struct buffer back;

	(void)state;
	assert_int_equal(read_text(json, 8), 0);
	buffer_init(&back, 4096);
	assert_int_equal(json_base64_write(buffer_text(&out), &attachments, &back), 0);
	assert_true(text_is(buffer_text(&back), text_from(json)));
	buffer_reset(&back);
	assert_int_equal(json_base64_write(buffer_text(&out), NULL, &back), 0);
	assert_true(text_is(buffer_text(&back), buffer_text(&out)));
	/* a placeholder inside a placeholder: the outer one counts */
	buffer_reset(&back);
	assert_int_equal(
		json_base64_write(
			TEXT("[1,{\"_placeholder\":true,\"x\":{\"_placeholder\":true,\"num\":1},\"num\":0}]"),
			&attachments, &back),
		0);
	assert_true(text_is(buffer_text(&back), TEXT("[1,{\"$base64\":\"AAEC\"}]")));
	/* a placeholder without a meaning stays as it is */
	buffer_reset(&back);
	assert_int_equal(json_base64_write(TEXT("{\"_placeholder\":true,\"num\":9}"), &attachments, &back), 0);
	assert_true(text_is(buffer_text(&back), TEXT("{\"_placeholder\":true,\"num\":9}")));
	buffer_fini(&back);
	buffer_fini(&out);
	attachments_fini(&attachments);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary_is_taken_out),
		cmocka_unit_test(test_lookalikes_stay),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
