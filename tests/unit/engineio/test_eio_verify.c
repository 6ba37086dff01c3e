/* Requests: the order of the checks, the exact answers, handshakes, cookies, CORS, and the application's decision. */
#include "harness.h"

#define NO_SID "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define BAD "{\"code\":3,\"message\":\"Bad request\"}"

static const struct {
	const char *method, *query, *field;
	int status;
	const char *body, *context;
} refusals[] = {
	{"GET", "EIO=4", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}", "UNKNOWN_TRANSPORT"},
	{"GET", "EIO=4&transport=abc", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}",
		"UNKNOWN_TRANSPORT"},
	{"GET", "EIO=4&transport=webtransport", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}",
		"UNKNOWN_TRANSPORT"},
	{"GET", "EIO=4&transport=__proto__", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}", NULL},
	{"GET", "EIO=4&transport=constructor", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}", NULL},
	{"GET", "EIO=4&transport=pollingpollingpollingpolling", "", 400,
		"{\"code\":0,\"message\":\"Transport unknown\"}", NULL},
	{"GET", "EIO=4&transport=polling%00", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}", NULL},
	{"PUT", "transport=abc&sid=x", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}", NULL},
	{"GET", "EIO=4&transport=polling&sid=abc", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=__proto__", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=%00", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAA%00", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=constructor", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", "", 400, NO_SID, "UNKNOWN_SID"},
	{"GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", 400, NO_SID,
		"UNKNOWN_SID"},
	{"POST", "EIO=4&transport=polling", "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}",
		"BAD_HANDSHAKE_METHOD"},
	{"PUT", "EIO=4&transport=polling", "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}", NULL},
	{"OPTIONS", "EIO=4&transport=polling", "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}", NULL},
	{"POST", "transport=polling", "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}", NULL},
	{"GET", "EIO=4&transport=websocket", "", 400, BAD, "TRANSPORT_HANDSHAKE_ERROR"},
	{"GET", "EIO=4&transport=websocket", "Connection: Upgrade\r\nUpgrade: h2c\r\n", 400, BAD,
		"TRANSPORT_HANDSHAKE_ERROR"},
	{"GET", "transport=polling", "", 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
		"UNSUPPORTED_PROTOCOL_VERSION"},
	{"GET", "EIO=3&transport=polling", "", 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
		NULL},
	{"GET", "EIO=abc&transport=polling", "", 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
		NULL},
	{"GET", "EIO=4&EIO=44&transport=polling", "", 400,
		"{\"code\":5,\"message\":\"Unsupported protocol version\"}", NULL},
	{"GET", "EIO=4&transport=polling", "Cookie: a=b\r\nOrigin: http://evil.example\r\n", 403,
		"{\"code\":4,\"message\":\"Forbidden\"}", "FOREIGN_ORIGIN"},
	{"GET", "EIO=4&transport=polling", "Cookie: a=b\r\nOrigin: null\r\n", 403,
		"{\"code\":4,\"message\":\"Forbidden\"}", "FOREIGN_ORIGIN"},
};

static void
test_refusals(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	c = client_new();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		client_printf(c, "%s /engine.io/?%s HTTP/1.1\r\nHost: h\r\n%s\r\n", refusals[i].method,
			refusals[i].query, refusals[i].field);
		assert_reply(c, refusals[i].status, refusals[i].body);
		assert_true(client_has(c, "Content-Type: application/json"));
		assert_int_equal(sv.app.refused, i + 1);
		if (refusals[i].context != NULL)
			assert_string_equal(sv.app.context, refusals[i].context);
		if (client_has(c, "Connection: close")) {
			client_free(c);
			c = client_new();
		}
	}
	assert_int_equal(sv.app.opened, 0);
	client_free(c);
	server_stop();
}

/* Refused before 101: a raw 400 with only the message. */
static void
test_websocket_refusals(void **state)
{
	static const struct {
		const char *query, *body;
	} rows[] = {
		{"EIO=4", "Transport unknown"},
		{"EIO=4&transport=__proto__", "Transport unknown"},
		{"EIO=4&transport=constructor", "Transport unknown"},
		{"EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA", "Session ID unknown"},
		{"EIO=4&transport=websocket&sid=__proto__", "Session ID unknown"},
		{"EIO=3&transport=websocket", "Unsupported protocol version"},
		{"transport=websocket", "Unsupported protocol version"},
		{"EIO=4&transport=polling", "Bad request"},
	};

	(void)state;
	server_start("corsOrigin", "*", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = client_new();

		client_ws_request(c, rows[i].query);
		assert_reply(c, 400, rows[i].body);
		assert_true(client_has(c, "Content-Type: text/html"));
		assert_true(client_has(c, "Connection: close"));
		client_eof(c);
		client_free(c);
	}
	server_stop();
}

