/* Connections that leave HTTP: upgrades, and requests that are held for another process. */
#include "tests/unit/http/http_handler.h"

#define UPGRADE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x, y\r\n\r\n"

static void
upgraded(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/now?a") UPGRADE("/upgrade") "trailing");
	rig_expect(g,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\nX-Added: "
		"yes\r\n\r\n<trailing>",
		1);
	assert_int_equal(http_server_count(&g->server), 0);
	rig_say(g, GET("/now"));
	rig_expect(g, "<GET", 1);
	rig_disconnect(g);

	/* accepted later, with bytes that waited */
	rig_connect(g);
	rig_say(g, UPGRADE("/poll") "trailing");
	rig_until(g, g->pending);
	rig_settle(g);
	upgrade(g->pending);
	g->pending = NULL;
	rig_expect(g, "\r\n\r\n<trailing>", 1);
	assert_int_equal(g->aborts, 0);
	rig_disconnect(g);

	/* answered like any request */
	rig_connect(g);
	rig_say(g, UPGRADE("/now?plain") GET("/now?b"));
	rig_expect(g, "\r\n\r\nb", 1);
	assert_int_equal(rig_count(g, "200 OK"), 2);
}

static void
held_drained(struct http_request *r, void *user)
{
	struct rig *g = user;

	assert_int_equal(conn_queued(http_request_conn(r)), 0);
	g->completes++;
}

static const struct http_exchange_ops held = {NULL, held_drained, later_abort, NULL};

static void
hold_posts(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	g->requests++;
	if (r->method == HTTP_GET) {
		http_reply(r, 200, PLAIN, TEXT("first"), false);
		return;
	}
	g->pending = r;
	http_hold(r, &held, g);
}

#define POST_HELD "POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"

/* The held request is its head and its unread bytes; the reply before it has been sent. */
static void
request_held(void **state)
{
	struct rig *g = rig_new(hold_posts);
	struct conn *c;

	(void)state;
	rig_say(g, GET("/") POST_HELD "body" GET("/next"));
	rig_until(g, g->completes);
	rig_expect(g, "first", 1);
	assert_int_equal(g->requests, 2);
	assert_int_equal(http_request_head(g->pending).n, sizeof(POST_HELD) - 1);
	assert_true(text_is(conn_kept(g->conn), TEXT("body" GET("/next"))));
	c = http_leave(g->pending);
	conn_set_owner(c, &raw, NULL);
	rig_expect(g, "<body" GET("/next") ">", 1);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 0);

	/* answered here, so its body is dropped */
	rig_connect(g);
	rig_say(g, POST_HELD);
	rig_until(g, g->requests == 3);
	http_reply(g->pending, 503, PLAIN, TEXT("busy"), false);
	rig_expect(g, "Connection: close", 1);
	rig_end(g);
	rig_disconnect(g);

	/* the client disconnects first */
	rig_connect(g);
	rig_say(g, POST_HELD "bo");
	rig_until(g, g->requests == 4);
	rig_disconnect(g);
	assert_int_equal(g->aborts, 1);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(upgraded),
		T(request_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
