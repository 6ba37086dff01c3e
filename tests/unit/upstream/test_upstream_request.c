/* What the upstream sees of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/upstream/heads.h"

#define FROM_CLIENT                                                                                                  \
	(struct upstream_origin)                                                                                     \
	{                                                                                                            \
		.peer = TEXT("::ffff:192.0.2.7"), .client = TEXT("::ffff:192.0.2.7"),                                \
		.host = TEXT("shop.example:8080"), .authority = TEXT("127.0.0.1:3001")                               \
	}
/* A client at 203.0.113.9 behind the proxy 10.0.0.1. */
#define FROM_PROXY                                                                                                   \
	(struct upstream_origin)                                                                                     \
	{                                                                                                            \
		.peer = TEXT("10.0.0.1"), .client = TEXT("203.0.113.9"), .host = TEXT("shop.example"),               \
		.secure = true, .trusted = true, .says_x = true, .authority = TEXT("127.0.0.1:3001")                 \
	}

static char written[HEADS_MAX * 2];

static const char *
rewrite(const char *head, struct upstream_origin origin)
{
	struct http_header headers[HEADS_FIELDS];
	struct http_request r;
	struct buffer out;
	size_t length;

	assert_int_equal(heads_read(&r, headers, text_from(head), &length), 0);
	buffer_init(&out, sizeof written - 1);
	upstream_request_write(&out, &r, &origin);
	assert_int_equal(buffer_error(&out), 0);
	memcpy(written, out.data, out.len);
	written[out.len] = '\0';
	buffer_fini(&out);
	return written;
}

static int
status_of(const char *head)
{
	struct http_header headers[HEADS_FIELDS];
	struct http_request r;
	size_t length;

	return heads_read(&r, headers, text_from(head), &length);
}

static void
has(const char *line)
{
	char whole[1024];

	snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
	if (!strstr(written, whole))
		fail_msg("no \"%s\" in %s", line, written);
}

static void
lacks(const char *part)
{
	if (strcasestr(written, part))
		fail_msg("\"%s\" in %s", part, written);
}

static void
test_the_head_is_written_anew(void **state)
{
	(void)state;
	assert_string_equal(rewrite("GET /a?b=%20c HTTP/1.1\r\nhost:shop.example:8080\r\nX-Mine:  two words \r\n"
				    "Cookie: a=1\r\nCookie: b=2\r\n\r\n",
				    FROM_CLIENT),
		"GET /a?b=%20c HTTP/1.1\r\nHost: shop.example:8080\r\nX-Mine: two words\r\nCookie: a=1\r\n"
		"Cookie: b=2\r\nVia: 1.1 sockeye\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
		"X-Forwarded-Host: shop.example:8080\r\nX-Forwarded-Port: 8080\r\n"
		"Forwarded: for=192.0.2.7;host=\"shop.example:8080\";proto=http\r\n\r\n");
}

static void
test_hop_by_hop_fields_are_not_forwarded(void **state)
{
	static const char *const gone[] = {"keep-alive", "proxy-", "te:", "trailer", "x-hop", "x-other",
		"http2-settings", "upgrade", "connection", "secret"};

	(void)state;
	rewrite("GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nConnection: x-other, Upgrade, "
		"HTTP2-Settings\r\n"
		"Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: secret\r\nTE: trailers\r\n"
		"Trailer: x\r\nX-Hop: 1\r\nx-OTHER: 2\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nX-Stays: 3\r\n"
		"Authorization: Basic YTpi\r\n\r\n",
		FROM_CLIENT);
	for (unsigned i = 0; i < sizeof gone / sizeof gone[0]; i++)
		lacks(gone[i]);
	has("X-Stays: 3");
	has("Authorization: Basic YTpi");
}

/* A client may list our own fields in Connection; they are sent all the same. */
static void
test_connection_cannot_remove_our_own_fields(void **state)
{
	(void)state;
	rewrite("POST / HTTP/1.1\r\nHost: h\r\nConnection: Host, X-Forwarded-For, Content-Length, Via, Forwarded\r\n"
		"Content-Length: 5\r\n\r\n",
		FROM_CLIENT);
	has("Host: h");
	has("X-Forwarded-For: 192.0.2.7");
	has("Content-Length: 5");
	has("Via: 1.1 sockeye");
	has("Forwarded: for=192.0.2.7;host=\"shop.example:8080\";proto=http");
}

static void
test_framing_is_written_as_it_was_parsed(void **state)
{
	(void)state;
	rewrite("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0012\r\n\r\n", FROM_CLIENT);
	has("Content-Length: 12");
	rewrite("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", FROM_CLIENT);
	has("Content-Length: 0");
	rewrite("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n", FROM_CLIENT);
	has("Transfer-Encoding: chunked");
	lacks("content-length");
	rewrite("GET / HTTP/1.1\r\nHost: h\r\n\r\n", FROM_CLIENT);
	lacks("content-length");
	lacks("transfer-encoding");
}

static void
test_ambiguous_framing_is_refused(void **state)
{
	static const char *const heads[] = {
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n",
		"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\nX-A: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\rX-B: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET http://a@b/ HTTP/1.1\r\nHost: h\r\n\r\n",
	};
	char many[2048];
	int n;

	(void)state;
	for (unsigned i = 0; i < sizeof heads / sizeof heads[0]; i++)
		assert_int_equal(status_of(heads[i]), 400);
	n = snprintf(many, sizeof many, "GET / HTTP/1.1\r\nHost: h\r\nConnection: ");
	for (int i = 0; i < 40; i++)
		n += snprintf(many + n, sizeof many - (size_t)n, "a%d,", i);
	snprintf(many + n, sizeof many - (size_t)n, "\r\n\r\n");
	assert_int_equal(status_of(many), 400);
}

