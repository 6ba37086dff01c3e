/* What replies contain: added fields, codings, dates, phrases. */
#include <zlib.h>

#include "node/http/http_coding.h"
#include "node/http/http_words.h"
#include "tests/unit/http/http_rig.h"

#define LONG 5000
static char long_text[LONG];

static void
on_request(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	if (text_is(r->path, TEXT("/zip"))) {
		http_reply(r, 200, "text/plain", text_of(long_text, LONG), true);
		return;
	}
	if (text_is(r->path, TEXT("/huge")) || text_is(r->path, TEXT("/huger"))) {
		size_t n = HTTP_COMPRESS_MAX + (r->path.n > 5);
		struct block *b = block_new(n);

		memset(b->data, 'z', n);
		http_reply_block(r, 200, "text/plain", b, 0, n, true);
		block_unref(b);
		return;
	}
	if (text_is(r->path, TEXT("/random"))) {
		http_reply(r, 200, "text/plain", buffer_text(&g->body), true);
		return;
	}
	assert_false(http_has_added(r, "set-cookie"));
	assert_int_equal(http_add_header(r, "Set-Cookie", TEXT("a=b")), 0);
	assert_int_equal(http_add_header(r, "set-cookie", TEXT("c=\xc3\xa9\td")), 0);
	assert_true(http_has_added(r, "SET-COOKIE"));
	assert_false(http_has_added(r, "cookie"));
	assert_int_equal(http_add_header(r, "X", TEXT("a\r\nB: c")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "X", TEXT("a\nb")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "X", TEXT("a\0")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "X\r\nY", TEXT("a")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "", TEXT("a")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "X y", TEXT("a")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "Content-length", TEXT("1")), ERROR_ARGUMENT);
	assert_int_equal(http_add_header(r, "Transfer-Encoding", TEXT("x")), ERROR_ARGUMENT);
	if (text_is(r->path, TEXT("/own"))) {
		assert_int_equal(http_add_header(r, "content-type", TEXT("a/b")), 0);
		assert_int_equal(http_add_header(r, "Date", TEXT("today")), 0);
		assert_int_equal(http_add_header(r, "Connection", TEXT("close")), 0);
	}
	if (text_is(r->path, TEXT("/full"))) {
		for (unsigned i = 0; i < 16384 / 1024 - 1; i++)
			assert_int_equal(http_add_header(r, "X", text_of(long_text, 1024 - 5)), 0);
		assert_int_equal(http_add_header(r, "X", text_of(long_text, 1024)), ERROR_TOO_BIG);
		assert_int_equal(http_add_header(r, "Y", TEXT("fits")), 0);
	}
	http_reply(r, 299, "text/html", TEXT("body"), true);
}

