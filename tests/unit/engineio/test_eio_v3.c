/* Sessions of protocol revision 3 on both transports. */
#include "older_clients.h"

static void
v3_poll(struct client *c, const char *sid)
{
	older_poll(c, V3_POLLING, sid);
}

static void
v3_post(struct client *c, const char *sid, const char *type, const void *body, size_t n)
{
	older_post(c, V3_POLLING, sid, type, body, n);
}

static void
v3_post_text(struct client *c, const char *sid, const char *body)
{
	v3_post(c, sid, "text/plain;charset=UTF-8", body, strlen(body));
}

static void
v3_handshake(struct client *c, const char *query, char sid[EIO_SID_LENGTH + 1])
{
	char *at;

	client_get(c, query);
	client_reply(c);
	assert_int_equal(c->status, 200);
	at = strstr(c->body, ":0{\"sid\":\"");
	assert_non_null(at);
	assert_int_equal(strtoul(c->body, NULL, 10), c->body_len - (size_t)(at + 1 - c->body));
	memcpy(sid, at + 10, EIO_SID_LENGTH);
	sid[EIO_SID_LENGTH] = '\0';
}

static void
test_refused_by_default(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL, NULL);
	c = client_new();
	for (int i = 0; i < 2; i++) {
		client_get(c, "EIO=3&transport=polling");
		assert_reply(c, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
	}
	client_free(c);
	server_stop();
}

/* Anything but "4" is revision 3, which a later request must not change. */
static void
test_who_is_v3(void **state)
{
	static const char *const queries[] = {
		"transport=polling", "EIO=2&transport=polling", "EIO=x&transport=polling", "EIO=3&transport=polling"};
	char sid[EIO_SID_LENGTH + 1];
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	for (unsigned i = 0; i < 4; i++) {
		c = client_new();
		v3_handshake(c, queries[i], sid);
		assert_int_equal(eio_session_revision(sv.app.last), 3);
		client_poll(c, sid);
		assert_reply(c, 400, "{\"code\":3,\"message\":\"Bad request\"}");
		v3_post_text(c, sid, "1:6");
		assert_reply(c, 200, "ok");
		client_free(c);
	}
	c = client_new();
	client_handshake(c, sid);
	assert_int_equal(eio_session_revision(sv.app.last), 4);
	v3_poll(c, sid);
	assert_reply(c, 400, "{\"code\":3,\"message\":\"Bad request\"}");
	client_free(c);
	server_stop();
}

static void
test_polling_text(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	v3_handshake(p.get, "EIO=3&transport=polling&b64=1", p.sid);
	v3_post_text(p.post, p.sid, "5:4é😀x10:b4AQID/w==");
	assert_reply(p.post, 200, "ok");
	v3_poll(p.get, p.sid);
	assert_reply(p.get, 200, "5:4é😀x10:b4AQID/w==");
	assert_true(client_has(p.get, "Content-Type: text/plain; charset=UTF-8"));
	older_stop(&p);
}

static void
test_polling_binary(void **state)
{
	static const char body[] = "\0\7\xff"
				   "4é😀"
				   "\1\5\xff\4\1\2\3\xff";
	struct pair p = older_start("auto");

	(void)state;
	v3_handshake(p.get, V3_POLLING, p.sid);
	v3_post(p.post, p.sid, "application/octet-stream", body, sizeof(body) - 1);
	assert_reply(p.post, 200, "ok");
	v3_poll(p.get, p.sid);
	client_reply(p.get);
	assert_int_equal(p.get->body_len, sizeof(body) - 1);
	assert_memory_equal(p.get->body, body, sizeof(body) - 1);
	assert_true(client_has(p.get, "Content-Type: application/octet-stream"));
	v3_post_text(p.post, p.sid, "2:4x"); /* without binary, the payload is text again */
	assert_reply(p.post, 200, "ok");
	v3_poll(p.get, p.sid);
	assert_reply(p.get, 200, "2:4x");
	older_stop(&p);
}

/* A POST that arrives in two pieces, for each place of the cut. */
static void
test_post_split(void **state)
{
	static const char body[] = "5:4é😀x10:b4AQID/w==1:6";
	char sid[EIO_SID_LENGTH + 1];
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	c = client_new();
	v3_handshake(c, V3_POLLING, sid);
	for (size_t cut = 1; cut < sizeof(body) - 1; cut++) {
		client_printf(c,
			"POST /engine.io/?EIO=3&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n"
			"Content-Length: %zu\r\n\r\n",
			sid, sizeof(body) - 1);
		client_write(c, body, cut);
		pump_once(-1);
		client_write(c, body + cut, sizeof(body) - 1 - cut);
		assert_reply(c, 200, "ok");
		assert_int_equal(sv.app.messages, 2 * cut);
	}
	client_free(c);
	server_stop();
}

static void
test_malformed(void **state)
{
	static const struct {
		const char *type, *body;
		size_t n;
	} bad[] = {
		{"text/plain", "", 0},
		{"text/plain", "01:2", 4},
		{"text/plain", "9999999999:2", 12},
		{"text/plain", "2:4\xff", 4},
		{"application/octet-stream", "\0\xff", 2},
		{"application/octet-stream", "\0\2\xff\x34\xff", 5},
	};
	struct client *c, *d;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	server_start("allowEIO3", "true", NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = client_new();
		d = client_new();
		v3_handshake(c, V3_POLLING, sid);
		v3_poll(c, sid);
		client_silent(c);
		v3_post(d, sid, bad[i].type, bad[i].body, bad[i].n);
		assert_reply(d, 400, "");
		assert_reply(c, 200, "1:1");
		assert_closed(i + 1, "parse error");
		client_free(c);
		client_free(d);
	}
	server_stop();
}

