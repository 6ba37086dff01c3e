/*
 * Joins with history and connection state recovery in one process. The test plays the store of the history. A client
 * that is lost before it has received all of a join must come back as a new one: if it was recovered, it would lack
 * the history, or get the events twice that the join has held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_history_given.h"
#include "node/socketio/sio_history_join_state.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_history.h"

static struct recovering client;

static void
change(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->history = (char *)"room*=100";
}

static sio_nsp *
nsp(void)
{
	return sio_of(fake_io, "/");
}

static void
say(const char *room, int n)
{
	assert_int_equal(sio_emit(sio_to(sio_all(nsp()), room), "e", "i", n), 0);
	fake_turn();
}

/* The client has received an event before it joins. */
static int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	recovering_start(change);
	store_start();
	recovering_return(&client);
	say("room", 1);
	assert_int_equal(sio_emit(sio_only(recovering_socket(&client)), "e", "i", 0), 0);
	fake_turn();
	recovering_read(&client);
	assert_int_equal(client.count, 1);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 0, NULL, NULL), 0);
	fake_turn();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	sio_core_set_history(fake_io, NULL);
	recovering_stop();
	store_stop();
	return 0;
}

static void
assert_is_new(void)
{
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
}

static void
a_client_lost_while_the_history_is_read_is_new(void **state)
{
	(void)state;
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	assert_is_new();
}

static void
an_event_elsewhere_does_not_show_that_the_history_has_come(void **state)
{
	(void)state;
	assert_int_equal(sio_emit(sio_only(recovering_socket(&client)), "e", "i", 9), 0);
	fake_turn();
	recovering_read(&client);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	assert_is_new();
}

static void
a_client_that_returns_before_its_loss_is_noticed_is_new(void **state)
{
	(void)state;
	recovering_vanish(&client);
	recovering_return(&client);
	assert_is_new();
}

/* An event that the join has held is recorded twice: for the room, and for the socket. */
static void
a_client_without_the_last_event_of_the_join_is_new(void **state)
{
	(void)state;
	say("room", 2);
	store_answers(0, 1);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	assert_is_new();
	assert_int_equal(client.count, 1);
}

static void
a_client_with_the_last_event_of_the_join_is_recovered(void **state)
{
	const int all[] = {0, 1, 2, 3};

	(void)state;
	say("room", 2);
	store_answers(0, 1);
	recovering_read(&client);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	say("room", 3);
	recovering_return(&client);
	assert_true(client.connected && client.recovered);
	assert_int_equal(client.count, sizeof all / sizeof *all);
	for (unsigned i = 0; i < client.count; i++)
		assert_int_equal(client.got[i], all[i]);
}

/* The event is in the answer of the store, and has been held as well. */
static void
an_event_that_the_join_has_passed_over_is_not_replayed(void **state)
{
	(void)state;
	say("room", 2);
	store_answers(0, 2);
	recovering_read(&client);
	assert_int_equal(client.count, 3);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	assert_true(client.connected && client.recovered);
	assert_int_equal(client.count, 3);
}

static void
an_empty_history_changes_nothing(void **state)
{
	(void)state;
	store_answers(0, 0);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	say("room", 2);
	recovering_return(&client);
	assert_true(client.connected && client.recovered);
	assert_int_equal(client.count, 2);
}

static bool
covers(const sio_socket *s, const char *room, uint64_t number)
{
	const struct text rooms[] = {TEXT("elsewhere"), text_from(room)};

	return sio_history_given_covers(
		s, &(struct wire_target){.rooms = rooms, .room_count = 2, .mark = {PEER, number}});
}

static void
join_and_get(sio_socket *s, const char *room)
{
	assert_int_equal(sio_join_with_history(s, room, 0, NULL, NULL), 0);
	fake_turn();
	store_answers(0, stored_count);
}

/* A client may have joined thousands of rooms and have missed thousands of events. */
static void
a_missed_event_is_looked_up_by_its_rooms(void **state)
{
	static const char *const rooms[] = {"room1", "room2", "room3", "room4", "room5"};
	const unsigned count = sizeof rooms / sizeof *rooms;
	sio_socket *s = recovering_socket(&client), *t;
	struct recovering second = {0};
	struct sio_history_join *joins;
	char key[16];

	(void)state;
	store_answers(0, 1);
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(key, sizeof key, "/#%s", rooms[i]);
		peer_stores(key, i + 1, 1);
		join_and_get(s, rooms[i]);
	}
	assert_true(covers(s, rooms[0], 1));
	joins = s->extra->joins;
	s->extra->joins = NULL; /* so they cannot be walked */
	for (unsigned i = 0; i < count; i++) {
		assert_true(covers(s, rooms[i], i + 1));
		assert_false(covers(s, rooms[i], i + 2));
	}
	s->extra->joins = joins;
	/* another client, the end of a join, and a new join */
	recovering_return(&second);
	t = recovering_socket(&second);
	join_and_get(t, rooms[0]);
	assert_true(covers(t, rooms[0], 1));
	assert_false(covers(t, rooms[1], 2));
	assert_true(covers(s, rooms[0], 1));
	sio_leave(s, rooms[0]);
	assert_false(covers(s, rooms[0], 1));
	assert_true(covers(t, rooms[0], 1));
	assert_false(covers(s, rooms[0], 1));
	join_and_get(s, rooms[0]);
	assert_true(covers(s, rooms[0], 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_lost_while_the_history_is_read_is_new, start, stop),
		cmocka_unit_test_setup_teardown(
			an_event_elsewhere_does_not_show_that_the_history_has_come, start, stop),
		cmocka_unit_test_setup_teardown(a_client_that_returns_before_its_loss_is_noticed_is_new, start, stop),
		cmocka_unit_test_setup_teardown(a_client_without_the_last_event_of_the_join_is_new, start, stop),
		cmocka_unit_test_setup_teardown(a_client_with_the_last_event_of_the_join_is_recovered, start, stop),
		cmocka_unit_test_setup_teardown(an_event_that_the_join_has_passed_over_is_not_replayed, start, stop),
		cmocka_unit_test_setup_teardown(an_empty_history_changes_nothing, start, stop),
		cmocka_unit_test_setup_teardown(a_missed_event_is_looked_up_by_its_rooms, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
