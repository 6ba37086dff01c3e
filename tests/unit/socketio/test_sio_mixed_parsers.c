/* Clients of the MessagePack parser beside clients of the JSON parsers, and how a client gets its parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "node/socketio/sio_parser.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/parsers.h"

static struct counters *counters;
static int result; /* of the last echo */

static void
on_echo(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(sio_all(sio_socket_nsp(s)), "echo", "*", e);
	if (sio_wants_ack(e))
		sio_ack(e, "B", "\x01", (size_t)1);
}

static void
start(int parser)
{
	struct sio_options o = fake_options();

	o.parser = parser;
	fake_revision = 4;
	fake_start(&o);
	sio_core_attach(fake_io, &fake_engine, &o, 4096, 4096);
	sio_on(sio_of(fake_io, "/"), "echo", on_echo, NULL);
	counters = &fake_loop.counters;
}

static void
test_first_message_decides(void **state)
{
	struct eio_session *s;

	(void)state;
	start(SIO_PARSER_AUTO);
	s = fake_open(0);
	says(s, "0");
	assert_true(joined(s, false));
	assert_int_equal(counters->value[COUNT_MSGPACK_CLIENTS], 0);
	s = fake_open(1);
	sends(s, CONNECT);
	assert_true(joined(s, true));
	assert_int_equal(counters->value[COUNT_MSGPACK_CLIENTS], 1);
	/* further packets do not change the parser: such a client is closed */
	says(s, "2[\"echo\"]");
	EXPECT_SENT(s, "!\n");
	s = &fake_engine.sessions[0];
	sends(s, EVENT("91a46563686f"));
	EXPECT_SENT(s, "!\n");
	/* the first message is in no parser's form */
	s = fake_open(2);
	sends(s, "00");
	EXPECT_SENT(s, "!\n");
	s = fake_open(3);
	says(s, "x");
	EXPECT_SENT(s, "!\n");
	assert_int_equal(counters->value[COUNT_DECODE_ERRORS], 4);
	fake_stop();
}

static void
test_one_parser_only(void **state)
{
	struct eio_session *s;

	(void)state;
	start(SIO_PARSER_JSON);
	s = fake_open(0);
	sends(s, CONNECT);
	EXPECT_SENT(s, "!\n");
	s = fake_open(1);
	says(s, "0");
	assert_true(joined(s, false));
	assert_int_equal(counters->value[COUNT_MSGPACK_CLIENTS], 0);
	fake_stop();

	start(SIO_PARSER_MSGPACK);
	s = fake_open(0);
	says(s, "0");
	EXPECT_SENT(s, "!\n");
	s = fake_open(1);
	sends(s, CONNECT);
	assert_true(joined(s, true));
	fake_stop();
}

/* Clients of Socket.IO 1 and 2 get CONNECT before they say anything, and have no other parser. */
static void
test_old_clients_have_their_parser(void **state)
{
	static const int parsers[] = {SIO_PARSER_AUTO, SIO_PARSER_JSON, SIO_PARSER_MSGPACK};
	struct eio_session *s;

	(void)state;
	for (unsigned i = 0; i < sizeof parsers / sizeof *parsers; i++) {
		start(parsers[i]);
		fake_revision = 3;
		s = fake_open(0);
		fake_turn();
		EXPECT_SENT(s, "0\n");
		says(s, "2[\"echo\",1]");
		EXPECT_SENT(s, "2[\"echo\",1]\n");
		sends(s, EVENT("91a46563686f"));
		EXPECT_SENT(s, "!\n");
		assert_int_equal(counters->value[COUNT_MSGPACK_CLIENTS], 0);
		fake_stop();
	}
}

