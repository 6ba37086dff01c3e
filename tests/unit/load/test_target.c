#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "tests/load/load_options.h"
#include "tests/load/target.h"

static struct load_options o;
static struct target t;
static char error[TARGET_ERROR_MAX];

static int
setup(void **state)
{
	(void)state;
	o = (struct load_options){.path = "/socket.io/", .verify = true};
	t = (struct target){.url = NULL};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	target_fini(&t);
	return 0;
}

static int
aim(const char *url)
{
	target_fini(&t);
	error[0] = '\0';
	return target_init(&t, url, &o, error);
}

static void
assert_block(const struct block *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(b->data, text, b->len);
}

static void
test_good_urls(void **state)
{
	static const struct {
		const char *url, *host;
		uint16_t port;
		const char *nsp;
		bool tls, loopback;
		int family;
	} all[] = {
		{"http://127.0.0.1", "127.0.0.1", 80, "/", false, true, AF_INET},
		{"http://127.0.0.1:3000", "127.0.0.1", 3000, "/", false, true, AF_INET},
		{"http://127.0.0.1:3000/", "127.0.0.1", 3000, "/", false, true, AF_INET},
		{"http://127.0.0.1:65535/news", "127.0.0.1", 65535, "/news", false, true, AF_INET},
		{"http://127.0.0.1:1/a/b", "127.0.0.1", 1, "/a/b", false, true, AF_INET},
		{"ws://127.9.9.9/n", "127.9.9.9", 80, "/n", false, true, AF_INET},
		{"https://127.0.0.1", "127.0.0.1", 443, "/", true, true, AF_INET},
		{"wss://127.0.0.1:8443/n", "127.0.0.1", 8443, "/n", true, true, AF_INET},
		{"http://192.0.2.1:80", "192.0.2.1", 80, "/", false, false, AF_INET},
		{"http://[::1]", "::1", 80, "/", false, false, AF_INET6},
		{"http://[::1]:3000/n", "::1", 3000, "/n", false, false, AF_INET6},
		{"http://localhost:3000", "localhost", 3000, "/", false, true, AF_INET},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&t.address;

		if (aim(all[i].url) != 0)
			fail_msg("%s: %s", all[i].url, error);
		assert_string_equal(t.url, all[i].url);
		assert_string_equal(t.host, all[i].host);
		assert_int_equal(t.port, all[i].port);
		assert_string_equal(t.nsp, all[i].nsp);
		assert_int_equal(t.tls != NULL, all[i].tls);
		assert_int_equal(t.loopback, all[i].loopback);
		assert_int_equal(t.address.ss_family, all[i].family);
		assert_int_equal(
			ntohs(in->sin_port), all[i].port); /* the port is at the same place in an IPv6 address */
	}
}

static void
test_bad_urls(void **state)
{
	static const char *const all[][2] = {
		{"", "is not a URL (it must begin with http://, https://, ws:// or wss://)"},
		{"localhost:3000", "is not a URL"},
		{"ftp://127.0.0.1", "is not a URL"},
		{"http:/127.0.0.1", "is not a URL"},
		{"http://", "has no host"},
		{"http:///news", "has no host"},
		{"http://:3000", "has no host"},
		{"http://[]:3000", "has no host"},
		{"http://[::1", "has a [ without a ]"},
		{"http://[::1]3000", "has an invalid port (use 1 to 65535)"},
		{"http://127.0.0.1:", "has an invalid port (use 1 to 65535)"},
		{"http://127.0.0.1:0", "has an invalid port"},
		{"http://127.0.0.1:65536", "has an invalid port"},
		{"http://127.0.0.1:99999999999999999999", "has an invalid port"},
		{"http://127.0.0.1:-1", "has an invalid port"},
		{"http://127.0.0.1:80x", "has an invalid port"},
		{"http://127.0.0.1:80:80", "has an invalid port"},
		{"http://::1:3000", "has an invalid port"},
		{"http://user@127.0.0.1", "contains a user name; credentials go into --auth or --header"},
		{"http://user:password@127.0.0.1:3000/n", "contains a user name"},
		{"http://127.0.0.1/a,b", "has a namespace with a comma"},
		{"http://127.0.0.1/a?b=c", "has a namespace with a comma, question mark"},
		{"http://127.0.0.1/a#b", "has a namespace with"},
		{"http://127.0.0.1/a b", "has a namespace with"},
		{"http://127.0.0.1/a\"b", "has a namespace with"},
		{"http://127.0.0.1/a\x1e"
		 "b",
			"has a namespace with"},
		{"http://127.0.0.1:3000?a=b", "has an invalid port"},
		{"http://no.such.host.invalid", "cannot resolve the host"},
		{"http://127.0.0.1\r\nX/", "cannot resolve the host"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (aim(all[i][0]) >= 0)
			fail_msg("taken: %s", all[i][0]);
		if (strstr(error, all[i][1]) == NULL)
			fail_msg("%s gives %s", all[i][0], error);
		assert_null(strchr(error, '\n'));
	}
}

static void
test_long_urls(void **state)
{
	static char url[100000] = "http://127.0.0.1/";

	(void)state;
	memset(url + 17, 'n', TARGET_NSP_MAX - 1);
	assert_int_equal(aim(url), 0);
	url[16 + TARGET_NSP_MAX] = 'n';
	assert_int_equal(aim(url), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "has a namespace of more than 512 bytes"));
	memset(url + 17, 'n', sizeof url - 18);
	assert_int_equal(aim(url), ERROR_ARGUMENT);
	memset(url + 7, 'h', sizeof url - 8);
	assert_true(aim(url) < 0);
	assert_non_null(strstr(error, "cannot resolve the host"));
}

