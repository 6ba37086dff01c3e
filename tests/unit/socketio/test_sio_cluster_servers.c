/* Events between servers: serverSideEmit(), with and without answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/cluster_bench.h"

static sio_event *kept;

static void
on_server(sio_nsp *nsp, sio_event *e, void *arg)
{
	HEARD("%s %s %s %u socket %d wants %d", (const char *)arg, sio_nsp_name(nsp), sio_event_name(e), sio_argc(e),
		sio_event_socket(e) != NULL, sio_wants_ack(e));
	if (strcmp(arg, "later") == 0)
		kept = sio_event_keep(e);
	else
		HEARD("ack %d", sio_ack(e, "v,s", sio_arg(e, 0), "more"));
}

static void
server_event(const char *nsp, const char *data, bool reply)
{
	ops->on_server_emit(sio_of(fake_io, nsp), text_from(data), NULL, reply ? &fake_reply : NULL);
}

static void
test_events_of_other_servers(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	assert_int_equal(sio_on_server_event(main_nsp(), "new_namespace", on_server, NULL), SIO_ERR_RESERVED);
	assert_int_equal(sio_on_server_event(main_nsp(), "note", on_server, (void *)"one"), 0);
	assert_int_equal(sio_on_server_event(main_nsp(), "note", on_server, (void *)"two"), 0);
	server_event("/", "[\"note\",{\"a\":1},2]", false);
	EXPECT_HEARD("one / note 2 socket 0 wants 0\nack -10\ntwo / note 2 socket 0 wants 0\nack -10\n");
	server_event("/", "[\"note\",5]", true);
	EXPECT_HEARD("one / note 1 socket 0 wants 1\nack 0\ntwo / note 1 socket 0 wants 1\nack -10\n");
	EXPECT_OUT("answer 5\n");
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"one"), 0);
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"two"), 0);
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"two"), SIO_ERR_NOT_FOUND);
	server_event("/", "[\"note\",5]", true);
	server_event("/other", "[\"note\",5]", true);
	EXPECT_HEARD("");
	EXPECT_OUT("");
	sio_on_server_event(main_nsp(), "wait", on_server, (void *)"later");
	server_event("/", "[\"wait\",\"x\"]", true);
	fake_turn();
	assert_int_equal(fake_io->kept_server_events, 1);
	assert_int_equal(sio_ack(kept, "*", kept), 0);
	assert_int_equal(sio_ack(kept, "*", kept), SIO_ERR_STATE);
	EXPECT_OUT("answer \"x\"\n");
	sio_event_release(kept);
	assert_int_equal(fake_io->kept_server_events, 0);
	assert_int_equal(fake_reply.refs, 1);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 0);
	server_event("/", "[\"connection\"]", true);
	server_event("/", "[{}]", true);
	server_event("/", "[]", true);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 3);
	/* the listeners of a parent serve its children */
	buffer_reset(&heard);
	sio_on_server_event(sio_of_pattern(fake_io, "/c.", NULL), "note", on_server, (void *)"parent");
	server_event("/c1", "[\"note\",5]", true);
	EXPECT_HEARD("parent /c1 note 1 socket 0 wants 1\nack 0\n");
	stop();
}

static void
test_server_side_emit(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	assert_int_equal(sio_server_side_emit(main_nsp(), "note", "i,B", 1, "x", (size_t)1), 0);
	EXPECT_OUT("server emit / [\"note\",1,{\"_placeholder\":true,\"num\":0}] and 1\n");
	assert_int_equal(sio_server_side_emit(main_nsp(), "connection", ""), SIO_ERR_RESERVED);
	assert_int_equal(sio_server_side_emit(main_nsp(), "x", "["), SIO_ERR_ARGUMENT);
	EXPECT_OUT("");
	assert_int_equal(sio_server_side_emit_ack(main_nsp(), 250, on_answers, (void *)"servers", "ask", "i", 1), 0);
	EXPECT_OUT("ask servers / [\"ask\",1]\n");
	assert_int_equal(fake_broker.questions[0].timeout_ms, 250);
	other_answers(1, "{\"node\":1}", NULL);
	other_answers(1, NULL, NULL);
	fake_broker_end(1, ERROR_TIMEOUT, 3, 1, 0);
	fake_turn();
	EXPECT_HEARD("servers -13 silent 1 missing 0: {\"node\":1} none\n");
	EXPECT_SENT(0, "");
	stop();
	start(BUS_FORM_ALONE);
	sio_server_side_emit_ack(main_nsp(), 0, on_answers, (void *)"alone", "ask", "");
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("alone 0 silent 0 missing 0:\n");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_other_servers),
		cmocka_unit_test(test_server_side_emit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
