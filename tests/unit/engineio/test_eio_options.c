/* Options: the original's defaults, and checks of values that end up in a header (CVE-2024-47764). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/engineio/eio_error.h"
#include "node/engineio/eio_options.h"

#define SIXTEEN "0123456789abcdef"
#define LINE SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define LONG LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE /* 1,024 bytes */

static void
test_defaults(void **state)
{
	struct eio_options o;
	struct option_table table = eio_options_table(&o);
	char error[OPTION_ERROR_MAX];

	(void)state;
	options_defaults(&table, 1);
	assert_string_equal(o.path, "/engine.io");
	assert_true(o.add_trailing_slash);
	assert_int_equal(o.ping_interval, 25000);
	assert_int_equal(o.ping_timeout, 20000);
	assert_int_equal(o.upgrade_timeout, 10000);
	assert_int_equal(o.max_http_buffer_size, 1000000);
	assert_string_equal(o.transports, "polling,websocket");
	assert_true(o.allow_upgrades);
	assert_true(o.destroy_upgrade);
	assert_int_equal(o.destroy_upgrade_timeout, 1000);
	assert_null(o.initial_packet);
	assert_null(o.cookie);
	assert_string_equal(o.cookie_path, "/");
	assert_string_equal(o.cookie_same_site, "lax");
	assert_true(o.cookie_http_only);
	assert_false(o.cookie_secure);
	assert_null(o.cors_origin);
	assert_int_equal(o.cors_options_success_status, 204);
	assert_true(o.http_compression);
	assert_int_equal(o.http_compression_threshold, 1024);
	assert_false(o.per_message_deflate);
	assert_int_equal(o.per_message_deflate_threshold, 1024);
	assert_int_equal(o.close_timeout, 30000);
	assert_int_equal(eio_options_check(&o, error), 0);
	assert_true(eio_options_transport(&o, "websocket"));
	assert_false(eio_options_transport(&o, "webtransport"));
	options_fini(&table, 1);
}

