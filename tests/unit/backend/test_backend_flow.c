/* Clients are not read while their backend cannot keep up. Whatever else happens, they are read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

/* Client `i` asks for "/shop" too and is accepted. */
static void
joins_shop(unsigned i)
{
	receive(i, "0/shop,");
	(void)link_gets(0, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 1, "");
	fake_turn();
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, fake_links[0].handles, 0, ""));
	(void)sent(i);
	(void)link_sent(0);
}

/* Of a client's two sockets, the one whose events wait is refused. The other one must not wait for ever. */
static void
test_refused_with_events_that_wait(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	joins_shop(0);
	link_lost(0);
	backend_comes(1); /* its handles: 2 is the socket in "/", 3 the one in "/shop" */
	(void)link_sent(1);
	receive(0, "2/shop,[\"a\"]");
	assert_true(client(0)->paused);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	assert_true(client(0)->paused);
	(void)link_gets(1, BACKEND_REFUSE, 0, 3, 0, "{\"message\":\"no\"}");
	fake_turn();
	assert_false(client(0)->paused);
	backends_stop();
}

/* The same, but the socket is disconnected by someone else. */
static void
test_thrown_out_with_events_that_wait(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	joins_shop(0);
	link_lost(0);
	backend_comes(1);
	receive(0, "2/shop,[\"a\"]");
	assert_true(client(0)->paused);
	for (struct sio_socket *s = ((struct sio_client *)client(0)->owner)->sockets; s != NULL; s = s->next) {
		if (strcmp(sio_nsp_name(sio_socket_nsp(s)), "/shop") == 0) {
			sio_disconnect(s, false);
			break;
		}
	}
	fake_turn();
	assert_false(client(0)->paused);
	backends_stop();
}

/* A client that waits for its ACCEPT does not block the clients behind it. */
static void
test_all_go_on_with_the_window(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	link_lost(0);
	backend_comes(1);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 4, 0, "");
	receive(0, "2[\"early\"]"); /* waits for ACCEPT */
	fake_links[1].stalled = true;
	receive(1, "2[\"full\"]");
	assert_true(client(0)->paused && client(1)->paused);
	(void)link_sent(1);
	link_window(1);
	assert_true(client(0)->paused);
	assert_false(client(1)->paused);
	EXPECT_FRAMES(1, "EVENT h=4 [\"full\"]\n");
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	assert_false(client(0)->paused);
	EXPECT_FRAMES(1, "EVENT h=2 [\"early\"]\n");
	backends_stop();
}

/* If the new window is too small for all, the clients without a turn are the first next time. */
static void
test_turns_go_round(void **state)
{
	(void)state;
	start_with_one();
	for (unsigned i = 0; i < 3; i++)
		attached(i);
	fake_links[0].stalled = true;
	for (unsigned i = 0; i < 3; i++)
		receive(i, "2[\"x\"]");
	EXPECT_FRAMES(0, "");
	for (unsigned i = 0; i < 3; i++) {
		fake_links[0].room = 1;
		link_window(0);
		assert_string_equal(link_sent(0), i == 0   ? "EVENT h=2 [\"x\"]\n"
						  : i == 1 ? "EVENT h=4 [\"x\"]\n"
							   : "EVENT h=6 [\"x\"]\n");
	}
	fake_links[0].room = 0;
	link_window(0);
	for (unsigned i = 0; i < 3; i++)
		assert_false(client(i)->paused);
	backends_stop();
}

/* The requests of clients must not end the link of a backend that is merely slow. */
static void
test_namespaces_wait_for_the_window(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	joins_shop(0);
	attached(1);
	fake_links[0].stalled = true;
	receive(1, "0/shop,{\"large\":1}");
	fake_turn();
	EXPECT_FRAMES(0, "");
	assert_true(client(1)->paused);
	link_window(0);
	EXPECT_FRAMES(0, "OPEN nsp=1 h=6 id=4 '*' '{\"large\":1}'\n");
	assert_false(client(1)->paused);
	/* the same, but the link is lost before it has room again */
	(void)link_gets(0, BACKEND_ACCEPT, 0, 6, 0, "");
	receive(1, "1/shop,");
	fake_links[0].stalled = true;
	receive(1, "0/shop,");
	fake_turn();
	assert_true(client(1)->paused);
	link_lost(0);
	assert_false(client(1)->paused);
	backends_stop();
}