static void
test_websocket_handshake_faults(void **state)
{
	static const struct {
		const char *fields, *also;
	} rows[] = {
		{"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
			"Sec-WebSocket-Version: 13, 8"},
		{"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", NULL},
		{"Sec-WebSocket-Version: 13\r\n", NULL},
	};

	(void)state;
	server_start(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = client_new();

		client_printf(c,
			"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
			"Upgrade: websocket\r\n%s\r\n",
			rows[i].fields);
		assert_reply(c, 400, "Bad request");
		if (rows[i].also != NULL)
			assert_true(client_has(c, rows[i].also));
		client_eof(c);
		client_free(c);
	}
	assert_int_equal(sv.app.opened, 0);
	server_stop();
}

static void
test_handshake(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1], expected[256];
	const struct eio_handshake *h;
	struct text name, value;
	uint32_t cursor = 0;
	unsigned fields = 0;
	char longer[400];
	uint64_t before = loop_clock_us();

	(void)state;
	server_start("pingInterval", "30000", "pingTimeout", "20000", NULL);
	eio_server_set_place(sv.engine, 1, 64);
	c = client_new();
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	client_printf(c,
		"GET /engine.io/any/thing?EIO=3&EIO=4&transport=polling&room=a+b&t=1 HTTP/1.1\r\nHost: h:1\r\n"
		"X-Custom: one\r\nX-CUSTOM: two\r\nOrigin: http://h:1\r\nCookie: a=b\r\nX-Empty:\r\nX-Long: "
		"%s\r\n\r\n",
		longer);
	client_reply(c);
	memcpy(sid, c->body + 9, EIO_SID_LENGTH);
	sid[EIO_SID_LENGTH] = '\0';
	assert_memory_equal(sid, "ABBA", 4);
	snprintf(expected, sizeof(expected),
		"0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":30000,\"pingTimeout\":20000,"
		"\"maxPayload\":1000000}",
		sid);
	assert_string_equal(c->body, expected);
	assert_int_equal(c->status, 200);
	assert_true(client_has(c, "Content-Type: text/plain; charset=UTF-8"));
	assert_true(client_has(c, "Cache-Control: no-store"));
	assert_null(strstr(c->head, "Set-Cookie"));

	assert_int_equal(eio_count(sv.engine), 1);
	assert_ptr_equal(eio_find(sv.engine, text_from(sid)), sv.app.last);
	assert_string_equal(eio_transport(sv.app.last), "polling");
	h = eio_session_handshake(sv.app.last);
	assert_true(text_is(
		eio_handshake_url(h), TEXT("/engine.io/any/thing?EIO=3&EIO=4&transport=polling&room=a+b&t=1")));
	assert_true(text_is(eio_handshake_query(h), TEXT("EIO=3&EIO=4&transport=polling&room=a+b&t=1")));
	assert_true(text_is(eio_handshake_address(h), TEXT("127.0.0.1")));
	assert_false(h->secure);
	assert_true(h->xdomain);
	assert_true(h->issued > 1500000000000ull);
	assert_in_range(eio_session_began(sv.app.last), before, loop_clock_us());
	while (eio_handshake_header(h, &cursor, &name, &value))
		fields++;
	assert_int_equal(fields, 7);
	assert_true(text_is(eio_handshake_header_get(h, "x-custom"), TEXT("one")));
	assert_true(text_is(eio_handshake_header_get(h, "host"), TEXT("h:1")));
	assert_true(text_is(eio_handshake_header_get(h, "x-long"), text_from(longer)));
	assert_int_equal(eio_handshake_header_get(h, "x-empty").n, 0);
	assert_non_null(eio_handshake_header_get(h, "x-empty").at);
	assert_null(eio_handshake_header_get(h, "x-none").at);
	client_free(c);
	server_stop();
}