static void
test_share_a_namespace(void **state)
{
	struct eio_session *json, *msgpack, *old;

	(void)state;
	start(SIO_PARSER_AUTO);
	json = fake_open(0);
	says(json, "0");
	assert_true(joined(json, false));
	msgpack = fake_open(1);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	fake_revision = 3;
	old = fake_open(2);
	fake_turn();
	EXPECT_SENT(old, "0\n");
	/* ["echo", bytes], with an acknowledgement */
	sends(msgpack, "84a47479706502a46461746192a46563686fc40201ffa2696405" NSP);
	EXPECT_SENT(json, "51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n(01ff\n");
	EXPECT_SENT(old, "51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n(01ff\n");
	EXPECT_SENT(
		msgpack, "(" EVENT("92a46563686fc40201ff") "\n(84a2696405a47479706503a46461746191c40101" NSP "\n");
	says(json, "2[\"echo\",{\"a\":1.5}]");
	EXPECT_SENT(msgpack, "(" EVENT("92a46563686f81a161cb3ff8000000000000") "\n");
	EXPECT_SENT(old, "2[\"echo\",{\"a\":1.5}]\n");
	sends(msgpack, "82a47479706501" NSP);
	says(json, "2[\"echo\"]");
	EXPECT_SENT(msgpack, "");
	fake_stop();
}

/* The encoder of MessagePack limits the depth. The error is not counted as missing memory. */
static void
test_nested_too_deeply(void **state)
{
	char deep[2 * JSON_DEPTH_MAX + 1] = "";
	struct eio_session *json, *msgpack;

	(void)state;
	start(SIO_PARSER_AUTO);
	msgpack = fake_open(1);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(sio_emit(sio_all(sio_of(fake_io, "/")), "deep", "j", deep), SIO_ERR_ARGUMENT);
	fake_turn();
	EXPECT_SENT(msgpack, "");
	assert_int_equal(counters->value[COUNT_NO_MEMORY], 0);
	/* one level less is possible */
	deep[2 * JSON_DEPTH_MAX - 1] = '\0';
	assert_int_equal(sio_emit(sio_all(sio_of(fake_io, "/")), "deep", "j", deep + 1), 0);
	fake_turn();
	assert_true(msgpack->sent.len > JSON_DEPTH_MAX);
	buffer_reset(&msgpack->sent);
	json = fake_open(0);
	says(json, "0");
	assert_true(joined(json, false));
	deep[2 * JSON_DEPTH_MAX - 1] = ']';
	assert_int_equal(sio_emit(sio_all(sio_of(fake_io, "/")), "deep", "j", deep), SIO_ERR_ARGUMENT);
	fake_turn();
	assert_true(json->sent.len > 2 * JSON_DEPTH_MAX);
	fake_stop();
}

/*
 * A client can repeat the placeholder of an attachment. Clients of the JSON parsers get the attachment once, but in
 * MessagePack each placeholder is a copy. Their number has a limit.
 */
static void
test_repeated_attachment(void **state)
{
#define P0 "{\"_placeholder\":true,\"num\":0}"
	struct eio_session *json, *msgpack;
	char hex[2001];

	(void)state;
	start(SIO_PARSER_AUTO);
	json = fake_open(0);
	says(json, "0");
	assert_true(joined(json, false));
	msgpack = fake_open(1);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	memset(hex, '1', 2000);
	hex[2000] = '\0';
	says(json, "51-[\"echo\"," P0 "," P0 "," P0 "]");
	sends(json, hex);
	assert_in_range(json->sent.len, 1000, 3000);
	assert_in_range(msgpack->sent.len, 6000, 7000); /* hexadecimal */
	buffer_reset(&json->sent);
	buffer_reset(&msgpack->sent);
	says(json, "51-[\"echo\",[" P0 "," P0 "," P0 "," P0 "," P0 "," P0 "]]");
	sends(json, hex);
	assert_in_range(json->sent.len, 1000, 3000);
	EXPECT_SENT(msgpack, "");
	assert_int_equal(result, SIO_ERR_TOO_BIG);
	assert_int_equal(counters->value[COUNT_NO_MEMORY], 0);
	fake_stop();
#undef P0
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_message_decides),
		cmocka_unit_test(test_one_parser_only),
		cmocka_unit_test(test_old_clients_have_their_parser),
		cmocka_unit_test(test_share_a_namespace),
		cmocka_unit_test(test_nested_too_deeply),
		cmocka_unit_test(test_repeated_attachment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
