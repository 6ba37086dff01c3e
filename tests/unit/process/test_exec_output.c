/* The output lines of a program in the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "node/process/exec_output.h"

static struct exec_output output;
static char logged[1 << 16]; /* the text after "stream=stdout " of each line */

static void
sink(void *arg, enum log_level level, const char *line, size_t n)
{
	static const char mark[] = "event=exec number=3 stream=stdout ";
	const char *from = strstr(line, mark);

	(void)arg;
	assert_int_equal(level, LOG_INFO);
	assert_non_null(from);
	from += sizeof mark - 1;
	assert_true(strlen(logged) + n < sizeof logged);
	strncat(logged, from, n - (size_t)(from - line));
}

static int
setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	log_set_sink(sink, NULL);
	exec_output_init(&output, 3, "stdout", LOG_INFO);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static void
feed(const char *text)
{
	exec_output_feed(&output, text, strlen(text));
}

static void
expect(const char *lines)
{
	assert_string_equal(logged, lines);
	logged[0] = '\0';
}

static void
each_line_is_one_event(void **state)
{
	(void)state;
	feed("one\ntwo words\n\nhalf");
	expect("text=one\ntext=\"two words\"\ntext=\"\"\n");
	feed(" and half\r\nnext");
	expect("text=\"half and half\"\n");
	exec_output_end(&output);
	expect("text=next\n");
	exec_output_end(&output);
	expect("");
}

static void
a_line_may_come_byte_by_byte(void **state)
{
	(void)state;
	for (const char *at = "a \"b\"\n\x1b[1mc\n"; *at != '\0'; at++)
		exec_output_feed(&output, at, 1);
	expect("text=\"a \\\"b\\\"\"\ntext=\"\\x1b[1mc\"\n");
}

/* A long line is logged in pieces that together are the line, however it arrives. */
static void
long_line(size_t length, size_t step, char fill, unsigned width)
{
	char *line = mem_alloc(length + 1), *at;
	size_t bytes = 0, pieces = 0, whole = 0;

	memset(line, fill, length);
	line[length] = '\n';
	for (size_t i = 0; i <= length; i += step)
		exec_output_feed(&output, line + i, length + 1 - i < step ? length + 1 - i : step);
	for (at = strtok(logged, "\n"); at; at = strtok(NULL, "\n")) {
		const char *end = strstr(at, " more=yes");

		assert_null(strstr(at, "..."));
		pieces++;
		whole += end == NULL;
		bytes += (end ? (size_t)(end - at) : strlen(at)) - strlen("text=") - (width > 1 ? 2 : 0);
		assert_true((end != NULL) == (bytes < length * width));
	}
	assert_int_equal(bytes, length * width);
	assert_int_equal(whole, 1);
	assert_true(pieces <= 2 + length * width / 500);
	logged[0] = '\0';
	mem_free(line);
}

static void
a_long_line_goes_out_in_pieces(void **state)
{
	(void)state;
	for (size_t step = 1; step < 30000; step = step * 3 + 1) {
		long_line(1000, step, 'x', 1);
		long_line(1100, step, 'x', 1);
		long_line(EXEC_LINE_MAX, step, 'x', 1);
		long_line(EXEC_LINE_MAX + 1, step, 'x', 1);
		long_line(20000, step, 'x', 1);
		long_line(5000, step, '\xc3', 4);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_line_is_one_event, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line_may_come_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_goes_out_in_pieces, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