static int
setup(void **state)
{
	struct rig *g = rig_new(on_request);

	memset(long_text, 'z', LONG);
	g->limits.gzip_threshold = 1024;
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void
added_fields(void **state)
{
	struct rig *g = *state;

	rig_say(g, "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	rig_expect(g, "\r\nSet-Cookie: a=b\r\nset-cookie: c=\xc3\xa9\td\r\n\r\nbody", 1);
	assert_int_equal(
		rig_count(g, "HTTP/1.1 299 Unknown\r\nContent-Type: text/html\r\nContent-Length: 4\r\nDate: "), 1);
	assert_int_equal(rig_count(g, "Vary"), 0);
	buffer_reset(&g->got);
	rig_say(g, "GET /full HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_expect(g, "\r\nY: fits\r\n\r\nbody", 1);
	buffer_reset(&g->got);
	rig_say(g, "GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_expect(g, "content-type: a/b\r\nDate: today\r\n\r\nbody", 1);
	assert_int_equal(rig_count(g, "Content-Type"), 0);
	assert_int_equal(rig_count(g, "Date: "), 1);
	assert_int_equal(rig_count(g, "Connection: close\r\n"), 1);
	rig_end(g);
}

static void
compressed(void **state)
{
	static const struct {
		const char *accept, *got;
		int window_bits;
	} rows[] = {
		{"gzip, deflate, br", "Content-Encoding: gzip\r\n", 15 + 16},
		{"br, deflate, gzip", "Content-Encoding: deflate\r\n", 15},
		/* several fields form one list, RFC 9110 5.3 */
		{"gzip;q=0\r\nAccept-Encoding: deflate", "Content-Encoding: deflate\r\n", 15},
		{"*\r\nX: gzip\r\naccept-encoding: gzip;q=0", "Content-Encoding: deflate\r\n", 15},
	};
	struct rig *g = *state;
	static uint8_t plain[LONG + 1];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		z_stream z = {0};
		const char *body;

		buffer_reset(&g->got);
		rig_say(g, "GET /zip HTTP/1.1\r\nHost: h\r\nAccept-Encoding: ");
		rig_say(g, rows[i].accept);
		rig_say(g, "\r\n\r\n");
		rig_expect(g, "\r\n\r\n", 1);
		assert_int_equal(rig_count(g, rows[i].got), 1);
		assert_int_equal(rig_count(g, "Vary: Accept-Encoding\r\n"), 1);
		body = strstr(rig_got(g), "\r\n\r\n") + 4;
		z.next_in = (uint8_t *)body;
		z.avail_in = (unsigned)(g->got.len - (size_t)(body - (const char *)g->got.data));
		z.next_out = plain;
		z.avail_out = sizeof(plain);
		assert_int_equal(strtoul(strstr(rig_got(g), "Content-Length: ") + 16, NULL, 10), z.avail_in);
		assert_int_equal(inflateInit2(&z, rows[i].window_bits), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.total_out, LONG);
		assert_memory_equal(plain, long_text, LONG);
		inflateEnd(&z);
	}
	buffer_reset(&g->got);
	rig_say(g, "GET /zip HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_expect(g, "Content-Length: 5000\r\nVary: Accept-Encoding\r\nDate", 1);
	rig_until(g, g->got.len > LONG + 100);
	/* data that gzip would enlarge is sent uncompressed */
	for (int i = 0; i < 2000; i++)
		buffer_add_byte(&g->body, (uint8_t)(random() >> 3));
	buffer_reset(&g->got);
	rig_say(g, "HEAD /random HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	rig_expect(g, "Content-Length: 2000\r\nVary: Accept-Encoding\r\nDate", 1);
	/* data that takes too long to compress is sent uncompressed, too */
	buffer_reset(&g->got);
	rig_say(g, "HEAD /huge HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	rig_expect(g, "Content-Encoding: gzip\r\n", 1);
	rig_say(g, "HEAD /huger HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	rig_expect(g, "Content-Length: 1048577\r\n", 1);
}

static void
codings(void **state)
{
	static const struct {
		const char *accept;
		enum http_coding coding;
	} rows[] = {
		{"", HTTP_IDENTITY},
		{"br", HTTP_IDENTITY},
		{"gzip", HTTP_GZIP},
		{"GZip", HTTP_GZIP},
		{"deflate", HTTP_DEFLATE},
		{"*", HTTP_GZIP},
		{"*;q=0", HTTP_IDENTITY},
		{"gzip;q=0, *", HTTP_DEFLATE},
		{"gzip;q=0", HTTP_IDENTITY},
		{"gzip;q=0.000", HTTP_IDENTITY},
		{"gzip; q=0.001", HTTP_GZIP},
		{"gzip;q=0.4, deflate;q=0.5", HTTP_DEFLATE},
		{"deflate, gzip", HTTP_DEFLATE},
		{"gzip;q=2", HTTP_IDENTITY},
		{"gzip;q=1.001", HTTP_IDENTITY},
		{"gzip;q=x", HTTP_IDENTITY},
		{"gzip;q=", HTTP_IDENTITY},
		{",,;,gzip", HTTP_GZIP},
		{"gzipx", HTTP_IDENTITY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(http_coding_choose(text_from(rows[i].accept)), rows[i].coding);
	assert_int_equal(http_coding_weight(TEXT("gzip, br;q=0.25"), TEXT("br")), 250);
}

static void
dates(void **state)
{
	static const char *const same[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	static const char *const broken[] = {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT", "784111777", "Sunday, 06-Nov-1994 08:49:37 GMT", ","};
	char out[HTTP_DATE_LENGTH + 1];
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(http_date_read(text_from(same[i]), 1700000000, &seconds), 0);
		assert_int_equal(seconds, 784111777);
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(http_date_read(text_from(broken[i]), 1700000000, &seconds), ERROR_SYNTAX);
	http_date_write(784111777, out);
	assert_string_equal(out, same[0]);
	http_date_write(951782400, out);
	assert_string_equal(out, "Tue, 29 Feb 2000 00:00:00 GMT");
	http_date_write(INT64_MAX, out);
	assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
	http_date_write(INT64_MIN, out);
	assert_int_equal(strlen(out), HTTP_DATE_LENGTH);
}

static void
phrases(void **state)
{
	(void)state;
	assert_string_equal(http_status_phrase(101), "Switching Protocols");
	assert_string_equal(http_status_phrase(505), "HTTP Version Not Supported");
	assert_string_equal(http_status_phrase(299), "Unknown");
	assert_string_equal(http_status_phrase(-1), "Unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(added_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(compressed, setup, teardown),
		cmocka_unit_test(codings),
		cmocka_unit_test(dates),
		cmocka_unit_test(phrases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
