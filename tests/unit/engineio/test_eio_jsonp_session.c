/* Sessions on JSONP: who gets one, what polls and POSTs look like, and how such a session ends or is upgraded. */
#include "older_clients.h"

#include "common/io/log.h"

#define BAD "{\"code\":3,\"message\":\"Bad request\"}"
#define FORBIDDEN "{\"code\":4,\"message\":\"Forbidden\"}"
#define SCRIPT "Content-Type: application/javascript; charset=UTF-8"

static char logged[4096];
static unsigned lines;

static void
keep_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level;
	snprintf(logged, sizeof(logged), "%.*s", (int)n, line);
	lines++;
}

/* Opens a session of either revision on `c`, whose replies go to ___eio[index]. */
static void
jsonp_handshake(struct client *c, const char *query, unsigned index, char sid[EIO_SID_LENGTH + 1])
{
	char head[64];
	char *at;

	client_get(c, query);
	client_reply(c);
	assert_int_equal(c->status, 200);
	assert_true(client_has(c, SCRIPT));
	assert_true(client_has(c, "X-Content-Type-Options: nosniff"));
	snprintf(head, sizeof(head), "___eio[%u](\"", index);
	assert_memory_equal(c->body, head, strlen(head));
	assert_string_equal(c->body + c->body_len - 4, "}\");");
	at = strstr(c->body, "0{\\\"sid\\\":\\\"");
	assert_non_null(at);
	memcpy(sid, at + 12, EIO_SID_LENGTH);
	sid[EIO_SID_LENGTH] = '\0';
}

static void
jsonp_post(struct client *c, const char *query, const char *sid, const char *form)
{
	older_post(c, query, sid, "application/x-www-form-urlencoded", form, strlen(form));
}

/* Which handshakes become JSONP, and which are refused, for each value of the options. */
static void
test_who(void **state)
{
	enum { PLAIN, JSONP, REFUSED, UNSUPPORTED };
	static const struct {
		const char *eio3, *jsonp, *query;
		int kind;
	} rows[] = {
		{"true", "auto", V3_POLLING "&j=3", JSONP},
		{"true", "auto", "transport=polling&j=3", JSONP},
		{"true", "auto", V3_POLLING, PLAIN},
		{"true", "auto", V3_POLLING "&j=abc", REFUSED},
		{"true", "auto", V3_POLLING "&j=", REFUSED},
		{"true", "auto", V3_POLLING "&j=7x8", REFUSED},
		{"true", "auto", V3_POLLING "&j=4294967296", REFUSED},
		{"true", "auto", "EIO=4&transport=polling&j=3", PLAIN},
		{"true", "auto", "EIO=4&transport=polling&j=abc", PLAIN},
		{"true", "true", "EIO=4&transport=polling&j=3", JSONP},
		{"true", "true", "EIO=4&transport=polling&j=abc", REFUSED},
		{"true", "false", V3_POLLING "&j=3", REFUSED},
		{"true", "false", V3_POLLING, PLAIN},
		{"true", "false", "EIO=4&transport=polling&j=3", PLAIN},
		{"false", "auto", V3_POLLING "&j=3", UNSUPPORTED},
		{"false", "auto", "EIO=4&transport=polling&j=3", PLAIN},
		{"false", "true", "EIO=4&transport=polling&j=3", JSONP},
		{"false", "true", V3_POLLING "&j=3", UNSUPPORTED},
		{"false", "false", "EIO=4&transport=polling&j=3", PLAIN},
	};
	static const char *const refusals[] = {
		[REFUSED] = BAD, [UNSUPPORTED] = "{\"code\":5,\"message\":\"Unsupported protocol version\"}"};
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c;

		server_start("allowEIO3", rows[i].eio3, "allowJsonp", rows[i].jsonp, NULL);
		c = client_new();
		if (rows[i].kind == JSONP) {
			jsonp_handshake(c, rows[i].query, 3, sid);
		} else if (rows[i].kind == PLAIN) {
			client_get(c, rows[i].query);
			client_reply(c);
			assert_int_equal(c->status, 200);
			assert_true(client_has(c, "Content-Type: text/plain; charset=UTF-8"));
			assert_false(client_has(c, "X-Content-Type-Options: nosniff"));
		} else {
			client_get(c, rows[i].query);
			assert_reply(c, 400, refusals[rows[i].kind]);
			if (rows[i].kind == REFUSED)
				assert_string_equal(sv.app.context, "JSONP");
		}
		client_free(c);
		server_stop();
	}
	log_set_sink(NULL, NULL);
}

