/* Numbers in JSON: how they are read and written, as JavaScript does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>

#include "common/base/json.h"
#include "tests/unit/base/data_file.h"

static void
test_number_int(void **state)
{
	static const struct {
		const char *text;
		bool is;
		int64_t value;
	} cases[] = {
		{"0", true, 0},
		{"-0", true, 0},
		{"0e999999999999", true, 0},
		{"12", true, 12},
		{"-12", true, -12},
		{"1e3", true, 1000},
		{"5.0", true, 5},
		{"1.25e2", true, 125},
		{"1.25e1", false, 0},
		{"120e-1", true, 12},
		{"0.001e3", true, 1},
		{"100.00100e5", true, 10000100},
		{"0.5", false, 0},
		{"1e-1", false, 0},
		{"9223372036854775807", true, INT64_MAX},
		{"9223372036854775808", false, 0},
		{"-9223372036854775808", true, INT64_MIN},
		{"-9223372036854775809", false, 0},
		{"9.223372036854775807e18", true, INT64_MAX},
		{"1e19", false, 0},
		{"1e999999999999999999999999", false, 0},
		{"1e-999999999999999999999999", false, 0},
		{"10000000000000000000000e-4", true, 1000000000000000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t value = 0;

		if (json_number_int(text_from(cases[i].text), &value) != cases[i].is || value != cases[i].value)
			fail_msg("%s gave %lld", cases[i].text, (long long)value);
	}
}

static void
test_number_integer(void **state)
{
	uint64_t magnitude;
	bool negative;

	(void)state;
	assert_true(json_number_integer(TEXT("18446744073709551615"), &negative, &magnitude));
	assert_true(magnitude == UINT64_MAX && !negative);
	assert_false(json_number_integer(TEXT("18446744073709551616"), &negative, &magnitude));
	assert_false(json_number_integer(TEXT("99999999999999999999"), &negative, &magnitude));
	assert_true(json_number_integer(TEXT("-18446744073709551615"), &negative, &magnitude));
	assert_true(magnitude == UINT64_MAX && negative);
}

/* Calls `each` for every line "<bits> <text>" of a table. */
static unsigned
numbers(const char *path, void (*each)(double value, struct text text))
{
	struct text file = read_file(path), rest = file, line;
	unsigned n = 0;

	while (text_cut(&rest, '\n', &line)) {
		uint64_t bits = strtoull(line.at, NULL, 16);
		double value;

		memcpy(&value, &bits, sizeof value);
		each(value, text_of(line.at + 17, line.n - 17));
		n++;
	}
	mem_free((char *)file.at);
	return n;
}

static void
assert_written(double value, struct text want)
{
	struct buffer b;

	buffer_init(&b, 64);
	json_write_double(&b, value);
	if (!text_is(buffer_text(&b), want))
		fail_msg("%a: wrote %.*s, JavaScript %.*s", value, (int)b.len, (char *)b.data, (int)want.n, want.at);
	buffer_fini(&b);
}

static void
assert_read(double value, struct text number)
{
	double got = json_number_double(number);

	if (memcmp(&got, &value, sizeof got) != 0)
		fail_msg("%.*s: read %a, JavaScript %a", (int)number.n, number.at, got, value);
}

/* The written number parses to the same bits. JavaScript writes -0 as 0. */
static void
assert_read_back(double value, struct text number)
{
	if (isfinite(value) && value != 0)
		assert_read(value, number);
}

static void
test_numbers_of_javascript(void **state)
{
	(void)state;
	assert_int_equal(numbers(DATA "numbers/written.txt", assert_written), 3561);
	assert_int_equal(numbers(DATA "numbers/written.txt", assert_read_back), 3561);
	assert_int_equal(numbers(DATA "numbers/read.txt", assert_read), 447);
}

/* Creates a locale with this decimal separator; false if localedef or the locale's source is not installed. */
static bool
locale_use(const char *separator)
{
	char dir[] = "/tmp/sockeye-locale-XXXXXX", command[400];
	bool used;
	int unused;

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof command,
		"cd %s && printf 'comment_char %%%%\nescape_char /\nLC_NUMERIC\ndecimal_point \"%s\"\n"
		"thousands_sep \"<U066C>\"\ngrouping 3;3\nEND LC_NUMERIC\n' > source && "
		"localedef -c -i source -f UTF-8 ./xx.UTF-8 >/dev/null 2>&1",
		dir, separator);
	unused = system(command); /* the exit code is useless: it reports missing parts of the locale too */
	setenv("LOCPATH", dir, 1);
	used = setlocale(LC_NUMERIC, "xx.UTF-8") != NULL;
	snprintf(command, sizeof command, "rm -r %s", dir);
	unused = system(command);
	(void)unused;
	unsetenv("LOCPATH");
	return used;
}

/* A separator of one byte, and the two bytes of the Pashto separator. */
static void
test_numbers_in_another_locale(void **state)
{
	static const char *const separators[] = {"<U002C>", "<U066B>"};

	(void)state;
	for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
		char text[8];

		if (!locale_use(separators[i]))
			skip();
		snprintf(text, sizeof text, "%.1f", 1.5);
		assert_string_not_equal(text, "1.5");
		assert_written(1.5, TEXT("1.5"));
		numbers(DATA "numbers/written.txt", assert_written);
		numbers(DATA "numbers/read.txt", assert_read);
		setlocale(LC_NUMERIC, "C");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_int),
		cmocka_unit_test(test_number_integer),
		cmocka_unit_test(test_numbers_of_javascript),
		cmocka_unit_test(test_numbers_in_another_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
