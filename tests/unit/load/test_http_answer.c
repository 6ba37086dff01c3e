#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/load/http_answer.h"

#define BODY_MAX 64

static struct http_answer *answer;

static int
setup(void **state)
{
	(void)state;
	answer = http_answer_new(BODY_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http_answer_free(answer);
	return 0;
}

/* Each piece has its own memory, so that reads beyond it show. */
static int64_t
feed(const char *bytes, size_t n)
{
	char *copy = mem_alloc(n + 1);
	int64_t used;

	memcpy(copy, bytes, n);
	used = http_answer_feed(answer, copy, n);
	mem_free(copy);
	return used;
}

static void
assert_text(struct text a, const char *b)
{
	assert_int_equal(a.n, strlen(b));
	assert_memory_equal(a.n ? a.at : "", b, a.n);
}

struct example {
	const char *bytes, *behind; /* `behind` no longer belongs to the answer */
	unsigned status;
	const char *body, *accept;
	bool keeps_alive;
};

static const struct example examples[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "", 200, "hello", "", true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, "", "", true},
	{"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok", "HTTP/1.1 400 Bad\r\n", 200, "ok", "", true},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", "H", 200,
		"hello world", "", true},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: b\r\n\r\n", "", 200, "a", "",
		true},
	{"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!", "", 400, "no!", "", false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "", 200, "x", "", false},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "y", 200, "x", "", true},
	{"HTTP/1.1 204 No Content\r\n\r\n", "", 204, "", "", true},
	{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		"", 101, "", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", true},
	{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	 "sec-websocket-accept:  abc \r\n\r\n",
		"\x81\x01"
		"0\x81\x02"
		"40",
		101, "", "abc", true},
	{"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: abc\r\nConnection: Upgrade\r\n"
	 "Upgrade: websocket\r\n\r\n",
		"\r\n\r\nHTTP/1.1 200", 101, "", "abc", true},
};

static void
assert_answer(const struct example *e)
{
	assert_true(http_answer_begun(answer));
	assert_true(http_answer_whole(answer));
	assert_int_equal(http_answer_status(answer), e->status);
	assert_text(buffer_text(http_answer_body(answer)), e->body);
	assert_text(http_answer_accept(answer), e->accept);
	if (e->status != 101) /* a 101 makes the caller stop before this */
		assert_int_equal(http_answer_keeps_alive(answer), e->keeps_alive);
	assert_int_equal(feed("more", 4), 0); /* until the reader is reset */
}

static void
test_whole_cut_everywhere_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
		const struct example *e = &examples[i];
		size_t n = strlen(e->bytes), all = n + strlen(e->behind);
		char bytes[512];

		strcpy(bytes, e->bytes);
		strcat(bytes, e->behind);
		for (size_t cut = 0; cut <= n; cut++) {
			int64_t used = feed(bytes, cut);

			assert_int_equal(used, cut);
			assert_int_equal(http_answer_begun(answer), cut > 0);
			assert_int_equal(http_answer_whole(answer), cut == n);
			assert_int_equal(feed(bytes + cut, all - cut), n - cut);
			assert_answer(e);
			http_answer_reset(answer);
		}
		for (size_t at = 0; at < n; at++) {
			assert_false(http_answer_whole(answer));
			assert_int_equal(feed(bytes + at, 1), 1);
		}
		assert_answer(e);
		http_answer_reset(answer);
		assert_false(http_answer_begun(answer));
	}
}

static void
test_several_in_one_piece(void **state)
{
	static const unsigned order[] = {0, 3, 0, 1, 8, 2, 7, 10};
	char bytes[2048] = "";
	size_t at = 0, n;

	(void)state;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		strcat(bytes, examples[order[i]].bytes);
	strcat(bytes, "frames");
	n = strlen(bytes);
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		http_answer_reset(answer);
		at += (size_t)feed(bytes + at, n - at);
		assert_answer(&examples[order[i]]);
	}
	assert_string_equal(bytes + at, "frames");
}

static void
test_bodies_that_end_with_the_connection(void **state)
{
	static const char bytes[] = "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\nbusy";

	(void)state;
	for (size_t cut = strlen(bytes) - 4; cut <= strlen(bytes); cut++) {
		http_answer_reset(answer);
		assert_int_equal(feed(bytes, cut), cut);
		assert_false(http_answer_whole(answer));
		assert_int_equal(http_answer_end(answer), 0);
		assert_true(http_answer_whole(answer));
		assert_false(http_answer_keeps_alive(answer));
		assert_int_equal(http_answer_status(answer), 503);
		assert_int_equal(buffer_text(http_answer_body(answer)).n, cut + 4 - strlen(bytes));
		assert_int_equal(http_answer_end(answer), 0);
	}
}

