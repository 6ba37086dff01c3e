/* PROXY headers of both versions, whole, cut at every byte, and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/io/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const char *
shown(const struct proxy_header *h, char out[64])
{
	char address[INET6_ADDRSTRLEN] = "";

	if (h->client_len == 0)
		return "none";
	if (h->client.ss_family == AF_INET) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)&h->client;

		inet_ntop(AF_INET, &a->sin_addr, address, sizeof address);
		snprintf(out, 64, "%s %u", address, ntohs(a->sin_port));
	} else {
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&h->client;

		inet_ntop(AF_INET6, &a->sin6_addr, address, sizeof address);
		snprintf(out, 64, "%s %u", address, ntohs(a->sin6_port));
	}
	return out;
}

static const struct {
	struct text in;
	const char *client;
} good[] = {
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), "192.0.2.1 56324"},
	{TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255 65535"},
	{TEXT("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "2001:db8::1 1"}, {TEXT("PROXY UNKNOWN\r\n"), "none"},
	{TEXT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "none"},
	{TEXT(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb"), "192.0.2.1 56324"},
	{TEXT(SIGNATURE "\x21\x11\0\x0f\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb\x04\0\0"), "192.0.2.1 56324"},
	{TEXT(SIGNATURE "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0"
			"\x01\0\x02"),
		"2001:db8::1 1"},
	{TEXT(SIGNATURE "\x20\0\0\0"), "none"}, /* LOCAL: a health check of the balancer itself */
	{TEXT(SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb"), "none"},
	{TEXT(SIGNATURE "\x21\0\0\x02xx"), "none"},						/* UNSPEC */
	{TEXT(SIGNATURE "\x21\x12\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb"), "none"}, /* UDP */
};

static void
whole_and_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct text in = good[i].in;
		struct proxy_header h;
		char out[64], more[256];

		for (size_t n = 0; n < in.n; n++)
			assert_int_equal(proxy_header_parse(&h, text_of(in.at, n)), 0);
		memcpy(more, in.at, in.n);
		memcpy(more + in.n, "GET /", 5);
		assert_int_equal(proxy_header_parse(&h, text_of(more, in.n + 5)), in.n);
		assert_string_equal(shown(&h, out), good[i].client);
	}
}

static void
malformed(void **state)
{
	static const struct {
		struct text in;
		int rc;
	} bad[] = {
		{TEXT("GET / HTTP/1.1\r\n"), ERROR_SYNTAX},
		{TEXT("P X"), ERROR_SYNTAX},
		{TEXT("\r\n\r\nX"), ERROR_SYNTAX},
		{TEXT("\x16\x03\x01"), ERROR_SYNTAX},
		{TEXT("PROXY \r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 x\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1  192.0.2.2 56324 443\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2 192.0.2.2 56324 443\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 ::1 ::1 1 2\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n"), ERROR_SYNTAX},
		{TEXT("PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n"), ERROR_UNSUPPORTED},
		{TEXT("PROXY UNKNOWN\rx"), ERROR_SYNTAX},
		{TEXT(SIGNATURE "\x11\x11\0\0"), ERROR_UNSUPPORTED},
		{TEXT(SIGNATURE "\x22\x11\0\0"), ERROR_UNSUPPORTED},
		{TEXT(SIGNATURE "\x21\x11\0\x0b"
				"12345678901"),
			ERROR_SYNTAX},
		{TEXT(SIGNATURE "\x21\x21\0\x0c"
				"123456789012"),
			ERROR_SYNTAX},
		{TEXT(SIGNATURE "\x21\x11\xff\xff"), ERROR_TOO_BIG},
	};
	struct proxy_header h;
	char line[200];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t rc = proxy_header_parse(&h, bad[i].in);

		/* whether a line is cut or malformed shows when it ends */
		if (rc != bad[i].rc)
			fail_msg("case %zu: %d, not %d", i, (int)rc, bad[i].rc);
	}
	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_header_parse(&h, text_of(line, 105)), 0);
	assert_int_equal(proxy_header_parse(&h, text_of(line, 106)), ERROR_TOO_BIG);
	memcpy(line + 105, "\r\n", 2); /* the longest line: 107 bytes */
	assert_int_equal(proxy_header_parse(&h, text_of(line, 107)), 107);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(proxy_header_parse(&h, text_of(line, 108)), ERROR_TOO_BIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole_and_cut), cmocka_unit_test(malformed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
