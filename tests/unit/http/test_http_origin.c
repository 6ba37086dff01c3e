/* Web origins: which ones are the server's own, and what corsOrigin accepts, refuses and allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/http/http_origin.h"

static void
test_own(void **state)
{
	static const struct {
		const char *origin, *host;
		bool plain, secure; /* whether it is the server's own for a request without TLS, and with TLS */
	} rows[] = {
		{"https://a.example", "a.example", true, true},
		{"https://a.example", "a.example:443", true, true},
		{"https://a.example:443", "a.example", true, true},
		{"https://a.example:443", "a.example:443", true, true},
		{"HTTPS://A.Example", "a.eXample", true, true},
		{"https://a.example.", "a.example", true, true},
		{"https://a.example", "a.example.", true, true},
		{"https://a.example", "a.example.:443", true, true},
		{"https://a.example:8443", "a.example:8443", true, true},
		{"https://[::1]:3000", "[::1]:3000", true, true},
		{"https://[::1]", "[::1]:443", true, true},
		{"http://a.example", "a.example", true, false},
		{"http://a.example", "a.example:80", true, false},
		{"http://a.example:80", "a.example", true, false},
		{"http://a.example:3000", "a.example:3000", true, false},
		{"http://a.example", "a.example:443", false, false},
		{"https://a.example", "a.example:80", false, false},
		{"https://a.example", "a.example:8443", false, false},
		{"https://a.example:8443", "a.example", false, false},
		{"https://a.example", "b.a.example", false, false},
		{"https://b.a.example", "a.example", false, false},
		{"https://a.example.evil", "a.example", false, false},
		{"https://a.example/", "a.example", false, false},
		{"https://a.example@evil", "a.example", false, false},
		{"https://a.example..", "a.example", false, false},
		{"https://a.example:", "a.example", false, false},
		{"https://a.example:0", "a.example:0", false, false},
		{"https://a.example:99999", "a.example:99999", false, false},
		{"https://", "", false, false},
		{"https://.", ".", false, false},
		{"://a.example", "a.example", false, false},
		{"a.example", "a.example", false, false},
		{"null", "null", false, false},
		{"", "", false, false},
		{"https://a.example,https://a.example", "a.example", false, false},
		{"capacitor://a.example", "a.example", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct text origin = text_from(rows[i].origin), host = text_from(rows[i].host);

		if (http_origin_is_host(origin, host, false) != rows[i].plain ||
			http_origin_is_host(origin, host, true) != rows[i].secure)
			fail_msg("%s at %s", rows[i].origin, rows[i].host);
	}
	assert_false(http_origin_is_host(TEXT("https://a.example"), TEXT_NONE, false));
	assert_false(http_origin_is_host(TEXT_NONE, TEXT_NONE, false));
}

