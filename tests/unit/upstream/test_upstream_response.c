/* Responses of the upstream: which are refused, where their bodies end, and which fields the client gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "tests/unit/upstream/heads.h"

static struct http_header headers[UPSTREAM_HEADERS_MAX];
static struct upstream_response p;

static int
read_to(const char *head, bool to_head)
{
	size_t seen = 0, n = strlen(head);
	int64_t found = upstream_head_find((const uint8_t *)head, n, &seen);

	if (found < 0)
		return (int)found;
	assert_int_equal(found, n);
	return upstream_response_read(&p, text_from(head), headers, to_head);
}

static void
good(const char *head, enum upstream_framing framing, int64_t length, bool keep_alive)
{
	assert_int_equal(read_to(head, false), 0);
	assert_int_equal(p.framing, framing);
	assert_int_equal(p.length, length);
	assert_int_equal(p.keep_alive, keep_alive);
}

static void
test_where_the_body_ends(void **state)
{
	(void)state;
	good("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", UPSTREAM_LENGTH, 5, true);
	good("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", UPSTREAM_NO_BODY, 0, true);
	good("HTTP/1.1 200 OK\r\ntransfer-encoding:Chunked\r\n\r\n", UPSTREAM_CHUNKED, -1, true);
	good("HTTP/1.1 200 OK\r\n\r\n", UPSTREAM_UNTIL_CLOSE, -1, true);
	good("HTTP/1.0 200 OK\r\n\r\n", UPSTREAM_UNTIL_CLOSE, -1, false);
	good("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n", UPSTREAM_LENGTH, 1, true);
	good("HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 1\r\n\r\n", UPSTREAM_LENGTH, 1, false);
	good("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", UPSTREAM_NO_BODY, 5, true);
	good("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", UPSTREAM_NO_BODY, 5, true);
	good("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", UPSTREAM_NO_BODY, -1, true);
	assert_int_equal(read_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true), 0);
	assert_int_equal(p.framing, UPSTREAM_NO_BODY);
}

static void
test_status_lines(void **state)
{
	(void)state;
	good("HTTP/1.1 200\r\n\r\n", UPSTREAM_UNTIL_CLOSE, -1, true);
	good("HTTP/1.9 299 \r\n\r\n", UPSTREAM_UNTIL_CLOSE, -1, true);
	assert_int_equal(p.status, 299);
	assert_int_equal(p.phrase.n, 0);
	good("HTTP/1.1 404 Nicht da \xe4\r\n\r\n", UPSTREAM_UNTIL_CLOSE, -1, true);
	assert_true(text_is(p.phrase, TEXT("Nicht da \xe4")));
}

static void
test_nonsense_is_refused(void **state)
{
	static const char *const heads[] = {
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 200 O\rK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\n\r\n",
		"HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof heads / sizeof heads[0]; i++)
		if (read_to(heads[i], false) >= 0)
			fail_msg("not refused: %s", heads[i]);
}

static void
test_limits(void **state)
{
	static char head[UPSTREAM_HEAD_MAX + 100];
	size_t n = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n"), seen = 0;

	(void)state;
	for (int i = 0; i < UPSTREAM_HEADERS_MAX; i++)
		n += (size_t)snprintf(head + n, sizeof head - n, "A: 1\r\n");
	snprintf(head + n, sizeof head - n, "\r\n");
	assert_int_equal(read_to(head, false), 0);
	snprintf(head + n, sizeof head - n, "A: 1\r\n\r\n");
	assert_int_equal(read_to(head, false), ERROR_TOO_MANY);
	memset(head + 7, 'a', sizeof head - 7);
	assert_int_equal(upstream_head_find((uint8_t *)head, UPSTREAM_HEAD_MAX, &seen), 0);
	assert_int_equal(upstream_head_find((uint8_t *)head, UPSTREAM_HEAD_MAX + 1, &seen), ERROR_TOO_BIG);
}

/* The end is found wherever the pieces are cut. */
static void
test_pieces(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody\r\n\r\n";
	size_t end = strlen(head) - 8;

	(void)state;
	for (size_t cut = 0; cut < sizeof head; cut++) {
		size_t seen = 0;
		int64_t found = upstream_head_find((const uint8_t *)head, cut, &seen);

		if (found == 0)
			found = upstream_head_find((const uint8_t *)head, sizeof head - 1, &seen);
		assert_int_equal(found, end);
	}
}

static void
test_the_head_that_the_client_gets(void **state)
{
	struct buffer out;

	(void)state;
	assert_int_equal(
		read_to("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
			"Content-Length: 4\r\nKeep-Alive: timeout=7, max=3\r\nProxy-Authenticate: Basic\r\n"
			"Trailer: x\r\nUpgrade: y\r\nContent-Encoding: gzip\r\ndate: today\r\nServer:  node \r\n\r\n",
			false),
		0);
	assert_int_equal(p.keep_alive_ms, 7000);
	assert_true(p.dated);
	buffer_init(&out, 4096);
	assert_int_equal(upstream_response_fields(&out, &p, headers), 0);
	assert_true(text_is(buffer_text(&out), TEXT("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\n"
						    "date: today\r\nServer: node\r\n")));
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_the_body_ends),
		cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_the_head_that_the_client_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
