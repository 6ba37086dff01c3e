/* Where a text stops being JSON, compared with json_check(), which only decides whether it is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/json.h"

static void
the_first_wrong_byte_is_found(void **state)
{
	static const struct {
		const char *text;
		size_t position;
	} cases[] = {
		{"", 0}, {"x", 0}, {"[\"e\",x]", 5}, {"[\"e\" 1]", 5}, {"[\"e\",{\"a\":1,}]", 12},
		{"[\"e\",{a:1}]", 6}, {"[\"e\",{\"a\" 1}]", 10}, {"[\"e\",[1,2}]", 9}, {"[\"e\",tru]", 8},
		{"[\"e\",01]", 6}, {"[\"e\",1.]", 7}, {"[\"e\",1e+]", 8}, {"[\"e\",-]", 6}, {"[\"e\",\"\\x\"]", 7},
		{"[\"e\",\"\\u12g4\"]", 10}, {"[\"e\",\"a\nb\"]", 7}, {"[\"e\",\"\xc3(\"]", 6}, {"[\"e\",1", 6},
		{"[\"e\",", 5}, {"[\"e\"]]", 5}, {"[[[[1]]]]", 3}, /* too deep */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text t = text_from(cases[i].text);

		assert_true(json_check(t, 3) < 0);
		if (json_error_position(t, 3) != cases[i].position)
			fail_msg("%s: %zu, not %zu", cases[i].text, json_error_position(t, 3), cases[i].position);
	}
}

/* Each refused text has a position. The part up to there can be the beginning of an accepted text. */
static void
positions_agree_with_the_check(void **state)
{
	static const char alphabet[] = "[]{},:\"\\ 01-.eEtrufalsn\xc3\xa9\x01";
	char text[12];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 300000; round++) {
		size_t n = (size_t)rand() % sizeof text;
		struct text t = text_of(text, n);

		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
		if (json_check(t, 8) == 0)
			assert_int_equal(json_error_position(t, 8), n);
		else
			assert_true(json_error_position(t, 8) <= n);
	}
}

/* The text ends where its memory ends, which AddressSanitizer watches. */
static void
the_parser_reads_nothing_beyond_the_end(void **state)
{
	static const char *const cut[] = {
		"\"\xc3", "\"\xe2\x82", "\"\xf0\x9f\x98", "\"\\", "\"\\u12", "[", "{", "-", "tru"};

	(void)state;
	for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
		size_t n = strlen(cut[i]);
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, cut[i], n);
		assert_true(json_error_position(text_of(copy, n), 8) <= n);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_wrong_byte_is_found),
		cmocka_unit_test(positions_agree_with_the_check),
		cmocka_unit_test(the_parser_reads_nothing_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
