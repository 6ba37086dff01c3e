/* Addresses of --upstream: which are valid, and the error for each of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/upstream/upstream_address.h"
#include "node/upstream/upstream_options.h"

static void
good(const char *url, const char *host, unsigned port, const char *path, const char *authority)
{
	struct upstream_address a;
	char error[UPSTREAM_ERROR_MAX];

	assert_int_equal(upstream_address_read(&a, text_from(url), error), 0);
	assert_string_equal(a.host, host);
	assert_int_equal(a.port, port);
	assert_string_equal(a.path, path);
	assert_string_equal(a.authority, authority);
}

static void
test_addresses(void **state)
{
	(void)state;
	good("http://127.0.0.1:3001", "127.0.0.1", 3001, "", "127.0.0.1:3001");
	good("HTTP://app.internal/", "app.internal", 80, "", "app.internal");
	good("http://[::1]:8080", "::1", 8080, "", "[::1]:8080");
	good("http://[::1]", "::1", 80, "", "[::1]");
	good("unix:///run/app.sock", "", 0, "/run/app.sock", "localhost");
}

static void
bad(const char *url, const char *part)
{
	struct upstream_options o = {.upstream = (char *)(uintptr_t)url};
	char error[OPTION_ERROR_MAX] = "";

	assert_int_equal(upstream_options_check(&o, error), ERROR_ARGUMENT);
	if (!strstr(error, part))
		fail_msg("\"%s\": %s", url, error);
}

static void
test_refusals(void **state)
{
	struct upstream_options o = {.upstream = (char *)(uintptr_t) "http://a, http://b:3,unix:///c"};
	char error[OPTION_ERROR_MAX];

	(void)state;
	assert_int_equal(upstream_options_check(&o, error), 0);
	bad("https://app", "TLS to the upstream, which is not supported");
	bad("127.0.0.1:3001", "use http://host:port or unix:///path");
	bad("http://", "is not an address");
	bad("http://a b", "is not an address");
	bad("http://user@host", "is not an address");
	bad("http://host:0", "no valid port");
	bad("http://host:65536", "no valid port");
	bad("http://host/api", "has a path");
	bad("unix://run/app", "no absolute path");
	bad("unix:///"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aa"
	    "aaaaaaaaaa",
		"too long a path");
	bad("http://a,,http://b", "is not an address");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