/* The names of fields keep their case, whether known or not, however many there are. */
static void
test_handshake_names(void **state)
{
	enum { FIELDS = 80 };
	static const char *const lines[] = {"Host: h", "user-agent: x", "User-Agent: y", "uSER-aGENT: z",
		"X-Forwarded-For: 1", "x-unknown: v", "Accept: */*"};
	struct client *c;
	struct text name, value;
	uint32_t cursor = 0;
	char line[64];

	(void)state;
	server_start(NULL);
	c = client_new();
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\n");
	for (size_t i = 0; i < FIELDS; i++)
		client_printf(c, "%s\r\n", lines[i < 7 ? i : 1 + i % 6]);
	client_printf(c, "\r\n");
	client_reply(c);
	for (size_t i = 0; i < FIELDS; i++) {
		assert_true(eio_handshake_header(eio_session_handshake(sv.app.last), &cursor, &name, &value));
		snprintf(line, sizeof(line), "%.*s: %.*s", (int)name.n, name.at, (int)value.n, value.at);
		assert_string_equal(line, lines[i < 7 ? i : 1 + i % 6]);
	}
	assert_false(eio_handshake_header(eio_session_handshake(sv.app.last), &cursor, &name, &value));
	client_free(c);
	server_stop();
}

static void
test_upgrades_and_initial(void **state)
{
	struct client *c;

	(void)state;
	server_start("allowUpgrades", "false", "initialPacket", "welcome", NULL);
	c = client_new();
	client_get(c, "EIO=4&transport=polling");
	client_reply(c);
	assert_non_null(strstr(c->body, "\"upgrades\":[],"));
	assert_non_null(strstr(c->body, "}\x1e"
					"4welcome"));
	client_free(c);
	c = client_new();
	client_ws(c, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	assert_non_null(strstr(c->body, "\"upgrades\":[],"));
	assert_text(c, "4welcome");
	client_free(c);
	server_stop();

	server_start("transports", "polling", NULL);
	c = client_new();
	client_get(c, "EIO=4&transport=polling");
	client_reply(c);
	assert_non_null(strstr(c->body, "\"upgrades\":[],"));
	client_free(c);
	c = client_new();
	client_ws_request(c, "EIO=4&transport=websocket");
	assert_reply(c, 400, "Transport unknown");
	client_free(c);
	server_stop();
}

static void
test_path(void **state)
{
	(void)state;
	server_start("path", "/socket.io/", NULL);
	assert_true(eio_matches(sv.engine, TEXT("/socket.io/")));
	assert_true(eio_matches(sv.engine, TEXT("/socket.io/x/y")));
	assert_false(eio_matches(sv.engine, TEXT("/socket.io")));
	assert_false(eio_matches(sv.engine, TEXT("/engine.io/")));
	server_stop();
	server_start("path", "/socket.io", "addTrailingSlash", "false", NULL);
	assert_true(eio_matches(sv.engine, TEXT("/socket.io")));
	assert_true(eio_matches(sv.engine, TEXT("/socket.io/")));
	assert_false(eio_matches(sv.engine, TEXT("/socket.i")));
	server_stop();
}

static void
test_cookie(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1], field[256];

	(void)state;
	server_start("cookie", "true", NULL);
	sv.app.add_headers = true;
	c = client_new();
	client_handshake(c, sid);
	snprintf(field, sizeof(field), "Set-Cookie: io=%s; Path=/; HttpOnly; SameSite=Lax", sid);
	assert_true(client_has(c, field));
	assert_true(client_has(c, "X-App: first"));
	client_post(c, sid, "4a");
	assert_reply(c, 200, "ok");
	assert_null(strstr(c->head, "Set-Cookie"));
	assert_true(client_has(c, "X-App: later"));
	client_get(c, "EIO=4&transport=polling&sid=none");
	client_reply(c);
	assert_true(client_has(c, "X-App: none"));
	client_free(c);
	c = client_new();
	client_ws(c, "EIO=4&transport=websocket");
	assert_null(strstr(c->head, "Set-Cookie"));
	assert_true(client_has(c, "X-App: first"));
	client_free(c);
	server_stop();

	server_start("cookie", "n", "cookiePath", "", "cookieDomain", "a.example", "cookieMaxAge", "60",
		"cookieExpires", "Sunday, 06-Nov-44 08:49:37 GMT", "cookieSecure", "true", "cookieHttpOnly", "false",
		"cookieSameSite", "none", NULL);
	c = client_new();
	client_handshake(c, sid);
	snprintf(field, sizeof(field),
		"Set-Cookie: n=%s; Max-Age=60; Domain=a.example; Expires=Sun, 06 Nov 2044 08:49:37 GMT; "
		"Secure; SameSite=None",
		sid);
	assert_true(client_has(c, field));
	client_free(c);
	server_stop();
}

