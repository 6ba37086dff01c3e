/*
 * Valid and invalid requests, read whole, byte by byte, and cut at every position. The rows come from bad inputs
 * known for HTTP/1 parsers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/http/http_message.h"

struct row {
	const char *bytes;
	size_t n;
	int status;
	const char *text; /* if the request is valid */
};

#define ROW(bytes, status, text)                                                                                     \
	{                                                                                                            \
		bytes, sizeof(bytes) - 1, status, text                                                               \
	}
#define HOST "Host: h\r\n"
#define GOOD MESSAGE_GOOD
#define POST_CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static const struct row good[] = {
	ROW("GET / HTTP/1.1\r\n" HOST "\r\n", GOOD, "GET|/||1|Host=h|"),
	ROW("GET / HTTP/1.0\r\n\r\n", GOOD, "GET|/||0|"),
	ROW("GET /a?b HTTP/1.2\r\n" HOST "A: b\r\n\r\n", GOOD, "GET|/a|b|1|Host=h|A=b|"),
	ROW("POST / HTTP/1.9\r\n" HOST "Content-Length: 2\r\n\r\nab", GOOD, "POST|/||1|Host=h|Content-Length=2|ab"),
	ROW("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", GOOD, "GET|/||1|Host=h|"),
	ROW("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a.b:3000\r\nA:b\r\n\r\n", GOOD,
		"GET|/socket.io/|EIO=4&transport=polling|1|Host=a.b:3000|A=b|"),
	ROW("GET /? HTTP/1.1\r\n" HOST "\r\n", GOOD, "GET|/||1|Host=h|"),
	ROW("GET /a\"b<{|}>^`\\?x[]?y HTTP/1.1\r\n" HOST "\r\n", GOOD, "GET|/a\"b<{|}>^`\\|x[]?y|1|Host=h|"),
	ROW("GET //a HTTP/1.1\r\n" HOST "\r\n", GOOD, "GET|//a||1|Host=h|"),
	ROW("GET http://x.y:80/p?q HTTP/1.1\r\nHost: other\r\n\r\n", GOOD, "GET|/p|q|1|Host=x.y:80|"),
	ROW("GET HTTPS://x HTTP/1.1\r\nHost: other\r\n\r\n", GOOD, "GET|/||1|Host=x|"),
	ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", GOOD, "OPTIONS|*||1|Host=h|"),
	ROW("GET / HTTP/1.1\r\n" HOST "Eleven: 1\tc\td\t\r\n\r\n", GOOD, "GET|/||1|Host=h|Eleven=1\tc\td|"),
	ROW("TRACE / HTTP/1.1\r\n" HOST "\r\n", GOOD, "TRACE|/||1|Host=h|"),
	ROW("M-SEARCH / HTTP/1.1\r\n" HOST "\r\n", GOOD, "M-SEARCH|/||1|Host=h|"),
	ROW("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", GOOD, "GET|/||1|Host=[::1]:80|"),
	ROW("GET / HTTP/1.1\r\nHost: [2001:DB8::192.0.2.1]\r\n\r\n", GOOD, "GET|/||1|Host=[2001:DB8::192.0.2.1]|"),
	ROW("GET / HTTP/1.1\r\nHost: A_b%4a-c.d~:\r\n\r\n", GOOD, "GET|/||1|Host=A_b%4a-c.d~:|"),
	ROW("GET / HTTP/1.1\r\n" HOST "X:\t a  b \t\r\nY:\r\nZ: \r\nU: \xc3\xa9\x80\r\n\r\n", GOOD,
		"GET|/||1|Host=h|X=a  b|Y=|Z=|U=\xc3\xa9\x80|"),
	ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", GOOD,
		"POST|/||1|Host=h|Content-Length=5|hello"),
	ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 05\r\n\r\nhelloGET", GOOD,
		"POST|/||1|Host=h|Content-Length=05|hello"),
	ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: \t 2  \r\n\r\nab", GOOD,
		"POST|/||1|Host=h|Content-Length=2|ab"),
	ROW("POST / HTTP/1.1\r\n" HOST "content-length: 0\r\n\r\n", GOOD, "POST|/||1|Host=h|content-length=0|"),
	ROW("GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab", GOOD, "GET|/||1|Host=h|Content-Length=2|ab"),
	ROW("POST / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
		GOOD, "POST|/||1|Host=h|Connection=Upgrade|Upgrade=websocket|Content-Length=2|ab"),
	ROW("GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n\x81", GOOD,
		"GET|/||1|Host=h|Connection=keep-alive, Upgrade|Upgrade=websocket|"),
	ROW(POST_CHUNKED "5\r\nhello\r\n0\r\n\r\n", GOOD, "POST|/||1|Host=h|Transfer-Encoding=chunked|hello"),
	ROW(POST_CHUNKED "3;a=b;c=\"d e\"\r\nhel\r\n0002\r\nlo\r\n000\r\nT: x\r\nU:\r\n\r\nrest", GOOD,
		"POST|/||1|Host=h|Transfer-Encoding=chunked|hello"),
	ROW(POST_CHUNKED "5;a\r\nhello\r\n0;b=c\r\n\r\n", GOOD, "POST|/||1|Host=h|Transfer-Encoding=chunked|hello"),
	ROW(POST_CHUNKED "3 ; a = b\t;c\r\nhel\r\n2\t;d =\t\"\"; e\r\nlo\r\n0\r\n\r\n", GOOD,
		"POST|/||1|Host=h|Transfer-Encoding=chunked|hello"),
	ROW(POST_CHUNKED "5;a=\"\\\"\\\\;\xe9\t=\" ;b\r\nhello\r\n0\r\n\r\n", GOOD,
		"POST|/||1|Host=h|Transfer-Encoding=chunked|hello"),
	ROW(POST_CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", GOOD,
		"POST|/||1|Host=h|Transfer-Encoding=chunked|01234567890123456789"),
	ROW("POST / HTTP/1.1\r\n" HOST "TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n", GOOD,
		"POST|/||1|Host=h|TRANSFER-ENCODING=Chunked|"),
};