static void
test_an_early_end_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(http_answer_end(answer), ERROR_CLOSED);
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
		size_t n = strlen(examples[i].bytes);

		for (size_t cut = 0; cut < n; cut++) {
			http_answer_reset(answer);
			assert_int_equal(feed(examples[i].bytes, cut), cut);
			assert_int_equal(http_answer_end(answer), ERROR_CLOSED);
		}
		http_answer_reset(answer);
		feed(examples[i].bytes, n);
		assert_int_equal(http_answer_end(answer), 0);
	}
	http_answer_reset(answer);
	feed("\r\n", 2);
	assert_int_equal(http_answer_end(answer), ERROR_CLOSED);
}

static void
test_garbage(void **state)
{
	static const char *const all[] = {"x", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "\x16\x03\x01\x02",
		"\x81\x02hi"};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		size_t n = strlen(all[i]);
		int64_t used = 1;

		http_answer_reset(answer);
		if (feed(all[i], n) != ERROR_SYNTAX)
			fail_msg("taken: %s", all[i]);
		http_answer_reset(answer);
		for (size_t at = 0; at < n && used == 1; at++)
			used = feed(all[i] + at, 1);
		assert_int_equal(used, ERROR_SYNTAX);
	}
}

static void
test_bodies_over_the_limit(void **state)
{
	static const char *const heads[] = {"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n"};
	char body[BODY_MAX + 1];

	(void)state;
	memset(body, 'b', sizeof body);
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		http_answer_reset(answer);
		assert_int_equal(feed(heads[i], strlen(heads[i])), strlen(heads[i]));
		assert_int_equal(feed(body, BODY_MAX), BODY_MAX);
		assert_int_equal(feed(body, 1), ERROR_TOO_BIG);
		http_answer_reset(answer);
		feed(heads[i], strlen(heads[i]));
		assert_int_equal(feed(body, sizeof body), ERROR_TOO_BIG);
	}
	http_answer_reset(answer);
	assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n", 39), 39);
	assert_int_equal(feed(body, sizeof body), BODY_MAX);
	assert_true(http_answer_whole(answer));
}

static void
test_heads_over_the_limit(void **state)
{
	static char big[40000];
	int64_t used = 0;
	unsigned fed = 0;

	(void)state;
	memset(big, 'h', sizeof big);
	assert_int_equal(feed("HTTP/1.1 200 OK\r\nA: ", 20), 20);
	assert_int_equal(feed(big, sizeof big), sizeof big);
	assert_int_equal(feed(big, sizeof big), ERROR_TOO_BIG);

	http_answer_reset(answer);
	feed("HTTP/1.1 200 OK\r\n", 17);
	for (; used >= 0 && fed < 100000; fed++)
		used = feed("Some: field\r\n", 13);
	assert_int_equal(used, ERROR_TOO_BIG);
	assert_in_range(fed, 65536 / 13 - 2, 65536 / 13 + 2);
}

static void
test_an_invalid_accept(void **state)
{
	char long_one[256] = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: ";
	static const char twice[] =
		"HTTP/1.1 101 x\r\nUpgrade: w\r\nConnection: upgrade\r\n"
		"Sec-WebSocket-Accept: ab\r\nSec-WebSocket-Accept: ab\r\nSec-WebSocket-Accept-Not: c\r\n\r\n";

	(void)state;
	memset(long_one + strlen(long_one), 'a', 129);
	strcat(long_one, "\r\n\r\n");
	feed(long_one, strlen(long_one));
	assert_true(http_answer_whole(answer));
	assert_text(http_answer_accept(answer), "");
	/* two fields cannot both be the expected one */
	http_answer_reset(answer);
	feed(twice, strlen(twice));
	assert_true(http_answer_whole(answer));
	assert_text(http_answer_accept(answer), "abab");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_whole_cut_everywhere_and_byte_by_byte),
		T(test_several_in_one_piece),
		T(test_bodies_that_end_with_the_connection),
		T(test_an_early_end_is_an_error),
		T(test_garbage),
		T(test_bodies_over_the_limit),
		T(test_heads_over_the_limit),
		T(test_an_invalid_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