static void
test_polling_ends(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	v3_handshake(p.get, V3_POLLING, p.sid);
	v3_poll(p.get, p.sid);
	client_silent(p.get);
	v3_post_text(p.post, p.sid, "1:1");
	assert_reply(p.post, 200, "ok");
	assert_reply(p.get, 200, "1:6");
	assert_closed(1, "transport close");
	v3_handshake(p.get, V3_POLLING, p.sid);
	eio_close(sv.app.last, false);
	v3_poll(p.get, p.sid);
	assert_reply(p.get, 200, "1:61:1");
	assert_closed(2, "forced close");
	older_stop(&p);
}

static void
test_heartbeat(void **state)
{
	struct pair p = older_start("auto");

	(void)state;
	v3_handshake(p.get, V3_POLLING, p.sid);
	v3_poll(p.get, p.sid);
	client_silent(p.get);
	v3_post_text(p.post, p.sid, "4:2abc");
	assert_reply(p.post, 200, "ok");
	assert_reply(p.get, 200, "1:3");
	v3_post_text(p.post, p.sid, "1:3");
	assert_reply(p.post, 400, "");
	assert_closed(1, "transport error");
	client_ws(p.get, "EIO=3&transport=websocket");
	assert_int_equal(ws_in(p.get), 1);
	ws_out(p.get, "2");
	assert_text(p.get, "3");
	ws_out(p.get, "3");
	assert_ws_closed(p.get);
	assert_closed(2, "transport error");
	older_stop(&p);
}

/* The server sends no ping. It waits pingInterval and pingTimeout; messages do not extend this. */
static void
test_ping_timeout(void **state)
{
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	c = client_new();
	client_ws(c, "EIO=3&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	clock_advance(40000);
	ws_out(c, "2");
	assert_text(c, "3");
	clock_advance(44000);
	ws_out(c, "4x");
	assert_text(c, "4x");
	clock_advance(999);
	client_silent(c);
	clock_advance(1);
	assert_ws_closed(c);
	assert_closed(1, "ping timeout");
	assert_string_equal(sv.app.description, "no ping");
	client_free(c);
	server_stop();
}

/* A paused session is not read, so its client's pings cannot arrive. */
static void
test_paused(void **state)
{
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	c = client_new();
	client_ws(c, "EIO=3&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	eio_pause(sv.app.last);
	for (int i = 0; i < 3; i++)
		clock_advance(45000);
	clock_advance(44999);
	eio_resume(sv.app.last);
	clock_advance(44999);
	client_silent(c);
	clock_advance(1);
	assert_ws_closed(c);
	assert_closed(1, "ping timeout");
	client_free(c);
	server_stop();
}

static void
test_websocket(void **state)
{
	struct client *c;

	(void)state;
	server_start("allowEIO3", "true", NULL);
	c = client_new();
	client_ws(c, "EIO=3&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	ws_frame_out(c, 0x82, "\4\1\2\3\xff", 5);
	assert_int_equal(ws_in(c), 2);
	assert_int_equal(c->body_len, 5);
	assert_memory_equal(c->body, "\4\1\2\3\xff", 5);
	ws_out(c, "b4BwgJ");
	assert_int_equal(ws_in(c), 2);
	assert_int_equal(c->body_len, 4);
	assert_memory_equal(c->body, "\4\7\10\11", 4);
	ws_out(c, "4é😀");
	assert_text(c, "4é😀");
	ws_frame_out(c, 0x82, "\2x", 2); /* only messages are binary */
	assert_ws_closed(c);
	assert_closed(1, "parse error");
	client_free(c);
	c = client_new();
	client_ws(c, "EIO=3&transport=websocket&b64=1");
	assert_int_equal(ws_in(c), 1);
	ws_frame_out(c, 0x82, "\4\1\2\3\xff", 5);
	assert_text(c, "b4AQID/w==");
	ws_frame_out(c, 0x82, "", 0);
	assert_ws_closed(c);
	assert_closed(2, "parse error");
	client_free(c);
	server_stop();
}

static void
test_upgrade(void **state)
{
	struct client *upgrading;
	struct pair p = older_start("auto");

	(void)state;
	v3_handshake(p.get, V3_POLLING, p.sid);
	v3_poll(p.get, p.sid);
	client_silent(p.get);
	upgrading = older_probe(p.sid);
	assert_reply(p.get, 200, "1:6");
	/* the echo waits, and moves to the WebSocket */
	v3_post(p.post, p.sid, "application/octet-stream", "\1\2\xff\4A", 5);
	assert_reply(p.post, 200, "ok");
	ws_out(upgrading, "5");
	assert_int_equal(ws_in(upgrading), 2);
	assert_memory_equal(upgrading->body, "\4A", 2);
	assert_int_equal(sv.app.upgraded, 1);
	ws_out(upgrading, "2");
	assert_text(upgrading, "3");
	client_free(upgrading);
	older_stop(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_by_default),
		cmocka_unit_test(test_who_is_v3),
		cmocka_unit_test(test_polling_text),
		cmocka_unit_test(test_polling_binary),
		cmocka_unit_test(test_post_split),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_polling_ends),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_ping_timeout),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
