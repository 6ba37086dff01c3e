/* Handshakes with a cookie from another origin: the effect of a trusted proxy and of corsOrigin, and the log line. */
#include "harness.h"

#include "common/io/log.h"
#include "node/http/http_trust.h"

static char logged[4096];
static unsigned lines;

static void
keep_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level;
	snprintf(logged, sizeof(logged), "%.*s", (int)n, line);
	lines++;
}

/* The status of a polling handshake by a new client with these fields. */
static int
ask(const char *host, const char *fields)
{
	struct client *c = client_new();
	int status;

	client_printf(c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: %s\r\nCookie: a=b\r\n%s\r\n",
		host, fields);
	client_reply(c);
	status = c->status;
	client_free(c);
	pump_until(sv.loop.connections == 0);
	return status;
}

/* The client connects from 127.0.0.1. */
static void
test_forwarded_host(void **state)
{
	static const struct {
		const char *trust, *fields;
		int status;
	} rows[] = {
		{"false", "Origin: https://pub\r\nX-Forwarded-Host: pub\r\n", 403},
		{"false", "Origin: https://pub\r\nForwarded: host=pub;for=1.2.3.4\r\n", 403},
		{"10.0.0.0/8", "Origin: https://pub\r\nX-Forwarded-Host: pub\r\n", 403},
		{"loopback", "Origin: https://pub\r\nX-Forwarded-Host: pub\r\n", 200},
		{"1", "Origin: https://pub\r\nX-Forwarded-Host: pub:443\r\nX-Forwarded-Proto: https\r\n", 200},
		{"1", "Origin: https://pub\r\nForwarded: for=1.2.3.4;host=pub;proto=https\r\n", 200},
		{"1", "Origin: https://h\r\nX-Forwarded-Host: pub\r\n",
			200}, /* the Host field also names this server */
		/* a list whose first entry the client wrote */
		{"1", "Origin: https://evil\r\nX-Forwarded-Host: evil, pub\r\n", 403},
		{"1", "Origin: https://evil\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nX-Forwarded-Host: evil, pub\r\n",
			403},
		{"2", "Origin: https://pub\r\nX-Forwarded-For: 1.2.3.4, 10.1.1.1\r\nX-Forwarded-Host: pub, inner\r\n",
			200},
		/* the proxy reports TLS, so a page of the http site has another origin (RFC 6454) */
		{"1", "Origin: http://pub\r\nX-Forwarded-Host: pub\r\nX-Forwarded-Proto: https\r\n", 403},
	};

	(void)state;
	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_trust *trust;
		char error[HTTP_TRUST_ERROR_MAX];

		server_start(NULL);
		assert_int_equal(http_trust_new(&trust, rows[i].trust, error), 0);
		sv.http.trust = trust;
		if (ask("h", rows[i].fields) != rows[i].status)
			fail_msg("%s: %s", rows[i].trust, rows[i].fields);
		server_stop();
		http_trust_free(trust);
	}
	log_set_sink(NULL, NULL);
}

static void
test_cors_origins(void **state)
{
	static const struct {
		const char *setting, *origin;
		int status;
	} rows[] = {
		{"https://*.a.example", "Origin: https://x.a.example\r\n", 200},
		{"https://*.a.example", "Origin: https://a.example.evil\r\n", 403},
		{"/^https:..[a-c]\\.example$/", "Origin: https://b.example\r\n", 200},
		{"/^https:..[a-c]\\.example$/", "Origin: https://d.example\r\n", 403},
		{"https://a.example,null", "Origin: null\r\n", 200},
		{"*", "Origin: https://evil.example\r\n", 200},
		{"true", "Origin: https://evil.example\r\n", 200},
		{"false", "Origin: https://evil.example\r\n", 403},
	};

	(void)state;
	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		server_start("corsOrigin", rows[i].setting, NULL);
		if (ask("h", rows[i].origin) != rows[i].status)
			fail_msg("%s: %s", rows[i].setting, rows[i].origin);
		server_stop();
	}
	log_set_sink(NULL, NULL);
}

/* A refusal has one line with the origin, the host and the client's address. An accepted origin has no line. */
static void
test_refusals_are_logged(void **state)
{
	(void)state;
	server_start(NULL);
	log_set_sink(keep_line, NULL);
	lines = 0;
	assert_int_equal(ask("a.example:3000", "Origin: https://evil.example\r\n"), 403);
	assert_int_equal(lines, 1);
	assert_non_null(
		strstr(logged, "level=warn event=origin_refused origin=https://evil.example host=a.example:3000 "
			       "secure=no address="));
	assert_int_equal(ask("a.example:3000", "Origin: https://a.example:3000\r\n"), 200);
	assert_int_equal(lines, 1);
	log_set_sink(NULL, NULL);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarded_host),
		cmocka_unit_test(test_cors_origins),
		cmocka_unit_test(test_refusals_are_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