/* The log names the option once, and only to a client that could use it. */
static void
test_refusal_is_logged(void **state)
{
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", "allowJsonp", "false", NULL);
	log_set_sink(keep_line, NULL);
	lines = 0;
	c = client_new();
	client_get(c, V3_POLLING "&j=abc");
	assert_reply(c, 400, BAD);
	assert_int_equal(lines, 0);
	for (int i = 0; i < 3; i++) {
		client_get(c, V3_POLLING "&j=0");
		assert_reply(c, 400, BAD);
	}
	assert_int_equal(lines, 1);
	assert_non_null(strstr(logged, "level=warn event=jsonp_refused address="));
	assert_non_null(strstr(logged, "--allow-jsonp"));
	log_set_sink(NULL, NULL);
	client_free(c);
	server_stop();
}

/* The handshake decides: a later `j` changes nothing, in either direction. */
static void
test_index_is_kept(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start("allowEIO3", "true", NULL);
	c = client_new();
	jsonp_handshake(c, V3_POLLING "&j=12", 12, sid);
	send_text(sv.app.last, "a");
	older_poll(c, V3_POLLING "&j=99", sid);
	assert_reply(c, 200, "___eio[12](\"2:4a\");");
	send_text(sv.app.last, "b");
	older_poll(c, V3_POLLING, sid);
	assert_reply(c, 200, "___eio[12](\"2:4b\");");
	client_get(c, V3_POLLING);
	client_reply(c);
	memcpy(sid, strstr(c->body, "\"sid\":\"") + 7, EIO_SID_LENGTH);
	send_text(sv.app.last, "c");
	older_poll(c, V3_POLLING "&j=5", sid);
	assert_reply(c, 200, "2:4c");
	client_free(c);
	server_stop();
}

/* Text and binary of both revisions, with and without b64; binary is base64 in any case. */
static void
test_echo(void **state)
{
	static const struct {
		const char *query, *form, *reply;
	} rows[] = {
		{V3_POLLING "&j=0", "d=7%3A4%C3%A9%F0%9F%98%80%3C%2Fb10%3Ab4AQID%2Fw%3D%3D",
			"___eio[0](\"7:4é😀<\\/b10:b4AQID/w==\");"},
		{V3_POLLING "&j=0&b64=1", "d=6:4a+b%2Bc6:b4%2F%2F%2F%2F", "___eio[0](\"6:4a b+c6:b4////\");"},
		{V3_POLLING "&j=0", "d=5%3A4a%5C%5Cnb4%3A4a%5Cnb", "___eio[0](\"5:4a\\\\nb4:4a\\nb\");"},
		{"EIO=4&transport=polling&j=0", "d=4x%C3%A9%1EbAQID%2Fw%3D%3D",
			"___eio[0](\"4xé\\u001ebAQID/w==\");"},
		{"EIO=4&transport=polling&j=0", "d=4%E2%80%A8", "___eio[0](\"4\\u2028\");"},
	};
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c, *d;

		server_start("allowEIO3", "true", "allowJsonp", "true", NULL);
		c = client_new();
		d = client_new();
		jsonp_handshake(c, rows[i].query, 0, sid);
		jsonp_post(d, rows[i].query, sid, rows[i].form);
		assert_reply(d, 200, "ok");
		assert_true(client_has(d, "Content-Type: text/html"));
		older_poll(c, rows[i].query, sid);
		assert_reply(c, 200, rows[i].reply);
		assert_true(client_has(c, SCRIPT));
		assert_true(client_has(c, "Cache-Control: no-store"));
		client_free(c);
		client_free(d);
		server_stop();
	}
}

/* The form counts, whatever type the client gives it. */
static void
test_content_types(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	jsonp_handshake(p.get, V3_POLLING "&j=0", 0, p.sid);
	older_post(p.post, V3_POLLING, p.sid, "application/x-www-form-urlencoded; charset=utf-8", "d=2%3A4a", 8);
	assert_reply(p.post, 200, "ok");
	older_post(p.post, V3_POLLING, p.sid, "text/plain", "d=2%3A4b", 8);
	assert_reply(p.post, 200, "ok");
	older_poll(p.get, V3_POLLING, p.sid);
	assert_reply(p.get, 200, "___eio[0](\"2:4a2:4b\");");
	older_post(p.post, V3_POLLING, p.sid, "application/octet-stream", "d=2%3A4c", 8);
	assert_reply(p.post, 400, "");
	assert_closed(1, "transport error");
	older_stop(&p);
}

