#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "tests/unit/base/data_file.h"

#define check(literal) json_check(TEXT(literal), JSON_DEPTH_MAX)

/* A heap copy of exactly the text's size, so that the sanitizer sees a read beyond it. */
static struct text
exact(struct text t)
{
	return text_of(mem_copy(t.at, t.n), t.n);
}

static struct text
repeat(const char *piece, size_t times)
{
	size_t n = strlen(piece);
	char *at = mem_alloc(n * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(at + i * n, piece, n);
	return text_of(at, n * times);
}

static void
test_suite(void **state)
{
	unsigned yes = 0, no = 0, either = 0;
	struct dirent *entry;
	char path[512];
	DIR *dir = opendir(DATA "json/test_parsing");

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		struct text t;
		int result;

		if (!strstr(entry->d_name, ".json"))
			continue;
		snprintf(path, sizeof path, DATA "json/test_parsing/%s", entry->d_name);
		t = read_file(path);
		result = json_check(t, JSON_DEPTH_MAX);
		if (entry->d_name[0] == 'y') {
			if (result != 0)
				fail_msg("%s: %s", entry->d_name, error_text(result));
			yes++;
		} else if (entry->d_name[0] == 'n') {
			if (result >= 0)
				fail_msg("%s was accepted", entry->d_name);
			no++;
		} else {
			assert_true(result <= 0);
			either++;
		}
		mem_free((char *)t.at);
	}
	closedir(dir);
	assert_int_equal(yes, 95);
	assert_int_equal(no, 188);
	assert_int_equal(either, 35);
}

/* Where the suite allows either answer, the result is the same as JSON.parse()'s, but invalid UTF-8 is refused. */
static void
test_suite_choices(void **state)
{
	static const struct {
		const char *name;
		int result;
	} cases[] = {
		{"i_number_huge_exp.json", 0},
		{"i_number_very_big_negative_int.json", 0},
		{"i_object_key_lone_2nd_surrogate.json", 0},
		{"i_string_1st_surrogate_but_2nd_missing.json", 0},
		{"i_string_inverted_surrogates_U+1D11E.json", 0},
		{"i_string_UTF-16LE_with_BOM.json", ERROR_SYNTAX},
		{"i_string_UTF8_surrogate_U+D800.json", ERROR_UTF8},
		{"i_string_invalid_utf-8.json", ERROR_UTF8},
		{"i_string_overlong_sequence_2_bytes.json", ERROR_UTF8},
		{"i_string_overlong_sequence_6_bytes.json", ERROR_UTF8},
		{"i_string_not_in_unicode_range.json", ERROR_UTF8},
		{"i_structure_500_nested_arrays.json", 0},
		{"i_structure_UTF-8_BOM_empty_object.json", ERROR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[512];
		struct text t;

		snprintf(path, sizeof path, DATA "json/test_parsing/%s", cases[i].name);
		t = read_file(path);
		assert_int_equal(json_check(t, JSON_DEPTH_MAX), cases[i].result);
		mem_free((char *)t.at);
	}
}

static void
test_depth(void **state)
{
	static const char *const kinds[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {"[{\"a\":", "}]"}};
	struct text open, close;
	char *whole;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		for (unsigned depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX + 2; depth += k == 2 ? 2 : 1) {
			unsigned times = k == 2 ? depth / 2 : depth;
			struct text t;

			open = repeat(kinds[k][0], times);
			close = repeat(kinds[k][1], times);
			whole = mem_alloc(open.n + close.n + 1);
			memcpy(whole, open.at, open.n);
			whole[open.n] = '1';
			memcpy(whole + open.n + 1, close.at, close.n);
			t = text_of(whole, open.n + close.n + 1);
			assert_int_equal(json_check(t, 100000), depth <= JSON_DEPTH_MAX ? 0 : ERROR_TOO_DEEP);
			assert_int_equal(json_check(t, depth - 1), ERROR_TOO_DEEP);
			mem_free(whole);
			mem_free((char *)open.at);
			mem_free((char *)close.at);
		}
	}
	open = repeat("[", 100000);
	assert_int_equal(json_check(open, JSON_DEPTH_MAX), ERROR_TOO_DEEP);
	mem_free((char *)open.at);
	assert_int_equal(json_check(TEXT("1"), 0), 0);
	assert_int_equal(json_check(TEXT("[]"), 0), ERROR_TOO_DEEP);
	assert_int_equal(json_check(TEXT("[[],{}]"), 2), 0);
	assert_int_equal(json_check(TEXT("[[],[{}]]"), 2), ERROR_TOO_DEEP);
}

