/* Acknowledgements across nodes, which this node or another node asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_ack.h"
#include "tests/unit/socketio/cluster_bench.h"

static void
ack(unsigned i, const char *packet)
{
	fake_receive(&fake_engine.sessions[i], false, packet, strlen(packet));
	fake_turn();
}

static void
test_acknowledgements_of_all_nodes(void **state)
{
	sio_target both;
	struct attachments a;
	struct block *b;

	(void)state;
	start(BUS_FORM_HUB);
	both = sio_to(sio_to(sio_all(main_nsp()), sockets[0]->id), sockets[1]->id);
	assert_int_equal(sio_emit_ack(both, on_answers, (void *)"first", "q", "i", 1), 0);
	EXPECT_OUT("ask ack / +#0 +#1 [\"q\",1]\n");
	assert_int_equal(fake_broker.questions[0].timeout_ms, SIO_GATHER_MS);
	EXPECT_SENT(0, "20[\"q\",1]\n");
	ack(0, "30[\"here\",2]");
	other_answers(1, "{\"there\":1}", NULL);
	other_answers(1, NULL, NULL);
	fake_broker_end(1, 0, 2, 0, 0);
	fake_turn();
	EXPECT_HEARD("");
	ack(1, "30[]");
	EXPECT_HEARD("first 0 silent 0 missing 0: \"here\" {\"there\":1} none none\n");

	/* first this node's answers, then those of the others, with binary data */
	attachments_init(&a);
	attachments_add(&a, b = block_copy("x", 1));
	block_unref(b);
	sio_emit_ack(sio_timeout(both, 300), on_answers, (void *)"second", "q", "");
	assert_int_equal(fake_broker.questions[1].timeout_ms, 300);
	ack(0, "31[0]");
	ack(1, "31[1]");
	EXPECT_HEARD("");
	other_answers(2, "{\"_placeholder\":true,\"num\":0}", &a);
	attachments_fini(&a);
	fake_broker_end(2, 0, 1, 0, 0);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("second 0 silent 0 missing 0: 0 1 {\"_placeholder\":true,\"num\":0} binary\n");
	stop();
}

static void
test_acknowledgements_that_are_missing(void **state)
{
	sio_target all;

	(void)state;
	start(BUS_FORM_HUB);
	all = sio_timeout(sio_all(main_nsp()), 200);
	/* the other nodes end first, and this node's client never answers */
	sio_emit_ack(all, on_answers, (void *)"local", "q", "");
	ack(0, "30[0]");
	fake_broker_end(1, 0, 1, 0, 0);
	ack(1, "30[1]");
	fake_sleep(150);
	EXPECT_HEARD("");
	fake_sleep(100);
	EXPECT_HEARD("local -13 silent 0 missing 1: 0 1\n");
	ack(2, "30[2]");
	/* the other nodes or their clients are silent */
	sio_emit_ack(all, on_answers, (void *)"remote", "q", "");
	for (unsigned i = 0; i < CLIENTS; i++)
		ack(i, "31[7]");
	other_answers(2, "8", NULL);
	fake_sleep(250);
	EXPECT_HEARD("");
	fake_broker_end(2, ERROR_TIMEOUT, 3, 2, 4);
	fake_turn();
	EXPECT_HEARD("remote -13 silent 2 missing 4: 7 7 7 8\n");
	/* no other node can be asked: this node's clients still have their time */
	sio_emit_ack(all, on_answers, (void *)"closed", "q", "");
	fake_broker_end(3, ERROR_CLOSED, 0, 0, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		ack(i, "32[7]");
	EXPECT_HEARD("closed -13 silent 0 missing 0: 7 7 7\n");
	fake_broker.refusal = ERROR_TOO_MANY;
	sio_emit_ack(sio_to(all, "nobody"), on_answers, (void *)"refused", "q", "");
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("refused -3 silent 1 missing 0:\n");
	fake_broker.refusal = 0;
	/* a local question asks no other node */
	buffer_reset(&fake_broker.log);
	sio_emit_ack(sio_local(sio_to(all, "nobody")), on_answers, (void *)"here", "q", "");
	fake_turn();
	EXPECT_HEARD("here 0 silent 0 missing 0:\n");
	EXPECT_OUT("");
	stop();
}

static void
ask(const char *data)
{
	struct wire_target all = {0};

	ops->on_broadcast_ack(main_nsp(), &all, text_from(data), NULL, &fake_reply);
}

static void
test_other_nodes_get_acknowledgements(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	ask("[\"q\"]");
	EXPECT_OUT("count 3\n");
	EXPECT_SENT(0, "20[\"q\"]\n");
	ack(0, "30[\"a\",\"only the first counts\"]");
	ack(0, "30[\"once\"]");
	ack(1, "30[]");
	EXPECT_OUT("ack \"a\"\nack none\n");
	assert_int_equal(fake_reply.refs, 2);
	close_client(2);
	fake_turn();
	assert_int_equal(fake_reply.refs, 1);
	/* ids belong to this node: the next one is different */
	ask("[\"q\"]");
	EXPECT_OUT("count 2\n");
	EXPECT_SENT(1, "20[\"q\"]\n21[\"q\"]\n");
	fake_receive(&fake_engine.sessions[0], false, "61-1[{\"_placeholder\":true,\"num\":0}]", 35);
	fake_receive(&fake_engine.sessions[0], true, "x", 1);
	EXPECT_OUT("ack {\"_placeholder\":true,\"num\":0} and 1\n");
	fake_sleep(BROKER_REPLY_MS + 100);
	assert_int_equal(fake_reply.refs, 1);
	ack(1, "31[\"too late\"]");
	ask("[\"connect\"]");
	EXPECT_OUT("count 0\n");
	sio_disconnect_sockets(sio_local(sio_all(main_nsp())), false);
	fake_turn();
	ask("[\"q\"]");
	EXPECT_OUT("count 0\n");
	/* closing does not wait for answers */
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acknowledgements_of_all_nodes),
		cmocka_unit_test(test_acknowledgements_that_are_missing),
		cmocka_unit_test(test_other_nodes_get_acknowledgements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
