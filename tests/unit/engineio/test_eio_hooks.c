/*
 * The engine calls the application only where every structure is whole, so a hook may do anything. Each hook is
 * combined with each deed while clients poll, push, upgrade, connect by WebSocket and are refused. The test does not
 * check what the clients receive, only that all sessions end and that nothing is used after its end.
 */
#include "tests/unit/engineio/harness.h"

#include "node/engineio/eio_session.h"

enum hook { ALLOW, REQUEST, ID, HEADERS, REFUSED, OPEN, MESSAGE, DRAIN, UPGRADE, CLOSE, HOOKS };
enum deed {
	SEND,
	SEND_MUCH,
	END,
	END_AT_ONCE,
	END_ALL,
	DROP_ALL,
	PAUSE_ALL,
	DRAIN_SERVER,
	CLOSE_SERVER,
	CUT_CONNECTIONS,
	DEEDS
};

static enum hook hook_now;
static enum deed deed_now;
static unsigned calls[HOOKS]; /* calls of each hook, with the current deed */
static char sid[EIO_SID_LENGTH + 1];

static void
each_session(void (*act)(struct eio_session *s))
{
	struct table_cursor cursor = {0};
	struct eio_session *s;

	while ((s = eio_next(sv.engine, &cursor)) != NULL)
		act(s);
}

static void
send_some(struct eio_session *s)
{
	send_text(s, "some");
}

static void
send_much(struct eio_session *s)
{
	for (int i = 0; i < 300; i++) /* beyond maxBuffered */
		send_text(s, "much, much, much, much, much, much");
}

static void
end_gently(struct eio_session *s)
{
	eio_close(s, false);
}

static void
end_at_once(struct eio_session *s)
{
	eio_close(s, true);
}

static void
drop(struct eio_session *s)
{
	eio_drop(s, "test");
}

static void
pause_and_resume(struct eio_session *s)
{
	eio_pause(s);
	eio_resume(s);
}

static void
end_first(struct eio_session *s)
{
	if (s == sv.app.last)
		eio_close(s, true);
}

static void
hook(enum hook which)
{
	static void (*const acts[DEEDS])(struct eio_session * s) = {[SEND] = send_some,
		[SEND_MUCH] = send_much,
		[END] = end_gently,
		[END_AT_ONCE] = end_first,
		[END_ALL] = end_at_once,
		[DROP_ALL] = drop,
		[PAUSE_ALL] = pause_and_resume};

	if (which != hook_now)
		return;
	calls[which]++;
	if (deed_now == DRAIN_SERVER)
		eio_server_drain(sv.engine);
	else if (deed_now == CLOSE_SERVER)
		eio_server_close(sv.engine);
	else if (deed_now == CUT_CONNECTIONS)
		http_server_cut(&sv.http);
	else
		each_session(acts[deed_now]);
}

static void
hook_allow(void *arg, struct eio_pending *pending, const struct http_request *r)
{
	hook(ALLOW);
	app_allow(arg, pending, r);
	hook(ALLOW);
}

static int
hook_request(void *arg, struct http_request *r)
{
	hook(REQUEST);
	return app_request(arg, r);
}

static struct text
hook_id(void *arg, const struct http_request *r)
{
	(void)arg, (void)r;
	hook(ID);
	return TEXT_NONE;
}

static void
hook_headers(void *arg, struct http_request *r, struct eio_session *s, bool initial)
{
	hook(HEADERS);
	app_headers(arg, r, s, initial);
}

static void
hook_refused(
	void *arg, const struct http_request *r, enum eio_error_code code, const char *message, const char *context)
{
	hook(REFUSED);
	app_refused(arg, r, code, message, context);
}

static void *
hook_open(void *arg, struct eio_session *s)
{
	void *owner = app_open(arg, s);

	memcpy(sid, eio_sid(s).at, EIO_SID_LENGTH);
	hook(OPEN);
	return owner;
}

static void
hook_message(struct eio_session *s, void *owner, bool binary, uint8_t *data, size_t n)
{
	app_message(s, owner, binary, data, n);
	hook(MESSAGE);
}

static void
hook_drain(struct eio_session *s, void *owner)
{
	hook(DRAIN);
	app_drain(s, owner);
}

static void
hook_upgrade(struct eio_session *s, void *owner)
{
	hook(UPGRADE);
	app_upgrade(s, owner);
}

static void
hook_close(struct eio_session *s, void *owner, enum eio_close_reason reason, const char *description)
{
	send_text(s, "late"); /* all of these are harmless on a closed session */
	eio_close(s, false);
	assert_false(eio_writable(s));
	eio_mark(s);
	assert_false(eio_mark_passed(s));
	assert_string_equal(eio_transport(s), s->transport->name);
	hook(CLOSE);
	app_close(s, owner, reason, description);
	sv.app.closed = 0; /* not checked here */
	sv.app.opened--;
}

/* Runs until what was written has arrived and been handled. On the loopback interface, nothing takes longer. */
static void
settle(void)
{
	for (int i = 0; i < 8; i++)
		ev_run(sv.ev, EVRUN_NOWAIT);
}