/* The bit that tells an array from an object must be right after other containers at the same depth. */
static void
test_brackets(void **state)
{
	(void)state;
	assert_int_equal(check("[{},[{\"a\":[{}]}],{\"b\":{}}]"), 0);
	assert_int_equal(check("[{\"a\":1},[1,2],{\"a\":[1,{}]}]"), 0);
	assert_int_equal(check("{\"a\":[1],\"b\":{\"c\":[]},\"d\":[[]]}"), 0);
	assert_int_equal(check("[{\"a\":1]]"), ERROR_SYNTAX);
	assert_int_equal(check("{\"a\":[1}]"), ERROR_SYNTAX);
	assert_int_equal(check("[[1},1]"), ERROR_SYNTAX);
	assert_int_equal(check("{\"a\":[1],2}"), ERROR_SYNTAX);
	assert_int_equal(check("[\"a\":1]"), ERROR_SYNTAX);
	assert_int_equal(check("[1,]"), ERROR_SYNTAX);
	assert_int_equal(check("{\"a\":1,}"), ERROR_SYNTAX);
	assert_int_equal(check("{\"a\"}"), ERROR_SYNTAX);
	assert_int_equal(check("{1:2}"), ERROR_SYNTAX);
	assert_int_equal(check("]"), ERROR_SYNTAX);
	assert_int_equal(check("[] []"), ERROR_SYNTAX);
	assert_int_equal(check(""), ERROR_SYNTAX);
	assert_int_equal(check(" \t\r\n"), ERROR_SYNTAX);
	assert_int_equal(check(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : null } \n"), 0);
	assert_int_equal(json_check(TEXT_NONE, JSON_DEPTH_MAX), ERROR_SYNTAX);
}

static void
test_strings(void **state)
{
	(void)state;
	assert_int_equal(check("\"\""), 0);
	assert_int_equal(check("\"a\\u0000b\""), 0);
	assert_int_equal(check("\"a\0b\""), ERROR_SYNTAX);
	assert_int_equal(check("\"long enough to be read in words\0, and on\""), ERROR_SYNTAX);
	assert_int_equal(check("\"\x1f\""), ERROR_SYNTAX);
	assert_int_equal(check("\"\x7f\""), 0);
	assert_int_equal(check("\"\\ud800\""), 0);
	assert_int_equal(check("\"\\uDFFF\\uD800\""), 0);
	assert_int_equal(check("\"\\u00g0\""), ERROR_SYNTAX);
	assert_int_equal(check("\"\\x\""), ERROR_SYNTAX);
	assert_int_equal(check("\"\xed\xa0\x80\""), ERROR_UTF8);
	assert_int_equal(check("\"\xc0\xaf\""), ERROR_UTF8);
	assert_int_equal(check("\"\xf4\x90\x80\x80\""), ERROR_UTF8);
	assert_int_equal(check("\"\xf4\x8f\xbf\xbf\""), 0);
	assert_int_equal(check("\"\xc3\xa9\x01\""), ERROR_SYNTAX);
	assert_int_equal(check("{\"\xff\":1}"), ERROR_UTF8);
	assert_int_equal(check("\xc3\xa9"), ERROR_SYNTAX);
	/* each byte that stops the scan, at each place of two words */
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned at = 1; at < 18; at++) {
			char text[20] = "\"aaaaaaaaaaaaaaaaa\"";
			int want = 0;

			text[at] = (char)c;
			if (c < 0x20)
				want = ERROR_SYNTAX;
			else if (c >= 0x80)
				want = ERROR_UTF8;
			else if (c == '"' || c == '\\') /* the text ends early; "\a" is not an escape; after `\"` the
							   closing quote is missing */
				want = ERROR_SYNTAX;
			assert_int_equal(json_check(text_of(text, 19), 1), want);
		}
	}
}

/* A text that is cut anywhere is malformed, and nothing beyond the cut is read. */
static void
test_cut(void **state)
{
	static const char text[] =
		"[{\"k\\u00e9y\":[true,false,null,-12.5e+3,\"\\ud83d\\ude00 \xf0\x9f\x98\x80 caf\xc3\xa9\"]},"
		"{\"a\":{}},[],\"0123456789abcdef\\n\"]";
	struct text elements[8];

	(void)state;
	assert_int_equal(check(text), 0);
	for (size_t n = 0; n < sizeof text - 1; n++) {
		struct text t = exact(text_of(text, n));

		assert_true(json_check(t, JSON_DEPTH_MAX) < 0);
		assert_true(json_value_length(t, JSON_DEPTH_MAX) < 0);
		assert_true(json_array_split(t, elements, 8, JSON_DEPTH_MAX) < 0);
		mem_free((char *)t.at);
	}
}

