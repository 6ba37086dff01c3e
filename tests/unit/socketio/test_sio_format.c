/* Values, texts and lists that the application makes, and the letters J, L and F. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/received.h"

static sio_socket *last;
static struct eio_session *client;

static void
keep_last(sio_socket *s, void *arg)
{
	(void)arg;
	last = s;
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), keep_last, NULL);
	client = fake_open(0);
	fake_receive(client, false, "0", 1);
	fake_turn();
	buffer_reset(&client->sent);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

/* What the client got since the last call. */
#define EXPECT_SENT(want)                                                                                            \
	do {                                                                                                         \
		fake_turn();                                                                                         \
		buffer_add_byte(&client->sent, '\0');                                                                \
		assert_string_equal((const char *)client->sent.data, want);                                          \
		buffer_reset(&client->sent);                                                                         \
	} while (0)

static void
test_a_value_from_a_format(void **state)
{
	sio_value value = sio_format(fake_io, "{s:i,s:[s,B]}", "n", 7, "list", "x", "\x01\x02", (size_t)2);
	size_t n = 0;

	(void)state;
	assert_int_equal(sio_int(sio_get(value, "n"), 0), 7);
	assert_string_equal(sio_string(sio_at(sio_get(value, "list"), 0), NULL), "x");
	assert_memory_equal(sio_binary(sio_at(sio_get(value, "list"), 1), &n), "\x01\x02", 2);
	assert_int_equal(n, 2);
	assert_int_equal(sio_emit(sio_only(last), "e", "v", sio_get(value, "list")), 0);
	EXPECT_SENT("51-[\"e\",[\"x\",{\"_placeholder\":true,\"num\":0}]]\n(0102\n");
	assert_int_equal(sio_type_of(sio_format(fake_io, "")), SIO_NONE);
	assert_int_equal(sio_type_of(sio_format(fake_io, "ii", 1, 2)), SIO_NONE);
}

static void
test_text_keeps_binary(void **state)
{
	struct received r;
	const char *text;

	(void)state;
	received_init(&r, "{\"a\":[" P(1) ",\"x\"],\"b\":" P(0) "}", 3);
	text = sio_format_text(fake_io, "v", r.value);
	assert_string_equal(text, "{\"a\":[{\"$base64\":\"QkI=\"},\"x\"],\"b\":{\"$base64\":\"QQ==\"}}");
	assert_int_equal(sio_emit(sio_only(last), "e", "J", text), 0);
	EXPECT_SENT("52-[\"e\",{\"a\":[{\"_placeholder\":true,\"num\":0},\"x\"],\"b\":{\"_placeholder\":true,\"num\":"
		    "1}}]\n"
		    "(4242\n(41\n");
	received_fini(&r);

	/* plain JSON stays plain; the text of the last turn is gone */
	assert_int_equal(sio_emit(sio_only(last), "e", "j",
				 "{\"a\":[{\"$base64\":\"QkI=\"},\"x\"],\"b\":{\"$base64\":\"QQ==\"}}"),
		0);
	EXPECT_SENT("2[\"e\",{\"a\":[{\"$base64\":\"QkI=\"},\"x\"],\"b\":{\"$base64\":\"QQ==\"}}]\n");
	assert_string_equal(sio_format_text(fake_io, "[s,n]", "t"), "[\"t\",null]");
	assert_null(sio_format_text(fake_io, "s", "\xff"));
	assert_int_equal(sio_emit(sio_only(last), "e", "J", "{\"$base64\":\"*\"}"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_only(last), "e", "J", "{"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_only(last), "e", "J", NULL), SIO_ERR_ARGUMENT);
}

static void
test_a_list(void **state)
{
	sio_list *list = sio_list_new(fake_io);

	(void)state;
	assert_int_equal(sio_list_count(list), 0);
	assert_int_equal(sio_emit(sio_only(last), "e", "L", list), 0);
	EXPECT_SENT("2[\"e\",[]]\n");

	list = sio_list_new(fake_io); /* the turn has ended */
	assert_int_equal(sio_list_add(list, "{s:i}", "a", 1), 0);
	assert_int_equal(sio_list_add(list, ""), 0);
	assert_int_equal(sio_list_add(list, "{s:", "b"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_list_add(list, "sB", "x", "\x01", (size_t)1), 0);
	assert_int_equal(sio_list_add(list, "B", "\x02", (size_t)1), 0);
	assert_int_equal(sio_list_count(list), 4);
	assert_int_equal(sio_emit(sio_only(last), "e", "B{s:L}", "\x03", (size_t)1, "all", list), 0);
	EXPECT_SENT("53-[\"e\",{\"_placeholder\":true,\"num\":0},{\"all\":[{\"a\":1},\"x\","
		    "{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":2}]}]\n(03\n(01\n(02\n");
	assert_int_equal(sio_emit(sio_only(last), "e", "L", NULL), SIO_ERR_ARGUMENT);
}

static void
test_a_list_that_grows_too_big(void **state)
{
	sio_list *list = sio_list_new(fake_io);
	char text[300];
	int rc = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	for (unsigned i = 0; i < 100 && rc == 0; i++)
		rc = sio_list_add(list, "S", text, sizeof text);
	assert_int_equal(rc, SIO_ERR_TOO_BIG);
	assert_int_equal(sio_list_add(list, "i", 1), SIO_ERR_TOO_BIG);
	assert_int_equal(sio_emit(sio_only(last), "e", "L", list), SIO_ERR_TOO_BIG);
}

static unsigned fetched;

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)silent;
	(void)arg;
	fetched++;
	assert_int_equal(error, 0);
	assert_int_equal(sio_emit(sio_only(last), "list", "F", sockets, n), 0);
	assert_int_equal(sio_emit(sio_only(last), "list", "F", NULL, 0), 0);
	assert_int_equal(sio_emit(sio_only(last), "list", "F", NULL, 1), SIO_ERR_ARGUMENT);
}

static void
test_fetched_sockets_in_one_line(void **state)
{
	char want[300];

	(void)state;
	assert_int_equal(sio_join(last, "tea \"room\""), 0);
	assert_int_equal(sio_set_data(last, "{s:B}", "face", "\x01", (size_t)1), 0);
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	(void)snprintf(want, sizeof want,
		"51-[\"list\",[{\"id\":\"%s\",\"rooms\":[\"%s\",\"tea \\\"room\\\"\"],\"data\":{\"face\":"
		"{\"_placeholder\":true,\"num\":0}}}]]\n(01\n2[\"list\",[]]\n",
		sio_id(last), sio_id(last));
	EXPECT_SENT(want);
	assert_int_equal(fetched, 1);
}

#ifndef SIO_CHECKED /* with checked handles, these calls end the program */
static void
test_null_handles(void **state)
{
	(void)state;
	assert_int_equal(sio_type_of(sio_format(NULL, "i", 1)), SIO_NONE);
	assert_null(sio_format_text(NULL, "i", 1));
	assert_null(sio_list_new(NULL));
	assert_int_equal(sio_list_add(NULL, "i", 1), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_list_count(NULL), 0);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_value_from_a_format, start, stop),
		cmocka_unit_test_setup_teardown(test_text_keeps_binary, start, stop),
		cmocka_unit_test_setup_teardown(test_a_list, start, stop),
		cmocka_unit_test_setup_teardown(test_a_list_that_grows_too_big, start, stop),
		cmocka_unit_test_setup_teardown(test_fetched_sockets_in_one_line, start, stop),
#ifndef SIO_CHECKED
		cmocka_unit_test_setup_teardown(test_null_handles, start, stop),
#endif
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