/* Taking over a client with many namespaces must not end the link either. */
static void
test_sockets_are_taken_over_as_the_window_allows(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	joins_shop(0);
	link_lost(0);
	{
		struct backend_hello hello = link_hello("b1");
		struct backend_link *link = &fake_links[1];

		*link = (struct backend_link){.ready = true, .hello = hello, .room = 2};
		buffer_init(&link->sent, 1 << 20);
		buffer_init(&link->body, 1 << 20);
		backend_clients_ops.on_ready(fake_core, link);
	}
	EXPECT_FRAMES(1, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN flags=2 h=2 id=1 '*' '{}' {} ''\n");
	assert_true(client(0)->paused);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	assert_true(client(0)->paused);
	link_window(1);
	EXPECT_FRAMES(1, "NSP nsp=1 /shop\nOPEN flags=2 nsp=1 h=3 id=1 '*' '{}' {} ''\n");
	assert_false(client(0)->paused);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 3, 0, "");
	receive(0, "2/shop,[\"x\"]");
	EXPECT_FRAMES(1, "EVENT h=3 [\"x\"]\n");
	backends_stop();
}

/* The answers of clients must not end the link either. The clients are not read meanwhile. */
static void
test_answers_to_a_backend_that_does_not_read(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 41, "[\"q\"]"));
	assert_true(link_casts(0, BACKEND_F_ACK, 12, "", "", "[\"q\"]"));
	EXPECT_FRAMES(0, "CASTED id=12 2\n");
	fake_links[0].stalled = true;
	fake_links[0].space = 10;
	receive(0, "30[\"large\",1]");
	assert_true(client(0)->paused);
	EXPECT_FRAMES(0, "");
	receive(0, "31[\"large\",1]");
	receive(1, "31[1]");
	EXPECT_FRAMES(0, "CASTED flags=1 id=12 [1]\nCASTED flags=64 id=12\n");
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_DROPPED_ACKS], 2);
	link_window(0);
	assert_false(client(0)->paused);
	backends_stop();
}

/* A question that a lost backend held waits for the next backend as long as others do. */
static void
test_a_question_of_a_lost_backend_waits_for_the_next(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0/x,");
	EXPECT_FRAMES(0, "NSPASK id=1 '/x' '{}'\n");
	fake_sleep(30500);
	link_lost_by(0, "timeout");
	fake_sleep(29000);
	EXPECT_SENT(0, "");
	fake_sleep(1200);
	EXPECT_SENT(0, "4/x,{\"message\":\"Service unavailable\"}\n");
	backends_stop();
}

/* The data of a client's unanswered question counts as memory of that client. */
static void
test_questions_count_as_the_clients_memory(void **state)
{
	char packet[5100] = "0/x,{\"a\":\"";
	uint64_t idle;

	(void)state;
	start_with_one();
	(void)fake_open(0);
	idle = client(0)->held;
	memset(packet + strlen(packet), 'x', 5000);
	strcat(packet, "\"}");
	receive(0, packet);
	assert_in_range(client(0)->held, idle + 5000, idle + 5100);
	(void)link_gets(0, BACKEND_NSPANSWER, 0, 0, 1, "");
	fake_turn();
	assert_int_equal(client(0)->held, idle);
	backends_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_with_events_that_wait),
		cmocka_unit_test(test_thrown_out_with_events_that_wait),
		cmocka_unit_test(test_all_go_on_with_the_window),
		cmocka_unit_test(test_turns_go_round),
		cmocka_unit_test(test_namespaces_wait_for_the_window),
		cmocka_unit_test(test_sockets_are_taken_over_as_the_window_allows),
		cmocka_unit_test(test_answers_to_a_backend_that_does_not_read),
		cmocka_unit_test(test_questions_count_as_the_clients_memory),
		cmocka_unit_test(test_a_question_of_a_lost_backend_waits_for_the_next),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