static void
test_value_length(void **state)
{
	(void)state;
	assert_int_equal(json_value_length(TEXT("  12,3"), 4), 4);
	assert_int_equal(json_value_length(TEXT("[1] x"), 4), 3);
	assert_int_equal(json_value_length(TEXT("\"a\"\"b\""), 4), 3);
	assert_int_equal(json_value_length(TEXT("01"), 4), 1);
	assert_int_equal(json_value_length(TEXT("-"), 4), ERROR_SYNTAX);
	assert_int_equal(json_value_length(TEXT("1."), 4), ERROR_SYNTAX);
	assert_int_equal(json_value_length(TEXT("1e"), 4), ERROR_SYNTAX);
	assert_int_equal(json_value_length(TEXT("truex"), 4), 4);
	assert_int_equal(json_value_length(TEXT("tru"), 4), ERROR_SYNTAX);
}

static void
assert_text(struct text t, const char *want)
{
	if (!text_is(t, text_from(want)))
		fail_msg("got %.*s, want %s", (int)t.n, t.at ? t.at : "", want);
}

static void
test_walk(void **state)
{
	struct text rest = TEXT(" [ 1 ,\"a,]\\\"\" , [2,[3]] ,{\"x\":\"}\"} , null ] "), key, element;

	(void)state;
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "1");
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "\"a,]\\\"\"");
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "[2,[3]]");
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "{\"x\":\"}\"}");
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "null");
	assert_false(json_array_next(&rest, &element));
	assert_false(json_array_next(&rest, &element));
	rest = TEXT("[]");
	assert_false(json_array_next(&rest, &element));
	rest = TEXT("[[],[]]");
	assert_true(json_array_next(&rest, &element));
	assert_true(json_array_next(&rest, &element));
	assert_text(element, "[]");
	assert_false(json_array_next(&rest, &element));

	rest = TEXT("{ \"a\\\"\" : [ 1, 2 ] ,\"b\":{},\"\":-1}");
	assert_true(json_object_next(&rest, &key, &element));
	assert_text(key, "\"a\\\"\"");
	assert_text(element, "[ 1, 2 ]");
	assert_true(json_object_next(&rest, &key, &element));
	assert_text(key, "\"b\"");
	assert_text(element, "{}");
	assert_true(json_object_next(&rest, &key, &element));
	assert_text(key, "\"\"");
	assert_text(element, "-1");
	assert_false(json_object_next(&rest, &key, &element));
	rest = TEXT("{ }");
	assert_false(json_object_next(&rest, &key, &element));
}

static void
test_get(void **state)
{
	struct text o = TEXT("{\"a\":1,\"b\":{\"a\":2},\"\\u0061\":3,\"c\":\"\"}");

	(void)state;
	assert_text(json_object_get(o, TEXT("a")), "3");
	assert_text(json_object_get(o, TEXT("b")), "{\"a\":2}");
	assert_text(json_object_get(o, TEXT("c")), "\"\"");
	assert_null(json_object_get(o, TEXT("d")).at);
	assert_null(json_object_get(TEXT("{}"), TEXT("")).at);
}

static void
test_types(void **state)
{
	(void)state;
	assert_int_equal(json_type(TEXT(" null")), JSON_NULL);
	assert_int_equal(json_type(TEXT("\ttrue")), JSON_TRUE);
	assert_int_equal(json_type(TEXT("false")), JSON_FALSE);
	assert_int_equal(json_type(TEXT("-1")), JSON_NUMBER);
	assert_int_equal(json_type(TEXT("\"\"")), JSON_STRING);
	assert_int_equal(json_type(TEXT("[]")), JSON_ARRAY);
	assert_int_equal(json_type(TEXT("{}")), JSON_OBJECT);
}

static void
test_split(void **state)
{
	struct text e[4];

	(void)state;
	assert_int_equal(json_array_split(TEXT(" [ ] "), e, 4, 1), 0);
	assert_int_equal(json_array_split(TEXT("[1, \"x\" ,[2] , {\"a\":[]}]"), e, 4, 3), 4);
	assert_text(e[0], "1");
	assert_text(e[1], "\"x\"");
	assert_text(e[2], "[2]");
	assert_text(e[3], "{\"a\":[]}");
	assert_int_equal(json_array_split(TEXT("[1,2,3,4,5]"), e, 4, 1), ERROR_TOO_MANY);
	assert_int_equal(json_array_split(TEXT("[1,2,3,4]"), e, 4, 1), 4);
	assert_int_equal(json_array_split(TEXT("[[]]"), e, 4, 1), ERROR_TOO_DEEP);
	assert_int_equal(json_array_split(TEXT("[]"), e, 4, 0), ERROR_TOO_DEEP);
	assert_int_equal(json_array_split(TEXT("{}"), e, 4, 9), ERROR_SYNTAX);
	assert_int_equal(json_array_split(TEXT("[] x"), e, 4, 9), ERROR_SYNTAX);
	assert_int_equal(json_array_split(TEXT("[1]]"), e, 4, 9), ERROR_SYNTAX);
	assert_int_equal(json_array_split(TEXT("[1,]"), e, 4, 9), ERROR_SYNTAX);
	assert_int_equal(json_array_split(TEXT("[1}"), e, 4, 9), ERROR_SYNTAX);
	assert_int_equal(json_array_split(TEXT("[\"\xff\"]"), e, 4, 9), ERROR_UTF8);
}