static void
clients_say(struct client *c, const char *method, const char *query, const char *body)
{
	client_printf(c, "%s /engine.io/?EIO=4&%s&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s",
		method, query, sid, strlen(body), body);
	settle();
}

/* A polling client that upgrades while a poll waits and packets are queued. */
static void
run_polling(void)
{
	struct client *get = client_new(), *post = client_new(), *ws = client_new();
	char query[128];

	client_get(get, "EIO=4&transport=polling");
	settle();
	clients_say(post, "POST", "transport=polling",
		"4one\x1e"
		"4two");
	clients_say(get, "GET", "transport=polling", "");
	clients_say(get, "GET", "transport=polling", "");
	clients_say(post, "POST", "transport=polling", "4three");
	clients_say(get, "GET", "transport=polling", "");
	snprintf(query, sizeof(query), "EIO=4&transport=websocket&sid=%s", sid);
	client_ws_request(ws, query);
	settle();
	ws_out(ws, "2probe");
	settle();
	/* in one turn: a push and the end of the upgrade */
	client_post(post, sid, "4four");
	ws_out(ws, "5");
	ws_out(ws, "4five");
	ws_out(ws, "4six");
	settle();
	clients_say(post, "POST", "transport=polling", "4gone"); /* refused: it is not the session's transport */
	client_leave(ws, false);
	settle();
	client_free(get);
	client_free(post);
	client_free(ws);
}

static void
run_websocket(void)
{
	struct client *a = client_new(), *b = client_new(), *c = client_new();

	client_ws_request(a, "EIO=4&transport=websocket");
	client_ws_request(b, "EIO=4&transport=websocket&b64=1");
	client_get(c, "EIO=4&transport=polling");
	settle();
	ws_out(a, "4one");
	ws_out(b, "bAQID");
	clients_say(c, "GET", "transport=polling", "");
	ws_out(a, "4two");
	ws_out(b, "2"); /* a ping of the client, which is a fault */
	clients_say(c, "POST", "transport=polling", "1");
	ws_out(a, "1");
	settle();
	client_free(a);
	client_free(b);
	client_free(c);
}

/* The loop carries out a handshake that is answered later. */
static void
run_allowed_later(void)
{
	struct client *c = client_new();

	sv.app.allow = 0;
	client_get(c, "EIO=4&transport=polling");
	settle();
	sv.app.allow = 1;
	if (sv.app.pending != NULL)
		eio_allow(sv.app.pending);
	settle();
	client_free(c);
}

static void
run(enum hook which, enum deed deed)
{
	server_start("maxBuffered", "8192", NULL);
	sv.ops = (struct eio_ops){.on_allow = hook_allow,
		.on_request = hook_request,
		.on_id = hook_id,
		.on_headers = hook_headers,
		.on_refused = hook_refused,
		.on_open = hook_open,
		.on_message = hook_message,
		.on_drain = hook_drain,
		.on_upgrade = hook_upgrade,
		.on_close = hook_close};
	sv.app.add_headers = true;
	hook_now = which;
	deed_now = deed;
	run_polling();
	run_websocket();
	run_allowed_later();
	hook_now = HOOKS;
	server_stop();
}

static void
test_every_hook_may_do_anything(void **state)
{
	(void)state;
	for (int h = 0; h < HOOKS; h++) {
		for (int d = 0; d < DEEDS; d++)
			run((enum hook)h, (enum deed)d);
		assert_true(calls[h] >= DEEDS); /* the clients have reached this hook */
	}
}

static struct text id_now;

static struct text
give_id(void *arg, const struct http_request *r)
{
	(void)arg;
	assert_true(text_is(http_header_get(r, "host"), TEXT("h")));
	return id_now;
}

static char refusal_logged[512];

static void
keep_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level;
	snprintf(refusal_logged, sizeof refusal_logged, "%.*s", (int)n, line);
}

#define REFUSED_ID "{\"code\":3,\"message\":\"Bad request\"}"

/* The application's text is the end of the sid, over both transports. It may be used again after the session's end.
 */
static void
test_the_application_makes_the_sid(void **state)
{
	struct client *c, *w;
	char id[EIO_SID_LENGTH + 1];

	(void)state;
	server_start(NULL);
	sv.ops.on_id = give_id;
	eio_server_set_place(sv.engine, 65, 2);
	c = client_new();
	w = client_new();
	id_now = TEXT("0123456789abcd-_");
	client_handshake(c, id);
	assert_string_equal(id, "BBAC0123456789abcd-_");
	client_post(c, id, "4hello");
	assert_reply(c, 200, "ok");
	assert_string_equal(sv.app.log, "t:hello");
	id_now = TEXT("AAAAAAAAAAAAAAAA");
	client_ws(w, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(w), 1);
	assert_non_null(strstr((const char *)w->body, "\"sid\":\"BBACAAAAAAAAAAAAAAAA\""));
	assert_ptr_equal(eio_find(sv.engine, TEXT("BBACAAAAAAAAAAAAAAAA")), sv.app.last);

	client_post(c, id, "1");
	assert_reply(c, 200, "ok");
	pump_settle();
	id_now = TEXT("0123456789abcd-_");
	client_handshake(c, id);
	assert_string_equal(id, "BBAC0123456789abcd-_");
	id_now = TEXT_NONE;
	client_handshake(c, id);
	assert_memory_equal(id, "BBAC", 4);
	assert_string_not_equal(id + 4, "0123456789abcd-_");
	client_free(w);
	client_free(c);
	server_stop();
}

