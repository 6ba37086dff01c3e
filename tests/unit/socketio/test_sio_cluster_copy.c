/*
 * Broadcasts to other nodes of what a client of the MessagePack parser sent. The number 5 is sent in a longer form
 * than an encoder writes (cc05): if it leaves in this form, the bytes are copied.
 */
#include "common/base/error.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/parsers.h"
#include "tests/unit/socketio/fake_broker.h"

static struct eio_session *msgpack, *json;
static int result; /* of the last emit */

static void
on_all(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(sio_volatile(sio_to(sio_everyone(s), "red")), "all", "*", e);
}

static void
on_first(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(sio_all(sio_socket_nsp(s)), "first", "v", sio_arg(e, 0));
}

static void
on_more(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(sio_all(sio_socket_nsp(s)), "more", "*s", e, "x");
}

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)error;
	(void)answers;
	(void)arg;
}

static void
on_ask(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = 0;
	sio_emit_ack(sio_to(sio_all(sio_socket_nsp(s)), "nobody"), on_answers, NULL, "ask", "*", e);
}

static void
start(bool packs_all)
{
	struct sio_options o = fake_options();
	sio_nsp *nsp;

	fake_revision = 4;
	fake_start(&o);
	fake_broker_start(BUS_FORM_HUB);
	fake_broker.packs_all = packs_all;
	nsp = sio_of(fake_io, "/");
	sio_core_set_broker(fake_io, &fake_broker);
	sio_on(nsp, "all", on_all, NULL);
	sio_on(nsp, "first", on_first, NULL);
	sio_on(nsp, "more", on_more, NULL);
	sio_on(nsp, "ask", on_ask, NULL);
	msgpack = fake_open(0);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	json = fake_open(1);
	says(json, "0");
	assert_true(joined(json, false));
	buffer_reset(&fake_broker.log);
	result = -1;
}

static void
stop(void)
{
	fake_stop();
	fake_broker_stop();
}

#define EXPECT_OUT(text)                                                                                             \
	do {                                                                                                         \
		buffer_add_byte(&fake_broker.log, 0);                                                                \
		assert_string_equal((const char *)fake_broker.log.data, text);                                       \
		buffer_reset(&fake_broker.log);                                                                      \
		assert_int_equal(result, 0);                                                                         \
	} while (0)

static void
test_values_are_copied(void **state)
{
	(void)state;
	start(true);
	sends(msgpack, EVENT("93a3616c6ccc05c40207ff"));
	EXPECT_OUT("broadcast late / +red flags 1 all 2:cc05c40207ff\n");
	sends(msgpack, EVENT("91a3616c6c"));
	EXPECT_OUT("broadcast / +red flags 1 [\"all\"]\n");
	sends(msgpack, EVENT("93a56669727374cc05cc06"));
	EXPECT_OUT("broadcast late / first 1:cc05\n");
	EXPECT_SENT(msgpack, "(" EVENT("92a56669727374cc05") "\n");
	EXPECT_SENT(json, "2[\"first\",5]\n");
	fake_broker.refusal = ERROR_TOO_BIG;
	sends(msgpack, EVENT("92a3616c6ccc05"));
	assert_int_equal(result, SIO_ERR_TOO_BIG);
	stop();
}

static void
test_what_becomes_text(void **state)
{
	(void)state;
	start(true);
	says(json, "2[\"all\",5.0]");
	EXPECT_OUT("broadcast / +red flags 1 [\"all\",5.0]\n");
	sends(msgpack, EVENT("92a46d6f7265cc05"));
	EXPECT_OUT("broadcast / [\"more\",5,\"x\"]\n");
	/* undefined, an extension */
	sends(msgpack, EVENT("92a3616c6cd40000"));
	EXPECT_OUT("broadcast / +red flags 1 [\"all\",null]\n");
	sends(msgpack, EVENT("92a361736bcc05"));
	EXPECT_OUT("ask ack / +nobody [\"ask\",5]\n");
	stop();
}

/* A form that writes events without binary values as text. */
static void
test_forms_with_text(void **state)
{
	(void)state;
	start(false);
	sends(msgpack, EVENT("92a3616c6ccc05"));
	EXPECT_OUT("broadcast / +red flags 1 [\"all\",5]\n");
	sends(msgpack, EVENT("93a3616c6ccc05c40207ff"));
	EXPECT_OUT("broadcast late / +red flags 1 all 2:cc05c40207ff\n");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_copied),
		cmocka_unit_test(test_what_becomes_text),
		cmocka_unit_test(test_forms_with_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