static void
assert_decodes(struct text quoted, struct text plain)
{
	char *out = mem_alloc(quoted.n);

	assert_int_equal(json_check(quoted, 1), 0);
	assert_int_equal(json_string_decode(quoted, out), plain.n);
	assert_memory_equal(out, plain.at, plain.n);
	assert_int_equal(json_string_length(quoted), plain.n);
	assert_true(json_string_is(quoted, plain));
	if (plain.n > 0) {
		assert_false(json_string_is(quoted, text_of(plain.at, plain.n - 1)));
		out[plain.n - 1] ^= 1;
		assert_false(json_string_is(quoted, text_of(out, plain.n)));
	}
	mem_free(out);
}

static void
test_decode(void **state)
{
	(void)state;
	assert_decodes(TEXT("\"\""), TEXT(""));
	assert_decodes(TEXT("\"plain\""), TEXT("plain"));
	assert_decodes(TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), TEXT("\"\\/\b\f\n\r\t"));
	assert_decodes(TEXT("\"a\\u0041\\u00e9\\u20AC\\u0000z\""), TEXT("aA\xc3\xa9\xe2\x82\xac\0z"));
	assert_decodes(TEXT("\"\\ud83d\\ude00\""), TEXT("\xf0\x9f\x98\x80"));
	assert_decodes(TEXT("\"\\ud83d\""), TEXT("\xef\xbf\xbd"));
	assert_decodes(TEXT("\"\\ud83dx\""), TEXT("\xef\xbf\xbdx"));
	assert_decodes(TEXT("\"\\ude00\\ud83d\""), TEXT("\xef\xbf\xbd\xef\xbf\xbd"));
	assert_decodes(TEXT("\"\\ud83d\\ud83d\\ude00\""), TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80"));
	assert_decodes(TEXT("\"\\ud83d\\n\""), TEXT("\xef\xbf\xbd\n"));
	assert_decodes(TEXT("\"\\ud83d\\u0041\""), TEXT("\xef\xbf\xbd"
							"A"));
	assert_false(json_string_is(TEXT("\"ab\""), TEXT("abc")));
	assert_false(json_string_is(TEXT("\"a\\u0062\""), TEXT("a")));
}

static void
assert_string_written(struct text s, const char *want)
{
	struct buffer b;

	buffer_init(&b, 4096);
	json_write_string(&b, s);
	assert_text(buffer_text(&b), want);
	assert_int_equal(json_check(buffer_text(&b), 1), 0);
	buffer_fini(&b);
}

static void
test_write_string(void **state)
{
	(void)state;
	assert_string_written(TEXT(""), "\"\"");
	assert_string_written(TEXT("plain and long enough for words"), "\"plain and long enough for words\"");
	assert_string_written(
		TEXT("\"\\/\b\f\n\r\t\x01\x1f\x7f\0"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\"");
	assert_string_written(
		TEXT("caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80\"");
	/* as the decoder of the Encoding Standard: one U+FFFD for each longest valid prefix */
	assert_string_written(TEXT("a\xffz"), "\"a\xef\xbf\xbdz\"");
	assert_string_written(TEXT("\xc3"), "\"\xef\xbf\xbd\"");
	assert_string_written(TEXT("\xf0\x9f\x98!"), "\"\xef\xbf\xbd!\"");
	assert_string_written(TEXT("\xf0\x9f\x98"), "\"\xef\xbf\xbd\"");
	assert_string_written(TEXT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_written(TEXT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
test_write_overflow(void **state)
{
	struct buffer b;

	(void)state;
	for (size_t max = 0; max < 12; max++) {
		buffer_init(&b, max);
		json_write_string(&b, TEXT("a\nb\xff"));
		assert_int_equal(buffer_error(&b), max < 9 ? ERROR_TOO_BIG : 0);
		buffer_fini(&b);
	}
}

/* Twice as much hostile text may take about twice the time, not four times. */
static void
test_linear(void **state)
{
	static const char *const pieces[] = {"\\u0061", "\xc3\xa9", "[", "1", "0.", "{\"a\":"};

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct text t = repeat(pieces[i], 1000000);
		clock_t start = clock();

		json_check(t, JSON_DEPTH_MAX);
		((char *)t.at)[0] = '"';
		json_check(t, JSON_DEPTH_MAX);
		assert_true(clock() - start < CLOCKS_PER_SEC);
		mem_free((char *)t.at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_suite_choices),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_value_length),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_write_string),
		cmocka_unit_test(test_write_overflow),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
