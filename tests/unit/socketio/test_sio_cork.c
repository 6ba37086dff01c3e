/* A client gets nothing from the moment it joins a room until the bus has confirmed the room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_cork.h"
#include "node/socketio/sio_raw.h"
#include "tests/unit/socketio/cluster_bench.h"

static bool
corked(unsigned client)
{
	return fake_engine.sessions[client].corked;
}

static void
confirm(void)
{
	fake_broker.waits = false;
	fake_broker_confirm();
}

static void
start_waiting(void)
{
	start(BUS_FORM_REDIS);
	assert_false(corked(0));
	fake_broker.waits = true;
}

static void
test_the_room_of_a_new_client(void **state)
{
	(void)state;
	start_waiting();
	fake_receive(fake_open(CLIENTS), false, "0", 1);
	assert_true(corked(CLIENTS));
	assert_false(corked(0));
	confirm();
	assert_false(corked(CLIENTS));
	fake_receive(fake_open(CLIENTS + 1), false, "0", 1);
	assert_false(corked(CLIENTS + 1));
	stop();
}

static void
test_rooms_joined_by_a_socket(void **state)
{
	(void)state;
	start_waiting();
	assert_int_equal(sio_join(sockets[0], "red"), 0);
	assert_true(corked(0));
	/* the room exists, but it is not confirmed for the second member either */
	assert_int_equal(sio_join(sockets[1], "red"), 0);
	assert_true(corked(1));
	assert_int_equal(sio_join(sockets[0], "blue"), 0);
	assert_false(corked(2));
	confirm();
	assert_false(corked(0) || corked(1));
	fake_broker.waits = true;
	sio_leave(sockets[0], "red");
	assert_int_equal(sio_join(sockets[1], "red"), 0); /* the socket is in the room already */
	assert_false(corked(0) || corked(1));
	confirm();
	stop();
}

static void
test_joins_ordered_by_others(void **state)
{
	struct text room = TEXT("red");
	struct wire_target who = {.room_count = 0};

	(void)state;
	start_waiting();
	ops->on_join(main_nsp(), &who, &room, 1);
	assert_true(corked(0) && corked(1) && corked(2));
	confirm();
	assert_false(corked(0) || corked(1) || corked(2));
	fake_broker.waits = true;
	assert_int_equal(sio_sockets_join(sio_to(sio_all(main_nsp()), "red"), "blue"), 0);
	assert_true(corked(0) && corked(1) && corked(2));
	confirm();
	fake_broker.waits = true;
	room = TEXT("green"); /* as a backend and the HTTP API do */
	assert_int_equal(sio_raw_join(sockets[0], &room, 1), 0);
	assert_true(corked(0));
	room = TEXT("blue");
	assert_int_equal(
		sio_raw_cast_join(&(struct sio_raw_to){.nsp = main_nsp(), .who = {.rooms = &room, .rooms_count = 1}},
			&(struct text){"red2", 4}, 1),
		0);
	assert_true(corked(1) && corked(2));
	confirm();
	stop();
}

static void
on_invite(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	(void)event;
	(void)arg;
	assert_int_equal(sio_join(sockets[1], "red"), 0);
}

/* A client whose event makes the server add another client to a room is held back, too. */
static void
test_the_client_whose_event_is_handled(void **state)
{
	(void)state;
	start_waiting();
	sio_on(main_nsp(), "invite", on_invite, NULL);
	fake_receive(&fake_engine.sessions[0], false, "2[\"invite\"]", 11);
	assert_true(corked(0) && corked(1));
	assert_false(corked(2));
	confirm();
	assert_false(corked(0) || corked(1));
	fake_broker.waits = true;
	assert_int_equal(sio_join(sockets[2], "blue"), 0); /* outside of any event */
	assert_false(corked(0));
	confirm();
	stop();
}

static void
test_a_client_that_leaves_meanwhile(void **state)
{
	(void)state;
	start_waiting();
	assert_int_equal(sio_join(sockets[0], "red"), 0);
	close_client(0);
	assert_true(list_empty(&fake_broker.waiting_joins));
	assert_int_equal(sio_join(sockets[1], "red"), 0);
	sio_disconnect(sockets[1], true);
	assert_int_equal(sio_join(sockets[1], "blue"), 0); /* closing: nothing is held back any more */
	confirm();
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_room_of_a_new_client),
		cmocka_unit_test(test_rooms_joined_by_a_socket),
		cmocka_unit_test(test_joins_ordered_by_others),
		cmocka_unit_test(test_the_client_whose_event_is_handled),
		cmocka_unit_test(test_a_client_that_leaves_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