static void
test_cors(void **state)
{
	struct client *c;

	(void)state;
	server_start("corsOrigin", "http://a.example", "corsCredentials", "true", NULL);
	c = client_new();
	client_printf(c,
		"OPTIONS /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\nOrigin: http://a.example\r\n"
		"Access-Control-Request-Method: GET\r\n\r\n");
	assert_reply(c, 204, "");
	assert_true(client_has(c, "Access-Control-Allow-Origin: http://a.example"));
	assert_true(client_has(c, "Access-Control-Allow-Credentials: true"));
	/* errors carry the fields too, and an origin that CORS admits may bring cookies */
	client_get(c, "EIO=4&transport=polling&sid=x");
	assert_reply(c, 400, NO_SID);
	assert_true(client_has(c, "Access-Control-Allow-Origin: http://a.example"));
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n"
			 "Origin: http://a.example\r\n\r\n");
	client_reply(c);
	assert_int_equal(c->status, 200);
	client_free(c);
	server_stop();
}

/* CVE-2019-13611: a foreign page with this host's cookies, on both transports. */
static void
test_foreign_origin(void **state)
{
	static const struct {
		const char *fields;
		bool good;
	} rows[] = {
		{"Cookie: a=b\r\nOrigin: http://evil.example\r\n", false},
		{"Cookie: a=b\r\nOrigin: http://h.evil.example\r\n", false},
		{"Cookie: a=b\r\nOrigin: h\r\n", false},
		{"Cookie: a=b\r\nOrigin: http://\r\n", false},
		{"Cookie: a=b\r\nOrigin: http://h\r\n", true},
		{"Cookie: a=b\r\nOrigin: https://H\r\n", true},
		{"Cookie: a=b\r\nOrigin: https://h:443\r\n", true},
		{"Cookie: a=b\r\nOrigin: http://h.\r\n", true},
		{"Cookie: a=b\r\nOrigin: http://h:81\r\n", false},
		{"Cookie: a=b\r\nOrigin: http://h\r\nOrigin: http://evil.example\r\n", false},
		{"Cookie: a=b\r\nOrigin: https://pub\r\nX-Forwarded-Host: pub\r\n", false}, /* no proxy is trusted */
		{"Cookie: a=b\r\nOrigin: https://pub\r\nForwarded: host=pub\r\n", false},
		{"Cookie: a=b\r\n", true},
		{"Origin: http://evil.example\r\n", true},
	};

	(void)state;
	server_start(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = client_new();

		client_printf(
			c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n%s\r\n", rows[i].fields);
		client_reply(c);
		assert_int_equal(c->status, rows[i].good ? 200 : 403);
		client_printf(c,
			"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
			rows[i].fields);
		client_reply(c);
		assert_int_equal(c->status, rows[i].good ? 101 : 400);
		client_free(c);
		pump_until(sv.loop.connections == 0);
	}
	server_stop();
	server_start("checkOrigin", "false", NULL);
	struct client *c = client_new();
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n%s\r\n", rows[0].fields);
	client_reply(c);
	assert_int_equal(c->status, 200);
	client_free(c);
	server_stop();
}

static void
test_allow(void **state)
{
	struct client *c, *d;
	struct eio_pending *left;

	(void)state;
	server_start(NULL);
	c = client_new();
	d = client_new();
	sv.app.allow = -1;
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 403, "{\"code\":4,\"message\":\"go \\\"away\\\"\"}");
	assert_string_equal(sv.app.context, "FORBIDDEN");
	assert_string_equal(sv.app.message, "go \"away\"");
	client_ws_request(d, "EIO=4&transport=websocket");
	assert_reply(d, 400, "go \"away\"");
	client_eof(d);
	client_free(d);

	sv.app.allow = 0; /* later */
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	client_silent(c);
	eio_refuse(sv.app.pending, NULL);
	assert_reply(c, 403, "{\"code\":4,\"message\":\"Forbidden\"}");
	sv.app.pending = NULL;
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	eio_allow(sv.app.pending);
	assert_int_equal(sv.app.opened, 0); /* no callback runs inside the call */
	client_reply(c);
	assert_int_equal(c->status, 200);
	assert_int_equal(sv.app.opened, 1);

	sv.app.pending = NULL; /* EIO is checked after the application was asked, as in the original */
	client_get(c, "EIO=3&transport=polling");
	pump_until(sv.app.pending != NULL);
	eio_allow(sv.app.pending);
	assert_reply(c, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");

	sv.app.pending = NULL; /* a WebSocket that waits for the decision */
	d = client_new();
	client_ws_request(d, "EIO=4&transport=websocket");
	pump_until(sv.app.pending != NULL);
	eio_allow(sv.app.pending);
	client_reply(d);
	assert_int_equal(d->status, 101);
	assert_int_equal(ws_in(d), 1);
	client_free(d);

	sv.app.pending = NULL; /* the peer disconnects before the answer */
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	client_leave(c, true);
	pump_until(sv.loop.connections == 0);
	eio_allow(sv.app.pending);
	pump_settle();
	client_free(c);

	sv.app.pending = NULL; /* the server closes before the answer */
	c = client_new();
	client_get(c, "EIO=4&transport=polling");
	pump_until(sv.app.pending != NULL);
	left = sv.app.pending;
	client_leave(c, false);
	client_free(c);
	server_stop();
	eio_allow(left);
}

static void
test_middleware(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	sv.app.refuse_all = true;
	c = client_new();
	client_get(c, "EIO=4&transport=none");
	assert_reply(c, 400, BAD);
	assert_string_equal(sv.app.context, "MIDDLEWARE_FAILURE");
	client_ws_request(c, "EIO=4&transport=websocket");
	assert_reply(c, 400, "Bad request");
	client_free(c);
	server_stop();
}

static void
test_session_checks(void **state)
{
	struct client *c, *w;
	char sid[EIO_SID_LENGTH + 1], query[128];
	static const char *const methods[] = {"PUT", "DELETE", "PATCH", "OPTIONS"};

	(void)state;
	server_start(NULL);
	c = client_new();
	w = client_new();
	client_handshake(c, sid);
	snprintf(query, sizeof(query), "EIO=4&transport=websocket&sid=%s", sid);
	client_get(c, query);
	assert_reply(c, 400, BAD);
	assert_string_equal(sv.app.context, "TRANSPORT_MISMATCH");
	snprintf(query, sizeof(query), "EIO=3&transport=polling&sid=%s", sid);
	client_get(c, query);
	assert_reply(c, 400, BAD);
	assert_string_equal(sv.app.context, "PROTOCOL_MISMATCH");
	/* CVE-2026-102599: an upgrade with another protocol revision would take v3 heartbeats */
	snprintf(query, sizeof(query), "transport=websocket&sid=%s", sid);
	client_ws_request(w, query);
	assert_reply(w, 400, "Bad request");
	assert_string_equal(sv.app.context, "PROTOCOL_MISMATCH");
	for (size_t i = 0; i < 4; i++) {
		client_printf(c, "%s /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n\r\n",
			methods[i], sid);
		assert_reply(c, 500, "");
	}
	client_post(c, sid, "4still here");
	assert_reply(c, 200, "ok");
	client_poll(c, sid);
	assert_reply(c, 200, "4still here");
	assert_int_equal(sv.app.closed, 0);
	client_free(w);
	client_free(c);
	server_stop();
}

static void
test_limits(void **state)
{
	struct client *c, *w;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start("maxSessions", "1", NULL);
	c = client_new();
	w = client_new();
	client_handshake(c, sid);
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 503, BAD);
	assert_string_equal(sv.app.context, "TOO_MANY_SESSIONS");
	client_ws_request(w, "EIO=4&transport=websocket");
	assert_reply(w, 503, "Bad request");
	client_post(c, sid, "1");
	assert_reply(c, 200, "ok");
	client_handshake(c, sid);
	client_poll(c, sid);
	pump_settle();
	eio_server_close(sv.engine);
	assert_reply(c, 200, "1");
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 503, BAD);
	assert_string_equal(sv.app.context, "SERVER_CLOSED");
	client_free(w);
	client_free(c);
	server_stop();
}

