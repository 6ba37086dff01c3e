/* Replies that are generated while they are sent. */
#include "tests/unit/http/http_handler.h"

static void
streamed(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/stream") GET("/now?behind") "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" GET("/now?end"));
	rig_expect(g, "\r\n\r\nend", 1);
	assert_int_equal(rig_count(g, "Content-Length: 1000000\r\n"), 2);
	assert_true(g->got.len > STREAM_LENGTH && g->got.len < STREAM_LENGTH + 2000);
	assert_int_equal(g->dones, 2);
	/* the client disconnects in the middle */
	ev_io_stop(g->ev, &g->readable);
	rig_say(g, GET("/stream"));
	rig_settle(g);
	assert_int_equal(g->dones, 2);
	rig_disconnect(g);
	assert_int_equal(g->dones, 3);
}

static void
stream_fails(void **state)
{
	struct rig *g = *state;

	rig_say(g, GET("/break") GET("/now"));
	rig_end(g);
	assert_int_equal(g->dones, 1);
	assert_int_equal(g->requests, 1);
	assert_int_equal(rig_count(g, "Content-Length: 1000000\r\n"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(streamed),
		T(stream_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