static void
test_check(void **state)
{
	static const struct {
		const char *name, *value;
		bool good;
	} rows[] = {
		{"path", "", false},
		{"path", "socket.io", false},
		{"path", "/a?b", false},
		{"path", "/", true},
		{"path", "/a/b/", true},
		{"cookie", "io", true},
		{"cookie", "true", true},
		{"cookie", "", false},
		{"cookie", "a b", false},
		{"cookie", "a=b", false},
		{"cookie", "a;b", false},
		{"cookie", "a\r\nSet-Cookie: x", false},
		{"cookie", "\xc3\xa9", false},
		{"cookie", LONG, true},
		{"cookie", LONG "x", false},
		{"cookiePath", "/" LONG, false},
		{"cookiePath", "", true},
		{"cookiePath", "/a b", true},
		{"cookiePath", "/; Domain=evil", false},
		{"cookiePath", "/\n", false},
		{"cookieDomain", "example.com", true},
		{"cookieDomain", ".example.com", true},
		{"cookieDomain", "example.com; Secure", false},
		{"cookieDomain", "a..b", false},
		{"cookieDomain", "-a.b", false},
		{"cookieDomain", "a.", false},
		{"cookieExpires", "Sun, 06 Nov 2044 08:49:37 GMT", true},
		{"cookieExpires", "", true},
		{"cookieExpires", "tomorrow", false},
		{"cookieExpires", "Sun, 06 Nov 2044 08:49:37 GMT; Secure", false},
		{"cookieSameSite", "Strict", true},
		{"cookieSameSite", "none", true},
		{"cookieSameSite", "", true},
		{"cookieSameSite", "weird", false},
		{"corsOrigin", "https://a.example", true},
		{"corsOrigin", "a\nb", false},
		{"corsMethods", "GET\r", false},
		{"corsMaxAge", "600", true},
		{"corsMaxAge", "ten", false},
		{"initialPacket", "hello", true},
		{"initialPacket", "\xff", false},
		{"serverMaxWindowBits", "8", false},
		{"serverMaxWindowBits", "9", true},
		{"clientMaxWindowBits", "8", false},
		{"clientMaxWindowBits", "15", true},
		{"transports", "websocket", true},
		{"maxBuffered", "0", true},
		{"maxBuffered", "1023", false},
		{"maxBuffered", "1k", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eio_options o;
		struct option_table table = eio_options_table(&o);
		char error[OPTION_ERROR_MAX] = "";
		int got;

		options_defaults(&table, 1);
		assert_int_equal(options_set(&table, 1, rows[i].name, rows[i].value, error), 0);
		got = eio_options_check(&o, error);
		if (got != (rows[i].good ? 0 : ERROR_ARGUMENT))
			fail_msg("%s=%s: %d %s", rows[i].name, rows[i].value, got, error);
		assert_true(rows[i].good || strlen(error) > 10);
		options_fini(&table, 1);
	}
}

static void
test_rows(void **state)
{
	struct eio_options o;
	struct option_table table = eio_options_table(&o);
	char error[OPTION_ERROR_MAX];

	(void)state;
	options_defaults(&table, 1);
	assert_int_equal(options_set(&table, 1, "transports", "polling,webtransport", error), ERROR_ARGUMENT);
	assert_int_equal(options_set(&table, 1, "pingInterval", "0", error), ERROR_ARGUMENT);
	assert_int_equal(options_set(&table, 1, "ping-interval", "300", error), 0);
	assert_int_equal(o.ping_interval, 300);
	assert_int_equal(options_set(&table, 1, "maxHttpBufferSize", "1e8", error), 0);
	assert_int_equal(o.max_http_buffer_size, 100000000);
	options_fini(&table, 1);
}

static void
test_errors(void **state)
{
	static const char *const bodies[] = {"{\"code\":0,\"message\":\"Transport unknown\"}",
		"{\"code\":1,\"message\":\"Session ID unknown\"}",
		"{\"code\":2,\"message\":\"Bad handshake method\"}", "{\"code\":3,\"message\":\"Bad request\"}",
		"{\"code\":4,\"message\":\"Forbidden\"}",
		"{\"code\":5,\"message\":\"Unsupported protocol version\"}"};
	struct buffer b;

	(void)state;
	buffer_init(&b, 1024);
	for (unsigned code = 0; code < 6; code++) {
		buffer_reset(&b);
		eio_error_body(&b, (enum eio_error_code)code, NULL);
		assert_true(text_is(buffer_text(&b), text_from(bodies[code])));
		assert_int_equal(eio_error_status((enum eio_error_code)code), code == EIO_FORBIDDEN ? 403 : 400);
	}
	buffer_reset(&b);
	eio_error_body(&b, EIO_FORBIDDEN, "no \"entry\"\n");
	assert_true(text_is(buffer_text(&b), TEXT("{\"code\":4,\"message\":\"no \\\"entry\\\"\\n\"}")));
	buffer_fini(&b);
	assert_string_equal(eio_context_word(EIO_CONTEXT_TRANSPORT_MISMATCH), "TRANSPORT_MISMATCH");
	assert_int_equal(eio_context_code(EIO_CONTEXT_PROTOCOL_MISMATCH), EIO_BAD_REQUEST);
	assert_int_equal(eio_context_status(EIO_CONTEXT_TOO_MANY_SESSIONS), 503);
	assert_int_equal(eio_context_status(EIO_CONTEXT_FOREIGN_ORIGIN), 403);
}

/* Limits that are not set grow with the largest message. */
static void
test_limits_follow_the_largest_message(void **state)
{
	struct eio_options o = {.max_http_buffer_size = 1000000};

	(void)state;
	assert_int_equal(eio_options_max_buffered(&o), 16 << 20);
	assert_int_equal(eio_options_max_fragments(&o), 62500);
	o.max_http_buffer_size = 1000;
	assert_int_equal(eio_options_max_fragments(&o), 16384);
	o.max_http_buffer_size = 30000000;
	assert_int_equal(eio_options_max_buffered(&o), 80000000 + (64 << 10));
	assert_int_equal(eio_options_max_fragments(&o), 1875000);
	o.max_http_buffer_size = 1 << 30;
	assert_int_equal(eio_options_max_fragments(&o), 1 << 24);
	o.max_buffered = 5000;
	o.max_fragments = 3;
	assert_int_equal(eio_options_max_buffered(&o), 5000);
	assert_int_equal(eio_options_max_fragments(&o), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_limits_follow_the_largest_message),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
