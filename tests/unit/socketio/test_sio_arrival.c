/* Sockets that wait until their namespace receives from the other nodes, and what the bus hears about rooms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_arrival.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/cluster_bench.h"

static void
on_child(sio_socket *s, void *arg)
{
	(void)arg;
	HEARD("connection %s", sio_nsp_name(sio_socket_nsp(s)));
}

static void
start_waiting(void)
{
	start(BUS_FORM_HUB);
	sio_on_connection(sio_of_pattern(fake_io, "/c.", NULL), on_child, NULL);
	fake_broker.awaits = true;
	for (unsigned i = 0; i < 2; i++)
		fake_receive(&fake_engine.sessions[i], false, "0/c1,", 5);
	fake_turn();
	EXPECT_SENT(0, "");
	EXPECT_HEARD("");
}

static struct sio_nsp *
child(void)
{
	return sio_nsp_find(fake_io, TEXT("/c1"));
}

static bool
was_answered(unsigned client)
{
	static const char head[] = "0/c1,{\"sid\":\"";
	struct buffer *sent = &fake_engine.sessions[client].sent;
	bool yes = sent->len > sizeof head && memcmp(sent->data, head, sizeof head - 1) == 0;

	buffer_reset(sent);
	return yes;
}

static void
test_answered_once_the_bus_has_confirmed(void **state)
{
	(void)state;
	start_waiting();
	assert_int_equal(sio_nsp_count(child()), 0);
	fake_broker.awaits = false;
	ops->on_settled(child());
	fake_turn();
	assert_true(was_answered(0) && was_answered(1));
	EXPECT_HEARD("connection /c1\nconnection /c1\n");
	/* from now on it settles at once */
	fake_receive(&fake_engine.sessions[2], false, "0/c1,", 5);
	assert_true(was_answered(2));
	EXPECT_HEARD("connection /c1\n");
	stop();
}

static void
test_answered_all_the_same_after_some_time(void **state)
{
	(void)state;
	start_waiting();
	fake_sleep(SIO_ARRIVAL_MS - 200);
	assert_false(was_answered(0));
	fake_sleep(400);
	assert_true(was_answered(0) && was_answered(1));
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_UNCONFIRMED], 1);
	/* a later socket has its own time limit */
	buffer_reset(&heard);
	fake_receive(&fake_engine.sessions[2], false, "0/c1,", 5);
	fake_sleep(SIO_ARRIVAL_MS - 200);
	assert_false(was_answered(2));
	fake_sleep(400);
	assert_true(was_answered(2));
	buffer_reset(&heard);
	stop();
}

static void
test_a_client_that_leaves_meanwhile_is_not_let_in(void **state)
{
	(void)state;
	start_waiting();
	close_client(0);
	fake_receive(&fake_engine.sessions[1], false, "1/c1,", 5);
	fake_turn();
	fake_broker.awaits = false;
	ops->on_settled(child());
	fake_turn();
	EXPECT_HEARD("");
	assert_int_equal(sio_nsp_count(child()), 0);
	stop();
}

static void
on_first(sio_socket *s, void *arg)
{
	(void)s;
	(void)arg;
	sio_disconnect(sockets[1], true); /* the engine of a client whose socket still waits */
}

static void
test_a_listener_may_close_a_waiting_socket(void **state)
{
	(void)state;
	start_waiting();
	sio_on_connection(child(), on_first, NULL);
	fake_broker.awaits = false;
	ops->on_settled(child());
	fake_turn();
	assert_true(was_answered(0));
	stop();
}

static void
test_the_bus_learns_of_rooms(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	fake_broker.log_rooms = true;
	sio_join(sockets[0], "red");
	sio_join(sockets[1], "red");
	sio_leave(sockets[0], "red");
	EXPECT_OUT("appeared / red\n");
	sio_join(sockets[2], sockets[1]->id); /* a socket's own room exists */
	EXPECT_OUT("");
	sio_leave(sockets[1], sockets[1]->id); /* the room still exists */
	EXPECT_OUT("");
	sio_leave(sockets[2], sockets[1]->id);
	EXPECT_OUT("empty / #1\n");
	sio_join(sockets[1], sockets[1]->id);
	EXPECT_OUT("own appeared / #1\n");
	close_client(1);
	EXPECT_OUT("empty / red\nempty / #1\n");
	stop();
}

/* A server may have sockets before it gets a bus. */
static void
test_rooms_from_before_the_bus(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	sio_join(sockets[0], "red");
	sio_core_set_broker(fake_io, NULL);
	fake_broker.log_rooms = true;
	sio_core_set_broker(fake_io, &fake_broker);
	EXPECT_OUT("appeared / red\nown appeared / #0\nown appeared / #1\nown appeared / #2\n");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered_once_the_bus_has_confirmed),
		cmocka_unit_test(test_answered_all_the_same_after_some_time),
		cmocka_unit_test(test_a_client_that_leaves_meanwhile_is_not_let_in),
		cmocka_unit_test(test_a_listener_may_close_a_waiting_socket),
		cmocka_unit_test(test_the_bus_learns_of_rooms),
		cmocka_unit_test(test_rooms_from_before_the_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
