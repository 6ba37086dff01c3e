/*
 * What an application reads of the request that opened the session, in cases where a careless reader would read
 * something else: repeated fields (observed at Node.js 20), and texts that contain a NUL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/fake_engine.h"

#define FIELD(name, value)                                                                                           \
	{                                                                                                            \
		{name, sizeof(name) - 1},                                                                            \
		{                                                                                                    \
			value, sizeof(value) - 1                                                                     \
		}                                                                                                    \
	}

static const struct http_header fields[] = {
	FIELD("Host", "a"),
	FIELD("Cookie", "a=1"),
	FIELD("X-Empty", ""),
	FIELD("x-empty", ""),
	FIELD("User-Agent", "one"),
	FIELD("user-agent", "two"),
	FIELD("cookie", "b=2"),
	FIELD("Set-Cookie", "c=3"),
	FIELD("X-Thing", "1"),
	FIELD("COOKIE", "d=4"),
	FIELD("set-cookie", "e=5"),
	FIELD("x-thing", "2"),
	FIELD("X-Once", "only"),
	FIELD("set-cookie2", "f"),
};

static sio_socket *socket_now;
static char name_seen[64], headers_seen[1024];

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	socket_now = s;
}

static void
on_any(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	(void)snprintf(name_seen, sizeof name_seen, "%s", sio_event_name(e));
}

static void
on_secret(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)e;
	(void)arg;
	fail();
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	size_t length;
	const char *json;

	(void)io;
	(void)silent;
	(void)arg;
	assert_int_equal(error, 0);
	assert_int_equal(n, 1);
	json = sio_json(sio_get(sockets[0].handshake, "headers"), &length);
	(void)snprintf(headers_seen, sizeof headers_seen, "%.*s", (int)length, json);
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_fields = fields;
	fake_field_count = sizeof fields / sizeof fields[0];
	fake_query = "q=secret%00junk&EIO=4&plain=secret&k%00=v&q2=a&q2=b%00";
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	sio_on_any(sio_of(fake_io, "/"), on_any, NULL);
	(void)sio_on(sio_of(fake_io, "/"), "secret", on_secret, NULL);
	fake_receive(fake_open(0), false, "0", 1);
	fake_turn();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static void
test_repeated_fields(void **state)
{
	(void)state;
	assert_string_equal(sio_header(socket_now, "cookie"), "a=1; b=2; d=4");
	assert_string_equal(sio_header(socket_now, "X-THING"), "1, 2");
	assert_string_equal(sio_header(socket_now, "x-empty"), ", ");
	assert_string_equal(sio_header(socket_now, "user-agent"), "one");
	assert_string_equal(sio_header(socket_now, "set-cookie"), "c=3, e=5");
	assert_string_equal(sio_header(socket_now, "x-once"), "only");
	assert_null(sio_header(socket_now, "x-none"));
	assert_int_equal(sio_fetch(sio_everyone(socket_now), on_fetched, NULL), 0);
	fake_turn();
	assert_string_equal(headers_seen,
		"{\"host\":\"a\",\"cookie\":\"a=1; b=2; d=4\",\"x-empty\":\", \",\"user-agent\":\"one\","
		"\"set-cookie\":[\"c=3\",\"e=5\"],\"x-thing\":\"1, 2\",\"x-once\":\"only\",\"set-cookie2\":\"f\"}");
}

static void
test_query_with_a_nul(void **state)
{
	(void)state;
	assert_null(sio_query(socket_now, "q"));
	assert_null(sio_query(socket_now, "q2"));
	assert_null(sio_query(socket_now, "k"));
	assert_string_equal(sio_query(socket_now, "plain"), "secret");
}

/* A middleware that compares the name with "secret" must not be asked about another event. */
static void
test_event_name_with_a_nul(void **state)
{
	static const char packet[] = "2[\"secret\\u0000junk\"]";

	(void)state;
	fake_receive(&fake_engine.sessions[0], false, packet, sizeof packet - 1);
	fake_turn();
	assert_string_equal(name_seen, "secret\xef\xbf\xbdjunk");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_repeated_fields, start, stop),
		cmocka_unit_test_setup_teardown(test_query_with_a_nul, start, stop),
		cmocka_unit_test_setup_teardown(test_event_name_with_a_nul, start, stop),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("sio_handshake", tests, NULL, NULL);
}