static void
test_an_authority_that_cannot_be_read(void **state)
{
	(void)state;
	o.ca = "/no/such/file";
	assert_int_equal(aim("http://127.0.0.1"), 0);
	assert_int_equal(aim("https://127.0.0.1"), ERROR_TLS);
	assert_true(strncmp(error, "option --ca: ", 6) == 0);
}

static void
test_connect_packets(void **state)
{
	(void)state;
	aim("http://127.0.0.1");
	assert_block(t.connect, "40");
	aim("http://127.0.0.1/news");
	assert_block(t.connect, "40/news,");
	o.auth = " {\"token\":\"abc\"} ";
	aim("http://127.0.0.1/news");
	assert_block(t.connect, "40/news,{\"token\":\"abc\"}");
	aim("http://127.0.0.1");
	assert_block(t.connect, "40{\"token\":\"abc\"}");
}

static const char *
head(const char *method, const char *sid, bool websocket, int64_t body)
{
	static char out[TARGET_HEAD_MAX + 1];
	size_t n = target_head(&t, out, method, sid, websocket, body);

	assert_true(n > 0);
	assert_int_equal(strlen(out), n);
	return out;
}

#define AGENT "User-Agent: sockeye-load/" SOCKEYE_VERSION "\r\n"

static void
test_heads_of_polling(void **state)
{
	(void)state;
	aim("http://127.0.0.1:3000/news");
	assert_string_equal(head("GET", NULL, false, -1), "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
							  "Host: 127.0.0.1:3000\r\n" AGENT "Accept: */*\r\n\r\n");
	assert_string_equal(head("POST", "S1_-", false, 0),
		"POST /socket.io/?EIO=4&transport=polling&sid=S1_- HTTP/1.1\r\n"
		"Host: 127.0.0.1:3000\r\n" AGENT "Accept: */*\r\n"
		"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 0\r\n\r\n");
	assert_non_null(strstr(head("POST", "s", false, 33554432), "\r\nContent-Length: 33554432\r\n\r\n"));
	o.path = "/x";
	o.query = "a=b&c=d";
	o.headers = " Cookie: a=b | X: y";
	aim("http://127.0.0.1:80");
	assert_string_equal(head("GET", NULL, false, -1),
		"GET /x?EIO=4&a=b&c=d&transport=polling HTTP/1.1\r\n"
		"Host: 127.0.0.1\r\n" AGENT "Cookie: a=b\r\nX: y\r\nAccept: */*\r\n\r\n");
}