/* A form that arrives in two pieces, for each place of the cut. */
static void
test_form_split(void **state)
{
	static const char form[] = "x=1&d=7%3A4%C3%A9%5C%5Cn%5Cn+x10%3Ab4AQID%2Fw%3D%3D1%3A6";
	char sid[EIO_SID_LENGTH + 1];
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	sv.app.echo = false;
	c = client_new();
	jsonp_handshake(c, V3_POLLING "&j=0", 0, sid);
	for (size_t cut = 1; cut < sizeof(form) - 1; cut++) {
		client_printf(c,
			"POST /engine.io/?" V3_POLLING "&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
			sid, sizeof(form) - 1);
		client_write(c, form, cut);
		pump_once(-1);
		client_write(c, form + cut, sizeof(form) - 1 - cut);
		assert_reply(c, 200, "ok");
		assert_int_equal(sv.app.messages, 2 * cut);
		assert_string_equal(sv.app.log, "t:é\\n\n x|b:\1\2\3\xff");
		sv.app.log[0] = '\0';
	}
	client_free(c);
	server_stop();
}

static void
test_malformed(void **state)
{
	static const char *const forms[] = {"", "1:2", "x=1:2", "d=", "d", "d=1:2&d=1:2", "d=1:2%", "d=1%3",
		"d=1%3x2", "d=2:2", "d=%EF%BF%BD", "d=2:4%C3", "d=3:4%C3%28", "d=6:b4@@@@"};
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start("allowEIO3", "true", NULL);
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct client *c = client_new(), *d = client_new();

		jsonp_handshake(c, V3_POLLING "&j=0", 0, sid);
		older_poll(c, V3_POLLING, sid);
		client_silent(c);
		jsonp_post(d, V3_POLLING, sid, forms[i]);
		assert_reply(d, 400, "");
		assert_reply(c, 200, "___eio[0](\"1:1\");");
		assert_closed(i + 1, "parse error");
		client_free(c);
		client_free(d);
	}
	server_stop();
}

/* maxHttpBufferSize limits the body as it is sent, before it is decoded. */
static void
test_too_large(void **state)
{
	struct client *c, *d;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start("allowEIO3", "true", "maxHttpBufferSize", "20", NULL);
	sv.app.echo = false;
	c = client_new();
	d = client_new();
	jsonp_handshake(c, V3_POLLING "&j=0", 0, sid);
	jsonp_post(d, V3_POLLING, sid, "d=12%3A4aaaaaaaaaaaa");
	client_reply(d);
	assert_int_equal(d->status, 400); /* 20 bytes, of which the last packet is too long for its length */
	assert_closed(1, "parse error");
	jsonp_handshake(c, V3_POLLING "&j=0", 0, sid);
	jsonp_post(d, V3_POLLING, sid, "d=%31%33%3A4aaaaaaaaaaaa");
	assert_reply(d, 413, "");
	assert_closed(2, "transport error");
	client_free(c);
	client_free(d);
	server_stop();
}