/* No client gets the session of another one, and the application's mistake has one line in the log. */
static void
test_a_repeated_or_malformed_sid_is_refused(void **state)
{
	struct client *c, *w;
	char id[EIO_SID_LENGTH + 1];

	(void)state;
	log_set_sink(keep_log, NULL);
	server_start(NULL);
	sv.ops.on_id = give_id;
	c = client_new();
	w = client_new();
	id_now = TEXT("0123456789abcdef");
	client_handshake(c, id);
	refusal_logged[0] = '\0';
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 400, REFUSED_ID);
	assert_int_equal(sv.app.code, 3);
	assert_string_equal(sv.app.context, "ID_GENERATION_ERROR");
	assert_non_null(
		strstr(refusal_logged, "level=warn event=id_refused address=127.0.0.1 reason=\"another session"));
	refusal_logged[0] = '\0';
	id_now = TEXT("0123456789abcde");
	client_ws_request(w, "EIO=4&transport=websocket");
	assert_reply(w, 400, "Bad request");
	assert_string_equal(sv.app.context, "ID_GENERATION_ERROR");
	assert_string_equal(refusal_logged, ""); /* one line a second */
	assert_int_equal(eio_count(sv.engine), 1);
	client_post(c, id, "4mine");
	assert_reply(c, 200, "ok");
	assert_string_equal(sv.app.log, "t:mine");
	client_free(w);
	client_free(c);
	server_stop();
	log_set_sink(NULL, NULL);
}

/* The fields that the hook adds leave with the reply, whichever it is, and however long after the hook's call. */
static void
test_fields_are_asked_for_when_the_request_arrives(void **state)
{
	struct client *c;
	char id[EIO_SID_LENGTH + 1];

	(void)state;
	server_start(NULL);
	sv.app.add_headers = true;
	c = client_new();
	client_handshake(c, id);
	assert_true(client_has(c, "X-App: first"));
	client_poll(c, id);
	pump_settle();
	sv.app.add_headers = false;
	send_text(sv.app.last, "x");
	assert_reply(c, 200, "4x");
	assert_true(client_has(c, "X-App: later"));
	assert_true(client_has(c, "Cache-Control: no-store"));
	client_free(c);
	server_stop();
}

static struct eio_session *closed_inside;

static void
close_in_headers(void *arg, struct http_request *r, struct eio_session *s, bool initial)
{
	(void)arg, (void)r;
	if (!initial && s != NULL) {
		closed_inside = s;
		eio_close(s, true);
	}
}

/* If the hook has closed the session, the reply to the request says that the session is unknown. */
static void
test_closed_by_the_hook(void **state)
{
	struct client *c;
	char id[EIO_SID_LENGTH + 1];

	(void)state;
	server_start(NULL);
	sv.ops.on_headers = close_in_headers;
	closed_inside = NULL;
	c = client_new();
	client_handshake(c, id);
	client_post(c, id, "4lost");
	assert_reply(c, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
	assert_non_null(closed_inside);
	assert_int_equal(sv.app.messages, 0);
	assert_closed(1, "forced close");
	client_free(c);
	server_stop();
}

static void
close_server_in_headers(void *arg, struct http_request *r, struct eio_session *s, bool initial)
{
	(void)arg, (void)r, (void)s;
	if (initial)
		eio_server_close(sv.engine);
}

/* A handshake during which the server is closed creates no session. */
static void
test_server_closed_by_the_hook(void **state)
{
	struct client *c, *w;

	(void)state;
	server_start(NULL);
	sv.ops.on_headers = close_server_in_headers;
	c = client_new();
	w = client_new();
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 503, "{\"code\":3,\"message\":\"Bad request\"}");
	assert_string_equal(sv.app.context, "SERVER_CLOSED");
	client_ws_request(w, "EIO=4&transport=websocket");
	client_reply(w);
	assert_int_equal(w->status, 503);
	assert_int_equal(sv.app.opened, 0);
	client_free(c);
	client_free(w);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_hook_may_do_anything),
		cmocka_unit_test(test_the_application_makes_the_sid),
		cmocka_unit_test(test_a_repeated_or_malformed_sid_is_refused),
		cmocka_unit_test(test_fields_are_asked_for_when_the_request_arrives),
		cmocka_unit_test(test_closed_by_the_hook),
		cmocka_unit_test(test_server_closed_by_the_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
