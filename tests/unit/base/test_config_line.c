/* The lines of a configuration file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/config_line.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static struct config_line line;
static char error[OPTION_ERROR_MAX];

static int
setup(void **state)
{
	(void)state;
	memset(&line, 0, sizeof line);
	memset(error, 0, sizeof error);
	return 0;
}

static void
check_setting(struct text *rest, unsigned number, const char *name, const char *value)
{
	if (config_line_next(rest, &line, error) != 1)
		fail_msg("%s", error);
	assert_int_equal(line.number, number);
	assert_true(text_is(line.name, text_from(name)));
	assert_string_equal(line.value, value);
}

static void
test_settings_comments_and_blanks(void **state)
{
	struct text rest = TEXT("\xef\xbb\xbf# comment\n\n  port=3000\n\tpingInterval\t= 25s # soon\r\n"
				"path = /a#b\nnote =\n # c\nSOCKEYE_HOST = ::1");

	(void)state;
	check_setting(&rest, 3, "port", "3000");
	check_setting(&rest, 4, "pingInterval", "25s");
	check_setting(&rest, 5, "path", "/a#b");
	check_setting(&rest, 6, "note", "");
	check_setting(&rest, 8, "SOCKEYE_HOST", "::1");
	assert_int_equal(config_line_next(&rest, &line, error), 0);
}

static void
test_quotes_keep_blanks_and_hashes(void **state)
{
	struct text rest = TEXT("a = \" b # \\\"c\\\" \\\\ \\n \"  # d\nb=\"\"\n");

	(void)state;
	check_setting(&rest, 1, "a", " b # \"c\" \\ \\n ");
	check_setting(&rest, 2, "b", "");
}

static void
check_error(struct text text, const char *expected)
{
	struct text rest = text;

	memset(&line, 0, sizeof line);
	assert_int_equal(config_line_next(&rest, &line, error), ERROR_SYNTAX);
	if (!strstr(error, expected))
		fail_msg("\"%s\" lacks \"%s\"", error, expected);
	assert_int_equal(line.number, 1);
	check_setting(&rest, 2, "next", "1"); /* the next line is read all the same */
}

static void
test_each_mistake_is_explained(void **state)
{
	(void)state;
	check_error(TEXT("port 3000\nnext=1"), "\"port\" is not a setting (use name = value)");
	check_error(TEXT("[section]\nnext=1"), "not a setting");
	check_error(TEXT("= 3000\nnext=1"), "the name before = is missing");
	check_error(TEXT("a b = 1\nnext=1"), "\"a b\" is not the name of an option");
	check_error(TEXT("a = \"b\nnext=1"), "option a: the closing quote is missing");
	check_error(TEXT("a = \"b\"c\nnext=1"), "option a: characters follow the closing quote");
	check_error(TEXT("a = \"b\" c\nnext=1"), "option a: characters follow the closing quote");
	check_error(TEXT("a = 'b'\nnext=1"), "option a: a value is quoted with \"");
	check_error(TEXT("a = \xff\nnext=1"), "UTF-8");
	check_error(text_of("a = \0\nnext=1", 12), "control character");
	check_error(TEXT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1\nnext=1"),
		"longer than that of any option");
}

static void
test_a_secret_is_not_quoted_in_an_error(void **state)
{
	struct text rest = TEXT("redisSecret hunter2");

	(void)state;
	assert_int_equal(config_line_next(&rest, &line, error), ERROR_SYNTAX);
	assert_null(strstr(error, "hunter2"));
}

static void
test_the_longest_line(void **state)
{
	size_t n = CONFIG_LINE_MAX + 2;
	char *text = mem_alloc(n);
	struct text rest;

	(void)state;
	memset(text, 'x', n);
	text[1] = '=';
	text[CONFIG_LINE_MAX] = '\n';
	rest = text_of(text, CONFIG_LINE_MAX);
	assert_int_equal(config_line_next(&rest, &line, error), 1);
	assert_int_equal(strlen(line.value), CONFIG_LINE_MAX - 2);
	text[CONFIG_LINE_MAX] = 'x';
	rest = text_of(text, CONFIG_LINE_MAX + 1);
	assert_int_equal(config_line_next(&rest, &line, error), ERROR_SYNTAX);
	assert_non_null(strstr(error, "longer than 8192 bytes"));
	mem_free(text);
}

static void
test_written_values_can_be_read(void **state)
{
	static const char *const values[] = {"", "a b", " a", "a ", "#", "a#b", "\"", "'", "a\"b", "\\", "\\\" # \\"};

	(void)state;
	for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct buffer out;
		struct text rest;

		buffer_init(&out, 1000);
		buffer_add_text(&out, TEXT("a = "));
		config_line_write_value(&out, text_from(values[i]));
		rest = buffer_text(&out);
		memset(&line, 0, sizeof line);
		check_setting(&rest, 1, "a", values[i]);
		buffer_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_settings_comments_and_blanks, setup),
		cmocka_unit_test_setup(test_quotes_keep_blanks_and_hashes, setup),
		cmocka_unit_test_setup(test_each_mistake_is_explained, setup),
		cmocka_unit_test_setup(test_a_secret_is_not_quoted_in_an_error, setup),
		cmocka_unit_test_setup(test_the_longest_line, setup),
		cmocka_unit_test_setup(test_written_values_can_be_read, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