/* Each error names the mistake; many show the right spelling. */
static void
test_refused(void **state)
{
	static const struct {
		const char *setting, *says;
	} rows[] = {
		{"https://a.example/", "has a path, which origins do not have (use https://a.example)"},
		{"https://a.example:8443/chat", "has a path, which origins do not have (use https://a.example:8443)"},
		{"https://a.example?x", "has a path"},
		{"https://a.example:443", "has the default port, which browsers omit (use https://a.example)"},
		{"http://a.example:80", "has the default port, which browsers omit (use http://a.example)"},
		{"https://*.a.example:443", "has the default port, which browsers omit (use https://*.a.example)"},
		{"https://A.example",
			"has capital letters, which browsers write in lower case (use https://a.example)"},
		{"a.example", "has no scheme"},
		{"a.example:3000", "has no scheme"},
		{"//a.example", "has an unknown flag after the regular expression"},
		{"://a.example", "has no scheme"},
		{"*://a.example", "has an invalid scheme"},
		{"https://a.example https://b.example", "contains a blank"},
		{"https:// a.example", "contains a blank"},
		{"https://a.example,", "is an empty item"},
		{"https://a.example,,https://b.example", "is an empty item"},
		{",", "is an empty item"},
		{"https://a.example, *", "allows every origin and must be the only item"},
		{"true,https://a.example", "allows every origin and must be the only item"},
		{"https://", "has an invalid host or port"},
		{"https://a.example:", "has an invalid host or port"},
		{"https://a.example:x", "has an invalid host or port"},
		{"https://a.example:0", "has an invalid host or port"},
		{"https://a.example:0443", "has an invalid host or port"},
		{"https://a.example:65536", "has an invalid host or port"},
		{"https://user@a.example", "has an invalid host or port"},
		{"https://[::1", "has an invalid host or port"},
		{"https://*", "has a misplaced *"},
		{"https://a.*.example", "has a misplaced *"},
		{"https://*.*.example", "has a misplaced *"},
		{"https://*a.example", "has a misplaced *"},
		{"https://*.", "has an invalid host or port"},
		{"https://b\xc3\xbc"
		 "cher.example",
			"has a character that origins cannot have"},
		{"https://a\x01.example", "has a character that origins cannot have"},
		{"/a", "is a regular expression without a closing slash"},
		{"/a\\/", "is a regular expression without a closing slash"},
		{"/[/]", "is a regular expression without a closing slash"},
		{"/(/", "missing closing parenthesis at character"},
		{"/a/g", "has an unknown flag"},
		{"/a/x", "has an unknown flag"},
		{"/a/ https://b.example", "has an unknown flag"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_origins *o;
		char error[HTTP_ORIGIN_ERROR_MAX] = "";
		int rc = http_origins_new(&o, rows[i].setting, error);

		if (rc != ERROR_ARGUMENT || o != NULL || strstr(error, rows[i].says) == NULL ||
			strstr(error, "option --cors-origin: \"") != error)
			fail_msg("%s: %s", rows[i].setting, error);
	}
}

static void
test_allowed(void **state)
{
	static const struct {
		const char *setting, *origin;
		bool allowed;
	} rows[] = {
		{"*", "https://a.example", true},
		{"true", "null", true},
		{"https://a.example", "https://a.example", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{" https://a.example , https://b.example:8443 ", "https://b.example:8443", true},
		{"capacitor://localhost,ionic://localhost", "ionic://localhost", true},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", true},
		{"http://[::1]:3000", "http://[::1]:3000", true},
		{"https://a.example,null", "null", true},
		{"https://a.example", "null", false},
		{"https://*.a.example", "https://x.a.example", true},
		{"https://*.a.example", "https://x.y.a.example", true},
		{"https://*.a.example", "https://a.example", false},
		{"https://*.a.example", "https://.a.example", false},
		{"https://*.a.example", "http://x.a.example", false},
		{"https://*.a.example", "https://x.a.example:8443", false},
		{"https://*.a.example", "https://evil.example/x.a.example", false},
		{"https://*.a.example", "https://evil.example:1.a.example", false},
		{"https://*.a.example", "https://xa.example", false},
		{"https://*.a.example", "https://x.a.example.evil", false},
		{"https://*.a.example:8443", "https://x.a.example:8443", true},
		{"/a\\.example$/", "https://a.example", true},
		{"/a\\.example$/", "https://a.example.evil", false},
		{"/^https:\\/\\/a\\.example$/", "https://a.example", true},
		{"/^https:\\/\\/a\\.example$/", "HTTPS://A.EXAMPLE", false},
		{"/^https:\\/\\/a\\.example$/i", "HTTPS://A.EXAMPLE", true},
		{"/^https:..a{1,2}\\.example$/, https://c.example", "https://aa.example", true},
		{"/^https:..a{1,2}\\.example$/, https://c.example", "https://c.example", true},
		{"/^https:..[/,]x$/ ,https://c.example", "https://,x", true},
		{"/a/ims", "b", false},
		/* exceeds the steps of a match: the origin is refused at once */
		{"/^(a+)+$/", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_origins *o;
		char error[HTTP_ORIGIN_ERROR_MAX] = "";

		if (http_origins_new(&o, rows[i].setting, error) != 0)
			fail_msg("%s: %s", rows[i].setting, error);
		if (http_origins_allow(o, text_from(rows[i].origin)) != rows[i].allowed)
			fail_msg("%s for %s", rows[i].setting, rows[i].origin);
		http_origins_free(o);
	}
}

/*
 * A single origin is sent regardless of the request's origin, as in the cors package. With other settings, nothing is
 * fixed.
 */
static void
test_fixed(void **state)
{
	static const struct {
		const char *setting, *fixed;
	} rows[] = {
		{"*", "*"},
		{" https://a.example ", "https://a.example"},
		{"null", "null"},
		{"true", NULL},
		{"https://a.example,https://b.example", NULL},
		{"https://*.a.example", NULL},
		{"/a/", NULL},
	};
	struct http_origins *o;
	char error[HTTP_ORIGIN_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct text fixed;

		assert_int_equal(http_origins_new(&o, rows[i].setting, error), 0);
		fixed = http_origins_fixed(o);
		if (rows[i].fixed == NULL)
			assert_null(fixed.at);
		else
			assert_true(text_is(fixed, text_from(rows[i].fixed)));
		http_origins_free(o);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(http_origins_new(&o, (const char *[]){NULL, " ", "false"}[i], error), 0);
		assert_null(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
