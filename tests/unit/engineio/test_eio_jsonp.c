/* JSONP without a session: the callback's number, scripts, and forms as browsers send them, cut and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/engineio/eio_jsonp.h"

static void
test_index(void **state)
{
	static const struct {
		const char *query;
		int result;
		bool on;
		uint32_t index;
	} rows[] = {
		{"", 0, false, 0},
		{"EIO=3&transport=polling", 0, false, 0},
		{"jj=1&J=2", 0, false, 0},
		{"j=0", 0, true, 0},
		{"EIO=3&j=12&b64=1", 0, true, 12},
		{"j=%31", 0, true, 1},
		{"j=007", 0, true, 7},
		{"j=4294967295", 0, true, 4294967295},
		{"j=4294967296", ERROR_SYNTAX, false, 0},
		{"j=00000000001", ERROR_SYNTAX, false, 0},
		{"j", ERROR_SYNTAX, false, 0},
		{"j=", ERROR_SYNTAX, false, 0},
		{"j=abc", ERROR_SYNTAX, false, 0},
		{"j=7x8", ERROR_SYNTAX, false, 0},
		{"j=-1", ERROR_SYNTAX, false, 0},
		{"j=+1", ERROR_SYNTAX, false, 0},
		{"j=1.5", ERROR_SYNTAX, false, 0},
		{"j=1%00", ERROR_SYNTAX, false, 0},
		{"j=%D9%A1", ERROR_SYNTAX, false, 0}, /* an Arabic digit */
		{"j=0](alert(1)", ERROR_SYNTAX, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eio_jsonp jsonp = {true, 99};

		if (eio_jsonp_parse(text_from(rows[i].query), &jsonp) != rows[i].result)
			fail_msg("%s", rows[i].query);
		assert_int_equal(jsonp.on, rows[i].on);
		assert_int_equal(jsonp.index, rows[i].index);
	}
}

static void
assert_script(uint32_t index, struct text payload, const char *want)
{
	struct block *block = eio_jsonp_encode(index, payload);
	char got[512];

	snprintf(got, sizeof(got), "%.*s", (int)block->len, (const char *)block->data);
	assert_string_equal(got, want);
	block_unref(block);
}

static void
test_script(void **state)
{
	(void)state;
	/* as engine.io 6.6 sends it */
	assert_script(0, TEXT("117:0{\"sid\":\"9Lmh\"}"), "___eio[0](\"117:0{\\\"sid\\\":\\\"9Lmh\\\"}\");");
	assert_script(78,
		TEXT("4a\x1e"
		     "4b"),
		"___eio[78](\"4a\\u001e4b\");");
	assert_script(4294967295, TEXT("2"), "___eio[4294967295](\"2\");");
	assert_script(1, TEXT(""), "___eio[1](\"\");");
	assert_script(1, TEXT("é€😀"), "___eio[1](\"é€😀\");");
	assert_script(1, TEXT("a\\b\"c\b\f\n\r\t\x01\x1f\x7f/"),
		"___eio[1](\"a\\\\b\\\"c\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\");");
	assert_script(1, text_of("a\0b", 3), "___eio[1](\"a\\u0000b\");");
	assert_script(1, TEXT("\u2027\u2028\u2029\u202a"), "___eio[1](\"\u2027\\u2028\\u2029\u202a\");");
	assert_script(1, TEXT("\u2028"), "___eio[1](\"\\u2028\");");
	assert_script(1, TEXT("<b></b></script><"), "___eio[1](\"<b><\\/b><\\/script><\");");
	assert_script(1, TEXT("<"), "___eio[1](\"<\");");
	assert_script(1, TEXT("\");alert(1);//"), "___eio[1](\"\\\");alert(1);//\");");
}

/* Decodes a copy that is exactly as long as the form, so that sanitizers see a read beyond it. */
static int64_t
decode(const char *form, size_t n, char *out)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	int64_t length;

	memcpy(copy, form, n);
	length = eio_jsonp_decode(copy, n);
	if (length >= 0) {
		assert_true((size_t)length <= n);
		memcpy(out, copy, (size_t)length);
		out[length] = '\0';
	}
	free(copy);
	return length;
}

static void
test_form(void **state)
{
	static const char *const rows[][2] = {
		{"d=1%3A1", "1:1"},
		{"d=5%3A4%C3%A9%F0%9F%98%80x", "5:4é😀x"},
		{"d=4a+b%2Bc", "4a b+c"},
		{"d=4a%1e4b", "4a\x1e"
			      "4b"},
		{"d=", ""},
		{"d", ""},
		{"&&x=1&d=2&y", "2"},
		{"x=d=1&dd=2&d=3", "3"},
		{"d=a=b", "a=b"},
		/* a line feed; a backslash and "n"; two and three backslashes and "n"; backslashes without "n" */
		{"d=a%5Cnb", "a\nb"},
		{"d=a%5C%5Cnb", "a\\nb"},
		{"d=a%5C%5C%5Cnb", "a\\\\nb"},
		{"d=a%5C%5C%5C%5Cnb", "a\\\\\\nb"},
		{"d=\\n\\\\n\\n", "\n\\n\n"},
		{"d=%5C%5Cx%5C%22n%5C", "\\\\x\\\"n\\"},
		{"d=n%5Cn", "n\n"},
	};
	char got[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (decode(rows[i][0], strlen(rows[i][0]), got) < 0)
			fail_msg("%s", rows[i][0]);
		assert_string_equal(got, rows[i][1]);
	}
	assert_int_equal(decode("d=a%00b", 7, got), 3);
	assert_memory_equal(got, "a\0b", 3);
}

static void
test_form_malformed(void **state)
{
	static const char *const rows[] = {"", "2", "1:2", "D=2", "%64=2", " d=2", "x=1", "=2", "&", "d=2&d=2", "d&d",
		"d=%", "d=%2", "d=%2x", "d=2%zz", "d=1%3A1%", "d[]=2"};
	char got[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (decode(rows[i], strlen(rows[i]), got) != ERROR_SYNTAX)
			fail_msg("%s", rows[i]);
	}
}

/* Every beginning of a form decodes to a beginning of its payload, unless it ends within an escape or the name. */
static void
test_form_cuts(void **state)
{
	static const char form[] = "d=5%3A4%C3%A9%5C%5Cn%5Cnx";
	char whole[64], got[64];
	int64_t n = decode(form, sizeof(form) - 1, whole);

	(void)state;
	assert_string_equal(whole, "5:4é\\n\nx");
	for (size_t cut = 0; cut < sizeof(form) - 1; cut++) {
		bool inside = cut == 0 || form[cut - 1] == '%' || (cut > 1 && form[cut - 2] == '%');
		int64_t length = decode(form, cut, got);

		if (inside) {
			assert_int_equal(length, ERROR_SYNTAX);
			continue;
		}
		assert_in_range(length, 0, n);
		if (form[cut - 1] != 'C') /* a backslash may yet become a part of an escape */
			assert_memory_equal(got, whole, (size_t)length);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_form_malformed),
		cmocka_unit_test(test_form_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