/* Every way in which a waiting poll is answered. */
static void
test_ends(void **state)
{
	struct pair p = older_start("true");

	(void)state;
	jsonp_handshake(p.get, V3_POLLING "&j=2", 2, p.sid);
	older_poll(p.get, V3_POLLING, p.sid);
	client_silent(p.get);
	jsonp_post(p.post, V3_POLLING, p.sid, "d=1%3A1");
	assert_reply(p.post, 200, "ok");
	assert_reply(p.get, 200, "___eio[2](\"1:6\");");
	assert_closed(1, "transport close");
	older_poll(p.get, V3_POLLING, p.sid);
	assert_reply(p.get, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");

	jsonp_handshake(p.get, V3_POLLING "&j=2", 2, p.sid);
	eio_close(sv.app.last, false);
	older_poll(p.get, V3_POLLING, p.sid);
	assert_reply(p.get, 200, "___eio[2](\"1:61:1\");");
	assert_closed(2, "forced close");
	jsonp_post(p.post, V3_POLLING, p.sid, "d=6%3A4never"); /* it was under way */
	assert_reply(p.post, 200, "ok");

	jsonp_handshake(p.get, "EIO=4&transport=polling&j=2", 2, p.sid);
	eio_close(sv.app.last, false);
	older_poll(p.get, "EIO=4&transport=polling", p.sid);
	assert_reply(p.get, 200, "___eio[2](\"6\\u001e1\");");
	assert_closed(3, "forced close");

	jsonp_handshake(p.get, V3_POLLING "&j=2", 2, p.sid);
	older_poll(p.get, V3_POLLING, p.sid);
	client_silent(p.get);
	older_poll(p.post, V3_POLLING, p.sid);
	assert_reply(p.post, 400, "");
	assert_reply(p.get, 200, "___eio[2](\"1:1\");");
	assert_closed(4, "transport error");
	older_stop(&p);
}

/* A close packet is recognised inside its form: the poll that was sent just before may arrive after it. */
static void
test_farewell_before_poll(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	jsonp_handshake(p.get, V3_POLLING "&j=0", 0, p.sid);
	jsonp_post(p.post, V3_POLLING, p.sid, "d=1%3A1");
	client_silent(p.post);
	older_poll(p.get, V3_POLLING, p.sid);
	assert_reply(p.get, 200, "___eio[0](\"1:6\");");
	assert_reply(p.post, 200, "ok");
	assert_closed(1, "transport close");
	older_stop(&p);
}

static void
test_heartbeat(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	jsonp_handshake(p.get, V3_POLLING "&j=0", 0, p.sid);
	older_poll(p.get, V3_POLLING, p.sid);
	client_silent(p.get);
	jsonp_post(p.post, V3_POLLING, p.sid, "d=1%3A2");
	assert_reply(p.post, 200, "ok");
	assert_reply(p.get, 200, "___eio[0](\"1:3\");");
	older_stop(&p);
}

/* After the upgrade, the session is an ordinary one on WebSocket, with binary frames. */
static void
test_upgrade(void **state)
{
	struct client *upgrading;
	struct pair p = older_start("auto");

	(void)state;
	jsonp_handshake(p.get, V3_POLLING "&j=0&b64=1", 0, p.sid);
	older_poll(p.get, V3_POLLING, p.sid);
	client_silent(p.get);
	upgrading = older_probe(p.sid);
	assert_reply(p.get, 200, "___eio[0](\"1:6\");");
	/* the echo waits, and moves to the WebSocket */
	jsonp_post(p.post, V3_POLLING, p.sid, "d=10%3Ab4AQID%2Fw%3D%3D");
	assert_reply(p.post, 200, "ok");
	ws_out(upgrading, "5");
	assert_int_equal(ws_in(upgrading), 2);
	assert_int_equal(upgrading->body_len, 5);
	assert_memory_equal(upgrading->body, "\4\1\2\3\xff", 5);
	assert_int_equal(sv.app.upgraded, 1);
	client_free(upgrading);
	older_stop(&p);
}

/*
 * A script element sends cookies and no Origin. With a cookie, the page's origin must therefore be known from
 * elsewhere, or any origin must be allowed.
 */
static void
test_cookies(void **state)
{
	static const struct {
		const char *origins, *check, *fields;
		int status;
	} rows[] = {
		{"false", "true", "", 200},
		{"false", "true", "Referer: http://evil.example/\r\n", 200},
		{"false", "true", "Cookie: a=b\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http://evil.example/http://h/\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http://h.evil.example/\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http://h:81/\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: //h/\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http:/h/\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: h\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: \r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http://\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nReferer: http://h/page?x=1\r\n", 200},
		{"false", "true", "Cookie: a=b\r\nReferer: http://h\r\n", 200},
		{"false", "true", "Cookie: a=b\r\nSec-Fetch-Site: same-origin\r\n", 200},
		{"false", "true", "Cookie: a=b\r\nSec-Fetch-Site: same-site\r\n", 403},
		{"false", "true", "Cookie: a=b\r\nSec-Fetch-Site: cross-site\r\nReferer: http://evil.example/\r\n",
			403},
		{"false", "true", "Cookie: a=b\r\nOrigin: http://h\r\n", 200},
		{"false", "true", "Cookie: a=b\r\nOrigin: http://evil.example\r\nReferer: http://h/\r\n", 403},
		{"false", "false", "Cookie: a=b\r\n", 200},
		{"*", "true", "Cookie: a=b\r\n", 200},
		{"true", "true", "Cookie: a=b\r\n", 200},
		{"http://a.example:8080", "true", "Cookie: a=b\r\n", 403},
		{"http://a.example:8080", "true", "Cookie: a=b\r\nReferer: http://a.example:8080/x\r\n", 200},
		{"http://a.example:8080", "true", "Cookie: a=b\r\nReferer: http://a.example/x\r\n", 403},
	};

	(void)state;
	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c;

		server_start("allowEIO3", "true", "corsOrigin", rows[i].origins, "checkOrigin", rows[i].check, NULL);
		c = client_new();
		client_printf(c, "GET /engine.io/?" V3_POLLING "&j=0 HTTP/1.1\r\nHost: h\r\n%s\r\n", rows[i].fields);
		client_reply(c);
		if (c->status != rows[i].status)
			fail_msg("%s: %s", rows[i].origins, rows[i].fields);
		if (c->status == 403)
			assert_string_equal(c->body, FORBIDDEN);
		client_printf(c, "GET /engine.io/?" V3_POLLING " HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n\r\n");
		client_reply(c); /* without JSONP, no foreign page sends a request without Origin */
		assert_int_equal(c->status, 200);
		client_free(c);
		server_stop();
	}
	log_set_sink(NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_refusal_is_logged),
		cmocka_unit_test(test_index_is_kept),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_form_split),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_farewell_before_poll),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
