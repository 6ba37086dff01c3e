#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/http/http_query.h"

/* Each row is the result of `new URLSearchParams("k=" + raw).get("k")`, except where U+FFFD would not fit. */
static void
decode(void **state)
{
	static const struct {
		const char *raw, *decoded;
	} rows[] = {
		{"", ""},
		{"plain", "plain"},
		{"a+b%20c", "a b c"},
		{"%41%5a%5A", "AZZ"},
		{"%", "%"},
		{"%4", "%4"},
		{"%4g%g4%%41", "%4g%g4%A"},
		{"%2525", "%25"},
		{"%C3%A9%E2%82%AC%F0%9F%98%80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xc3\xa9", "\xc3\xa9"},
		{"\xc3%A9", "\xc3\xa9"},
		{"%FFa", "\xef\xbf\xbd"
			 "a"},
		{"%C3a", "\xef\xbf\xbd"
			 "a"},
		{"%E2%82a", "\xef\xbf\xbd"
			    "a"},
		{"%ED%A0%80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"%F0%9F%98", "\xef\xbf\xbd"},
		{"%C0%AF", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xff"
		 "a",
			"?a"},
		{"\xe2\x82", "?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].raw), length;
		char *out = mem_alloc(n);

		length = http_query_decode(text_of(rows[i].raw, n), out);
		assert_true(text_is(text_of(out, length), text_from(rows[i].decoded)));
		/* decodes over its own input */
		memcpy(out, rows[i].raw, n);
		length = http_query_decode(text_of(out, n), out);
		assert_true(text_is(text_of(out, length), text_from(rows[i].decoded)));
		mem_free(out);
	}
}

static void
pairs(void **state)
{
	struct text rest = TEXT("&&a=1&b&=c&&d==e=&"), key, value;

	(void)state;
	assert_true(http_query_next(&rest, &key, &value));
	assert_true(text_is(key, TEXT("a")) && text_is(value, TEXT("1")));
	assert_true(http_query_next(&rest, &key, &value));
	assert_true(text_is(key, TEXT("b")) && value.n == 0 && value.at);
	assert_true(http_query_next(&rest, &key, &value));
	assert_true(key.n == 0 && text_is(value, TEXT("c")));
	assert_true(http_query_next(&rest, &key, &value));
	assert_true(text_is(key, TEXT("d")) && text_is(value, TEXT("=e=")));
	assert_false(http_query_next(&rest, &key, &value));
	rest = TEXT("");
	assert_false(http_query_next(&rest, &key, &value));
}

static void
get(void **state)
{
	struct text q = TEXT("EIO=3&sid=a%2Bb+c&EIO=4&tr%61nsport=polling&empty=&bare&sidx=1&nul=%00x");
	char out[16];

	(void)state;
	assert_int_equal(http_query_get(q, "EIO", out, sizeof(out)), 1);
	assert_string_equal(out, "4");
	assert_int_equal(http_query_get(q, "sid", out, sizeof(out)), 5);
	assert_string_equal(out, "a+b c");
	assert_int_equal(http_query_get(q, "transport", out, sizeof(out)), 7);
	assert_string_equal(out, "polling");
	assert_int_equal(http_query_get(q, "empty", out, sizeof(out)), 0);
	assert_int_equal(http_query_get(q, "bare", out, sizeof(out)), 0);
	assert_string_equal(out, "");
	/* a reader of C strings would see a shorter value: "admin" instead of "admin%00x" */
	assert_int_equal(http_query_get(q, "nul", out, sizeof(out)), ERROR_SYNTAX);
	assert_int_equal(http_query_get(TEXT("q=a&q=a%00b"), "q", out, sizeof(out)), ERROR_SYNTAX);
	assert_int_equal(http_query_get(TEXT("q%00=a"), "q", out, sizeof(out)), ERROR_NOT_FOUND);
	assert_int_equal(http_query_get(q, "si", out, sizeof(out)), ERROR_NOT_FOUND);
	assert_int_equal(http_query_get(q, "eio", out, sizeof(out)), ERROR_NOT_FOUND);
	assert_int_equal(http_query_get(TEXT(""), "a", out, sizeof(out)), ERROR_NOT_FOUND);
	/* the NUL needs space too */
	assert_int_equal(http_query_get(q, "sid", out, 6), 5);
	assert_int_equal(http_query_get(q, "sid", out, 5), ERROR_TOO_BIG);
	assert_int_equal(http_query_get(q, "sid", out, 0), ERROR_TOO_BIG);
}

static void
several_keys(void **state)
{
	static const struct text keys[] = {{"transport", 9}, {"EIO", 3}, {"sid", 3}, {"b64", 3}};
	struct text raw[4];
	char out[16];

	(void)state;
	http_query_find(TEXT("EIO=3&sidx=1&%45IO=4&transport=poll%69ng&b64&t=x&EI=5"), keys, 4, raw);
	assert_true(text_is(raw[0], TEXT("poll%69ng")));
	assert_int_equal(http_query_value(raw[0], out, sizeof(out)), 7);
	assert_string_equal(out, "polling");
	assert_true(text_is(raw[1], TEXT("4")));
	assert_null(raw[2].at);
	assert_int_equal(http_query_value(raw[2], out, sizeof(out)), ERROR_NOT_FOUND);
	assert_int_equal(http_query_value(raw[3], out, sizeof(out)), 0);
	http_query_find(TEXT(""), keys, 4, raw);
	assert_null(raw[0].at);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode),
		cmocka_unit_test(pairs),
		cmocka_unit_test(get),
		cmocka_unit_test(several_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