#define HEAD(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n\r\n"
#define POST(fields) "POST / HTTP/1.1\r\n" HOST fields "\r\n\r\n"

static const struct row bad[] = {
	/* line ends: CVE-2022-32214, CVE-2024-27982 */
	ROW("GET / HTTP/1.1\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: h\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: h\r\n\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: h\r\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\rHost: h\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: h\r\nA: b\rContent-Length: 3\r\n\r\n", 400, NULL),
	ROW("\nGET / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("\rGET / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW(" GET / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	/* the request line */
	ROW("GET  / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /  HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/1.1 \r\n" HOST "\r\n", 400, NULL),
	ROW("GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /\r\n\r\n", 400, NULL),
	ROW("GET / http/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/11\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/1.10\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/2.0\r\n" HOST "\r\n", 505, NULL),
	ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL),
	ROW("PRI * HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / HTTP/0.9\r\n" HOST "\r\n", 505, NULL),
	ROW("GET / ICE/1.0\r\n" HOST "\r\n", 400, NULL),
	ROW("GET / RTSP/1.0\r\n" HOST "\r\n", 400, NULL),
	ROW("DESCRIBE / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("get / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("FOO / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("GETT / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("G(T / HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("CONNECT / HTTP/1.1\r\n" HOST "\r\n", 501, NULL),
	ROW("GET * HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET h:80 HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET ?a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET http://u@h/a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET http://h?a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /#a HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /\0 HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	ROW("\x16\x03\x01\x02", 400, NULL),
	/* Host */
	ROW("GET / HTTP/1.1\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [:::]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [1:2]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [12345::]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [::1%25lo]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: %zz\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a%\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400, NULL),
	ROW("GET / HTTP/1.1\r\nHost: a%2:80\r\n\r\n", 400, NULL),
	ROW("GET http://[1:2]/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL),
	/* field lines: CVE-2020-7238, CVE-2023-25725, CVE-2019-15605, folding */
	ROW(HEAD("A : b"), 400, NULL),
	ROW(HEAD("A b: c"), 400, NULL),
	ROW(HEAD(" A: b"), 400, NULL),
	ROW(HEAD("A: b\r\n c"), 400, NULL),
	ROW(HEAD("A: b\r\n\tc"), 400, NULL),
	ROW(HEAD(": b"), 400, NULL),
	ROW(HEAD("A"), 400, NULL),
	ROW(HEAD("A\0: b"), 400, NULL),
	ROW(HEAD("A: \0"), 400, NULL),
	ROW(HEAD("A: b\x01"), 400, NULL),
	ROW(HEAD("A: b\x0b"), 400, NULL),
	ROW(HEAD("A: b\x7f"), 400, NULL),
	ROW(HEAD("\x80: b"), 400, NULL),
	ROW("GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, NULL),
	/* where the body ends: smuggling */
	ROW(POST("Content-Length: 3\r\nTransfer-Encoding: chunked"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400, NULL),
	ROW(POST("Content-Length: 3\r\nContent-Length: 3"), 400, NULL),
	ROW(POST("Content-Length: 3\r\nContent-Length: 4"), 400, NULL),
	ROW(POST("Content-Length:\r\nContent-Length: 4"), 400, NULL),
	ROW(POST("Content-Length: 3, 3"), 400, NULL),
	ROW(POST("Content-Length:"), 400, NULL),
	ROW(POST("Content-Length: -1"), 400, NULL),
	ROW(POST("Content-Length: +1"), 400, NULL),
	ROW(POST("Content-Length: 0x1"), 400, NULL),
	ROW(POST("Content-Length: 1 1"), 400, NULL),
	ROW(POST("Content-Length: 1."), 400, NULL),
	ROW(POST("Content-Length: 18446744073709551616"), 400, NULL),
	ROW(POST("Content-Length: 18446744073709551615"), 400, NULL),
	ROW(POST("Content-Length : 3"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked, chunked"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400, NULL),
	ROW(POST("Transfer-Encoding: gzip, chunked"), 501, NULL),
	ROW(POST("Transfer-Encoding: gzip, chunked\t"), 501, NULL),
	ROW(POST("Transfer-Encoding: chunked\t"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked \t "), 400, NULL),
	ROW(POST("Content-Length: 0\t"), 400, NULL),
	ROW(POST("Content-Length: 0 \t"), 400, NULL),
	ROW(POST("Transfer-Encoding: xchunked"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked;x=y"), 400, NULL),
	ROW(POST("Transfer-Encoding: \"chunked\""), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked\x0b"), 400, NULL),
	ROW(POST("Transfer-Encoding:\r\n chunked"), 400, NULL),
	ROW(POST("Transfer-Encoding:"), 400, NULL),
	ROW(POST("Transfer_Encoding: chunked\r\nTransfer-Encoding: identity"), 400, NULL),
	ROW(POST("Transfer-Encoding: gzip"), 400, NULL),
	ROW(POST("Transfer-Encoding: identity"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked, gzip"), 400, NULL),
	ROW(POST("Transfer-Encoding: chunked, gzip, chunked"), 400, NULL),
	ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	/* chunks: rows from picohttpparser and uWebSockets */
	ROW(POST_CHUNKED "\r\n", 400, NULL),
	ROW(POST_CHUNKED "g\r\n", 400, NULL),
	ROW(POST_CHUNKED "0x5\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "-5\r\n", 400, NULL),
	ROW(POST_CHUNKED "+5\r\n", 400, NULL),
	ROW(POST_CHUNKED " 5\r\n", 400, NULL),
	ROW(POST_CHUNKED "5 \r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5\rhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a\x01\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a\rb\r\nhello\r\n", 400, NULL),
	/* invalid chunk extensions, RFC 9112 7.1.1 */
	ROW(POST_CHUNKED "5;\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;;a\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a;\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;=a\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a==b\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a[=b\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a b\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a \r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=b c\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=b \r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=b=c\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=b\"c\"\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=\"b\"c\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=\"b\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=\"b\\\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5;a=\"b\x01\"\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5 a\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5 5\r\nhello\r\n", 400, NULL),
	ROW(POST_CHUNKED "5\r\nhelloX\r\n", 400, NULL),
	ROW(POST_CHUNKED "5\r\nhello\n0\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "5\r\nhello\r0\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "10000000000000000\r\n", 413, NULL),
	ROW(POST_CHUNKED "ffffffffffffffff\r\n", 413, NULL),
	ROW(POST_CHUNKED "00000000000000005\r\n", 413, NULL),
	ROW(POST_CHUNKED "0\r\nA : b\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "0\r\n A: b\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "0\r\nA: b\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "0\r\nA: \x01\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "0\r\nA\r\n\r\n", 400, NULL),
	ROW(POST_CHUNKED "0\r\n\rX", 400, NULL),
	/* Expect */
	ROW(POST("Expect: 200-ok"), 417, NULL),
	ROW(POST("Content-Length: 1\r\nExpect: 100-continue, x"), 417, NULL),
};

struct cut {
	size_t first, rest;
	bool taken;
};

static size_t
cut_size(void *arg)
{
	struct cut *c = arg;

	if (c->taken)
		return c->rest;
	c->taken = true;
	return c->first;
}

static void
read_cut(struct message *m, const struct row *row, size_t first, size_t rest)
{
	message_read(m, (const uint8_t *)row->bytes, row->n, cut_size, &(struct cut){first, rest, false});
}

static void
check(const struct row *row)
{
	struct message whole, other;

	read_cut(&whole, row, row->n, row->n);
	if (whole.status != row->status)
		fail_msg("status %d, wanted %d: %s", whole.status, row->status, row->bytes);
	if (row->text)
		assert_true(text_is(buffer_text(&whole.text), text_from(row->text)));
	read_cut(&other, row, 1, 1);
	assert_true(message_same(&whole, &other));
	message_fini(&other);
	for (size_t cut = 1; cut < row->n; cut++) {
		read_cut(&other, row, cut, row->n);
		assert_true(message_same(&whole, &other));
		message_fini(&other);
	}
	message_fini(&whole);
}

static void
good_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check(&good[i]);
}

static void
bad_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(&bad[i]);
}

/* A prefix of a valid request is neither complete nor invalid. */
static void
prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct message whole;

		read_cut(&whole, &good[i], good[i].n, good[i].n);
		for (size_t n = 1; n < whole.consumed; n++) {
			struct row row = {good[i].bytes, n, 0, NULL};
			struct message m;

			read_cut(&m, &row, n, n);
			assert_int_equal(m.status, MESSAGE_UNFINISHED);
			message_fini(&m);
		}
		message_fini(&whole);
	}
}

static void
persistence(void **state)
{
	static const struct {
		const char *bytes;
		bool keep_alive, upgrade, expect;
	} rows[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", true, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: y , Close\r\n\r\n", false, false, false},
		{"GET / HTTP/1.0\r\n\r\n", false, false, false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\n\r\n", true, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n", true, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", true, true, false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", true, false,
			false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", true, true,
			false},
		{"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false, false, false},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nx",
			true, false, false},
		{"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\nx", true, false, true},
		{"PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\nx", true, false, false},
		{"PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = {rows[i].bytes, strlen(rows[i].bytes), MESSAGE_GOOD, NULL};
		struct message m;

		read_cut(&m, &row, row.n, row.n);
		assert_int_equal(m.status, MESSAGE_GOOD);
		assert_int_equal(m.keep_alive, rows[i].keep_alive);
		assert_int_equal(m.upgrade, rows[i].upgrade);
		assert_int_equal(m.expect, rows[i].expect);
		message_fini(&m);
	}
}

static int
status_of(const struct buffer *b)
{
	struct row row = {(const char *)b->data, b->len, 0, NULL};
	struct message m;
	int status;

	read_cut(&m, &row, row.n, row.n);
	status = m.status;
	message_fini(&m);
	return status;
}

static void
fill(struct buffer *b, const char *start, size_t filling, const char *end)
{
	buffer_reset(b);
	buffer_add_text(b, text_from(start));
	for (size_t i = 0; i < filling; i++)
		buffer_add_byte(b, 'a');
	buffer_add_text(b, text_from(end));
}

/* At the limit and one beyond. CVE-2021-40346: a field name over 255 bytes is simply a long name. */
static void
limits(void **state)
{
	size_t target_room = MESSAGE_MAX_HEAD - strlen("GET / HTTP/1.1\r\n" HOST "\r\n");
	size_t value_room = target_room - strlen("X: \r\n");
	struct buffer b;

	(void)state;
	buffer_init(&b, 1 << 20);
	fill(&b, "GET /", target_room, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(&b), MESSAGE_GOOD);
	fill(&b, "GET /", target_room + 1, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of(&b), 431);
	fill(&b, "GET /", MESSAGE_MAX_HEAD, "");
	assert_int_equal(status_of(&b), 414);
	fill(&b, "GET / HTTP/1.1\r\n" HOST "X: ", value_room, "\r\n\r\n");
	assert_int_equal(status_of(&b), MESSAGE_GOOD);
	fill(&b, "GET / HTTP/1.1\r\n" HOST "X: ", value_room + 1, "\r\n\r\n");
	assert_int_equal(status_of(&b), 431);
	fill(&b, "GET / HTTP/1.1\r\n" HOST, 300, ": x\r\n\r\n");
	assert_int_equal(status_of(&b), MESSAGE_GOOD);
	for (int fields = MESSAGE_MAX_FIELDS; fields <= MESSAGE_MAX_FIELDS + 1; fields++) {
		fill(&b, "GET / HTTP/1.1\r\n" HOST, 0, "");
		for (int i = 1; i < fields; i++)
			buffer_printf(&b, "A%d: x\r\n", i);
		buffer_add_text(&b, TEXT("\r\n"));
		assert_int_equal(status_of(&b), fields == MESSAGE_MAX_FIELDS ? MESSAGE_GOOD : 431);
	}
	/* the total of chunk extensions, the total of trailers */
	for (int chunks = 63; chunks <= 64; chunks++) {
		fill(&b, POST_CHUNKED, 0, "");
		for (int i = 0; i < chunks; i++)
			buffer_printf(&b, "1;%064d\r\nx\r\n", 1);
		buffer_add_text(&b, TEXT("0\r\n\r\n"));
		assert_int_equal(status_of(&b), chunks * 65 <= HTTP_EXTENSION_MAX ? MESSAGE_GOOD : 413);
	}
	fill(&b, POST_CHUNKED "0\r\nT: ", MESSAGE_MAX_HEAD - 7, "\r\n\r\n");
	assert_int_equal(status_of(&b), MESSAGE_GOOD);
	fill(&b, POST_CHUNKED "0\r\nT: ", MESSAGE_MAX_HEAD, "\r\n\r\n");
	assert_int_equal(status_of(&b), 413);
	buffer_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(persistence),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