static void
test_targets(void **state)
{
	(void)state;
	assert_memory_equal(rewrite("GET http://shop.example/a?b HTTP/1.1\r\nHost: other\r\n\r\n", FROM_CLIENT),
		"GET /a?b HTTP", 13);
	has("Host: shop.example");
	lacks("other");
	rewrite("GET / HTTP/1.0\r\n\r\n", FROM_CLIENT);
	has("Host: 127.0.0.1:3001");
	has("Via: 1.0 sockeye");
}

static void
test_only_a_trusted_proxy_names_the_client(void **state)
{
	(void)state;
	rewrite("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\n"
		"X-Forwarded-Host: evil\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /evil\r\n"
		"X_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Real-Ip: "
		"6.6.6.6\r\n\r\n",
		FROM_CLIENT);
	lacks("6.6.6.6");
	lacks("evil");
	lacks("666");
	has("X-Forwarded-Proto: http");
	has("X-Forwarded-Port: 8080");
}

static void
test_a_trusted_proxy_is_quoted(void **state)
{
	struct upstream_origin origin = FROM_PROXY;

	(void)state;
	rewrite("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n"
		"X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /shop\r\nForwarded: for=6.6.6.6\r\nVia: 1.1 "
		"front\r\n\r\n",
		origin);
	has("Host: inner");
	has("X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.1");
	has("X-Forwarded-Proto: https");
	has("X-Forwarded-Host: shop.example");
	has("X-Forwarded-Port: 443");
	has("X-Forwarded-Prefix: /shop");
	/* the proxy writes X-Forwarded-*, so Forwarded may come from the client */
	has("Forwarded: for=203.0.113.9;host=\"shop.example\";proto=https, "
	    "for=10.0.0.1;host=\"shop.example\";proto=https");
	has("Via: 1.1 front");
	has("Via: 1.1 sockeye");

	origin.says_x = false;
	rewrite("GET / HTTP/1.1\r\nHost: inner\r\nForwarded: for=203.0.113.9;proto=https\r\nX-Forwarded-Port: "
		"8443\r\n\r\n",
		origin);
	has("X-Forwarded-For: 203.0.113.9, 10.0.0.1");
	has("X-Forwarded-Port: 8443");
	has("Forwarded: for=203.0.113.9;proto=https, for=10.0.0.1;host=\"shop.example\";proto=https");
}

static void
test_addresses_of_other_kinds(void **state)
{
	struct upstream_origin origin = FROM_CLIENT;

	(void)state;
	origin.peer = origin.client = TEXT("2001:db8::1");
	origin.host = TEXT("[2001:db8::2]");
	rewrite("GET / HTTP/1.1\r\nHost: [2001:db8::2]\r\n\r\n", origin);
	has("X-Forwarded-For: 2001:db8::1");
	has("X-Forwarded-Port: 80");
	has("Forwarded: for=\"[2001:db8::1]\";host=\"[2001:db8::2]\";proto=http");
	origin.peer = origin.client = TEXT("");
	origin.host = TEXT_NONE;
	rewrite("GET / HTTP/1.0\r\n\r\n", origin);
	lacks("x-forwarded-for");
	lacks("x-forwarded-host");
	has("Forwarded: for=unknown;proto=http");
}

static void
test_upgrade_is_asked_for(void **state)
{
	(void)state;
	rewrite("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n"
		"Sec-WebSocket-Key: x\r\n\r\n",
		FROM_CLIENT);
	has("Connection: Upgrade\r\nUpgrade: websocket");
	has("Sec-WebSocket-Key: x");
	lacks("h2c");
}

static void
test_expect_and_max_forwards(void **state)
{
	struct upstream_origin origin = FROM_CLIENT;

	(void)state;
	origin.expect = true;
	rewrite("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n", origin);
	has("Expect: 100-continue");
	origin.expect = false;
	rewrite("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n", origin);
	lacks("expect");
	rewrite("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n", FROM_CLIENT);
	has("Max-Forwards: 2");
	rewrite("GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n", FROM_CLIENT);
	has("Max-Forwards: 0");
	assert_int_equal(status_of("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"), 204);
	assert_int_equal(status_of("TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"), 405);
	assert_int_equal(status_of("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: x\r\n\r\n"), 400);
}

static void
test_a_circle_ends(void **state)
{
	(void)state;
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 sockeye, 1.1 sockeye\r\nVia: 1.1 sockeye, "
				   "1.1 front\r\nVia: 1.1 sockeye\r\n\r\n"),
		0);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 sockeye, 1.1 sockeye\r\nVia: 1.1 sockeye, "
				   "1.1 sockeye,1.1 sockeye\r\n\r\n"),
		508);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_head_is_written_anew),
		cmocka_unit_test(test_hop_by_hop_fields_are_not_forwarded),
		cmocka_unit_test(test_connection_cannot_remove_our_own_fields),
		cmocka_unit_test(test_framing_is_written_as_it_was_parsed),
		cmocka_unit_test(test_ambiguous_framing_is_refused),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_only_a_trusted_proxy_names_the_client),
		cmocka_unit_test(test_a_trusted_proxy_is_quoted),
		cmocka_unit_test(test_addresses_of_other_kinds),
		cmocka_unit_test(test_upgrade_is_asked_for),
		cmocka_unit_test(test_expect_and_max_forwards),
		cmocka_unit_test(test_a_circle_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