static void
test_heads_of_websocket(void **state)
{
	char expected[1024], accept[WS_ACCEPT_LENGTH];
	const char *key;

	(void)state;
	aim("ws://[::1]:3000");
	key = strstr(t.upgrade_fields, "Sec-WebSocket-Key: ") + 19;
	ws_key_accept(text_of(key, 24), accept);
	assert_memory_equal(accept, t.accept, WS_ACCEPT_LENGTH);
	assert_memory_equal(key + 22, "==\r\n", 5);
	snprintf(expected, sizeof expected,
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: [::1]:3000\r\n" AGENT
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: %.24s\r\n\r\n",
		key);
	assert_block(t.upgrade, expected);
	assert_string_equal(head("GET", NULL, true, -1), expected);
	assert_non_null(strstr(head("GET", "S", true, -1), "&transport=websocket&sid=S HTTP/1.1\r\n"));
}

static void
test_fields_of_a_browser(void **state)
{
	(void)state;
	o.browser_headers = true;
	aim("http://127.0.0.1:3000");
	assert_non_null(strstr(head("GET", NULL, false, -1), "\r\nOrigin: http://127.0.0.1:3000\r\n"));
	assert_non_null(strstr(head("GET", NULL, false, -1), "\r\nUser-Agent: Mozilla/5.0 "));
	assert_null(strstr(head("GET", NULL, false, -1), "sockeye-load"));
	aim("https://127.0.0.1"); /* a usual port stands in neither (RFC 6454 6.2) */
	assert_non_null(strstr(head("GET", NULL, true, -1), "\r\nHost: 127.0.0.1\r\n"));
	assert_non_null(strstr(head("GET", NULL, true, -1), "\r\nOrigin: https://127.0.0.1\r\n"));
	aim("http://[::1]:81");
	assert_non_null(strstr(head("GET", NULL, true, -1), "\r\nOrigin: http://[::1]:81\r\n"));
}

/* A head that fits leaves room for the longest sid. A head that does not fit is refused at the start. */
static void
test_long_heads(void **state)
{
	static char headers[LOAD_HEADERS_MAX + 1], path[40000];
	char sid[129], out[TARGET_HEAD_MAX];
	unsigned taken = 0;

	(void)state;
	for (size_t i = 0; i + 3 < sizeof headers; i += 3) /* each | becomes two bytes */
		memcpy(headers + i, "a:|", 3);
	headers[sizeof headers - 2] = '\0';
	o.headers = headers;
	assert_int_equal(aim("http://127.0.0.1"), 0);
	o.headers = NULL;
	o.path = path;
	memset(sid, 's', 128);
	sid[128] = '\0';
	for (size_t n = 32000; n < 33000; n += 3) {
		memset(path, '/', n);
		path[n] = '\0';
		if (aim("http://127.0.0.1") < 0) {
			assert_non_null(
				strstr(error, "makes the request too long; shorten --path, --query or --header"));
			continue;
		}
		taken++;
		assert_true(target_head(&t, out, "GET", sid, true, -1) > 0);
		assert_true(target_head(&t, out, "POST", sid, false, INT32_MAX) > 0);
	}
	assert_in_range(taken, 1, 300);
}

/* The address in 127/8 from which a connection came. */
static uint32_t
source_of(unsigned source, int listener)
{
	struct sockaddr_in peer;
	socklen_t n = sizeof peer;
	int fd = target_connect(&t, source), other;

	assert_true(fd >= 0);
	other = accept(listener, (struct sockaddr *)&peer, &n);
	assert_true(other >= 0);
	close(fd);
	close(other);
	return ntohl(peer.sin_addr.s_addr);
}

static void
test_source_addresses(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char url[64];

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(listener, 10), 0);
	getsockname(listener, (struct sockaddr *)&at, &n);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(aim(url), 0);
	assert_int_equal(source_of(0, listener), 0x7f000001);
	assert_int_equal(source_of(1, listener), 0x7f010001);
	assert_int_equal(source_of(2, listener), 0x7f010002);
	assert_int_equal(source_of(250, listener), 0x7f0100fa);
	assert_int_equal(source_of(251, listener), 0x7f010101);
	assert_int_equal(source_of(60000, listener), 0x7f01effa);
	close(listener);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_good_urls),
		T(test_bad_urls),
		T(test_long_urls),
		T(test_an_authority_that_cannot_be_read),
		T(test_connect_packets),
		T(test_heads_of_polling),
		T(test_heads_of_websocket),
		T(test_fields_of_a_browser),
		T(test_long_heads),
		T(test_source_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
