/* Files with secrets: what is read, and what is refused with a clear line and without waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/io/secret_file.h"

static char dir[] = "/tmp/sockeye-secret-XXXXXX", path[64], line[128], error[SECRET_FILE_ERROR_MAX];

static void
write_file(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void
expect_refusal(int code, const char *before, const char *after)
{
	char *secret = NULL;

	assert_int_equal(secret_file_read(&secret, path, error), code);
	assert_null(secret);
	snprintf(line, sizeof line, "%s\"%s\"%s", before, path, after);
	assert_string_equal(error, line);
}

static void
the_line_end_is_not_part_of_the_secret(void **state)
{
	char *secret;

	(void)state;
	write_file("of the nodes\r\n", 14);
	assert_int_equal(secret_file_read(&secret, path, error), 0);
	assert_string_equal(secret, "of the nodes");
	secret_free(secret);
}

static void
what_cannot_be_a_secret_is_refused(void **state)
{
	char text_too_long[SECRET_FILE_MAX + 1];

	(void)state;
	memset(text_too_long, 'x', sizeof text_too_long);
	write_file("\n", 1);
	expect_refusal(ERROR_ARGUMENT, "", " is empty");
	write_file("a\0b", 3);
	expect_refusal(ERROR_ARGUMENT, "", " is longer than 4096 bytes or contains a NUL byte");
	write_file(text_too_long, sizeof text_too_long);
	expect_refusal(ERROR_ARGUMENT, "", " is longer than 4096 bytes or contains a NUL byte");
	unlink(path);
	expect_refusal(ERROR_SYSTEM, "cannot read ", ": No such file or directory");
}

/* Nobody writes to the FIFO, so opening it would block for ever. */
static void
directories_and_fifos_are_refused_at_once(void **state)
{
	(void)state;
	alarm(60);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal(ERROR_SYSTEM, "cannot read ", ": it is not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal(ERROR_SYSTEM, "cannot read ", ": Is a directory");
	rmdir(path);
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_end_is_not_part_of_the_secret),
		cmocka_unit_test(what_cannot_be_a_secret_is_refused),
		cmocka_unit_test(directories_and_fifos_are_refused_at_once),
	};
	int failed;

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/secret", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return failed;
}
