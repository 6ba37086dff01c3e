#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/error.h"
#include "node/api/api_keys.h"

static char error[API_KEYS_ERROR_MAX];

/* Loads a key file with this content. */
static int
of_file(struct api_keys **out, const char *content)
{
	char name[] = "/tmp/sockeye-keys-XXXXXX";
	int fd = mkstemp(name), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	rc = api_keys_new(out, NULL, name, error);
	unlink(name);
	return rc;
}

static void
test_lists_and_files(void **state)
{
	struct api_keys *k;

	(void)state;
	assert_int_equal(api_keys_new(&k, NULL, "", error), 0);
	assert_null(k);
	assert_int_equal(api_keys_new(&k, "0123456789abcdef, fedcba9876543210", NULL, error), 0);
	assert_true(api_keys_has(k, TEXT("0123456789abcdef")));
	assert_true(api_keys_has(k, TEXT("fedcba9876543210")));
	assert_false(api_keys_has(k, TEXT("0123456789abcdeF")));
	assert_false(api_keys_has(k, TEXT("0123456789abcde")));
	assert_false(api_keys_has(k, TEXT("0123456789abcdef, fedcba9876543210")));
	assert_false(api_keys_has(k, TEXT("")));
	api_keys_free(k);
	assert_int_equal(of_file(&k, "# old\r\n0123456789abcdef\r\n\n  fedcba9876543210"), 0);
	assert_true(api_keys_has(k, TEXT("0123456789abcdef")));
	assert_true(api_keys_has(k, TEXT("fedcba9876543210")));
	assert_false(api_keys_has(k, TEXT("# old")));
	api_keys_free(k);
}

/* The log never shows the text that was given as a key. */
static void
test_errors_do_not_show_the_key(void **state)
{
	char many[(API_KEYS_MAX + 1) * 17 + 1] = "";
	struct api_keys *k;

	(void)state;
	assert_int_equal(api_keys_new(&k, "hunter2", NULL, error), ERROR_ARGUMENT);
	assert_null(k);
	assert_non_null(strstr(error, "16 to 256"));
	assert_null(strstr(error, "hunter2"));
	assert_int_equal(api_keys_new(&k, "0123456789abcdef,", NULL, error), 0);
	api_keys_free(k);
	assert_int_equal(api_keys_new(&k, "0123456789 abcdef", NULL, error), ERROR_ARGUMENT);
	assert_int_equal(api_keys_new(&k, "0123456789abcd\xc3\xa9", NULL, error), ERROR_ARGUMENT);
	for (unsigned i = 0; i <= API_KEYS_MAX; i++)
		sprintf(many + strlen(many), "%016u,", i);
	assert_int_equal(api_keys_new(&k, many, NULL, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "more than 100"));
	assert_int_equal(api_keys_new(&k, NULL, "/nowhere/keys", error), ERROR_SYSTEM);
	assert_non_null(strstr(error, "/nowhere/keys"));
	assert_int_equal(of_file(&k, "# none\n"), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "holds no key"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_and_files), cmocka_unit_test(test_errors_do_not_show_the_key)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
