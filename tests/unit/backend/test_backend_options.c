/* The addresses of --backend, and combinations of options that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/backend/backend_address.h"
#include "node/backend/backend_options.h"

static char error[OPTION_ERROR_MAX];

static void
reads_addresses(void **state)
{
	static const struct {
		const char *url;
		enum backend_address_kind kind;
		const char *at;
		uint16_t port;
	} good[] = {
		{"unix:///run/a.sock", BACKEND_ADDRESS_UNIX, "/run/a.sock", 0},
		{"tls://edge.example:3300", BACKEND_ADDRESS_TLS, "edge.example", 3300},
		{"tls://0.0.0.0:1", BACKEND_ADDRESS_TLS, "0.0.0.0", 1},
		{"tcp://[::1]:3300", BACKEND_ADDRESS_TCP, "::1", 3300},
		{"tcp://:3300", BACKEND_ADDRESS_TCP, "", 3300},
		{"tcp://*:0", BACKEND_ADDRESS_TCP, "", 0},
	};
	struct backend_address a;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(backend_address_parse(text_from(good[i].url), &a, error), 0);
		assert_int_equal(a.kind, good[i].kind);
		assert_string_equal(a.at, good[i].at);
		assert_int_equal(a.port, good[i].port);
	}
}

static void
refuses_other_addresses(void **state)
{
	static const char *const bad[] = {"", "unix://", "unix:///", "unix://run/a.sock", "/run/a.sock", "http://a:1",
		"tls://", "tls://a", "tls://a:", "tls://a:x", "tls://a:65536", "tls://a:-1", "tcp://::1:3300",
		"tcp://[::1:3300", "tcp://[]:1", "tls://a/b:1", "unix://a:3300"};
	char deep[200] = "unix:///";
	struct backend_address a;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		error[0] = '\0';
		if (backend_address_parse(text_from(bad[i]), &a, error) != ERROR_ARGUMENT)
			fail_msg("%s was not refused", bad[i]);
		assert_non_null(strstr(error, "--backend"));
	}
	memset(deep + 8, 'a', 107);
	assert_int_equal(backend_address_parse(text_from(deep), &a, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "has 108 bytes, at most 107 are possible"));
	deep[8 + 106] = '\0';
	assert_int_equal(backend_address_parse(text_from(deep), &a, error), 0);
}

static struct backend_options
some_options(void)
{
	struct backend_options o;
	struct option_table table = backend_options_table(&o);

	memset(&o, 0, sizeof o);
	options_defaults(&table, 1);
	return o;
}

static void
knows_the_defaults(void **state)
{
	struct backend_options o = some_options();

	(void)state;
	assert_null(o.urls);
	assert_int_equal(o.wait, 30000);
	assert_int_equal(o.orphan_queue, 64 << 10);
	assert_int_equal(o.orphan_total, 64 << 20);
	assert_int_equal(o.window, 4 << 20);
	assert_int_equal(o.max_frame, 16 << 20);
	assert_int_equal(o.ping, 5000);
	assert_int_equal(o.stall_timeout, 30000);
	assert_int_equal(o.reattach_rate, 5000);
	assert_int_equal(o.fanout, BACKEND_FANOUT_DIRECT);
	assert_int_equal(backend_options_check(&o, false, error), 0);
}

static void
addresses_open_to_everybody_are_refused(void **state)
{
	struct backend_options o = some_options();

	(void)state;
	o.urls = (char *)(uintptr_t) "unix:///a,tcp://a:1";
	assert_int_equal(backend_options_check(&o, true, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "--backend-insecure"));
	o.insecure = true;
	assert_int_equal(backend_options_check(&o, true, error), 0);

	o.insecure = false;
	o.urls = (char *)(uintptr_t) "tls://a:1";
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "certificate"));
	assert_int_equal(backend_options_check(&o, true, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "anyone could connect"));
	o.secret = (char *)(uintptr_t) "a secret";
	assert_int_equal(backend_options_check(&o, true, error), 0);
	o.secret = NULL;
	o.ca = (char *)(uintptr_t) "ca.pem";
	assert_int_equal(backend_options_check(&o, true, error), 0);
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
	o.tls_cert = (char *)(uintptr_t) "cert.pem";
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
	o.tls_key = (char *)(uintptr_t) "key.pem";
	assert_int_equal(backend_options_check(&o, false, error), 0);
}

static void
refuses_incompatible_options(void **state)
{
	struct backend_options o = some_options();

	(void)state;
	o.secret = o.secret_file = (char *)(uintptr_t) "a secret";
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
	o = some_options();
	o.ping = o.stall_timeout;
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
	o = some_options();
	o.urls =
		(char *)(uintptr_t) "unix:///1,unix:///2,unix:///3,unix:///4,unix:///5,unix:///6,unix:///7,unix:///8";
	assert_int_equal(backend_options_check(&o, false, error), 0);
	o.urls = (char *)(uintptr_t) "unix:///1,unix:///2,unix:///3,unix:///4,unix:///5,unix:///6,unix:///7,unix:///"
				     "8,unix:///9";
	assert_int_equal(backend_options_check(&o, false, error), ERROR_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(refuses_other_addresses),
		cmocka_unit_test(knows_the_defaults),
		cmocka_unit_test(addresses_open_to_everybody_are_refused),
		cmocka_unit_test(refuses_incompatible_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