static void
ask_for_upgrade(struct client *c)
{
	client_printf(c, "GET /other HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

/* An upgrade on an unknown path is answered like any request, then the connection ends. */
static void
test_unclaimed(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	c = client_new();
	ask_for_upgrade(c);
	assert_reply(c, 404, "");
	assert_true(client_has(c, "Connection: close"));
	client_eof(c);
	assert_int_equal(sv.loop.counters.value[COUNT_EIO_UNCLAIMED], 1);
	client_free(c);
	c = client_new(); /* the peer disconnects before the answer */
	ask_for_upgrade(c);
	client_leave(c, true);
	pump_until(sv.loop.connections == 0);
	client_free(c);
	server_stop();
}

static void
test_unclaimed_kept(void **state)
{
	struct client *c;

	(void)state;
	server_start("destroyUpgrade", "false", NULL);
	c = client_new();
	for (int i = 0; i < 2; i++) {
		ask_for_upgrade(c);
		assert_reply(c, 404, "");
	}
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_websocket_refusals),
		cmocka_unit_test(test_websocket_handshake_faults),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_handshake_names),
		cmocka_unit_test(test_upgrades_and_initial),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_cors),
		cmocka_unit_test(test_foreign_origin),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_middleware),
		cmocka_unit_test(test_session_checks),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unclaimed),
		cmocka_unit_test(test_unclaimed_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
