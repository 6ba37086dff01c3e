/*
 * The history of rooms at one server: what is stored, and what a socket gets that joins with history. The test plays
 * the store, which answers when the test says so, and the other servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/socketio/sio_history_join.h"
#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/fake_history.h"

/* ------------------------------------------------------------------- bench */

static sio_socket *sockets[4];
static unsigned socket_count;
static int joined_error;
static unsigned joined_sent, joined_calls;
static bool joined_gone;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	sockets[socket_count++] = s;
}

static void
on_joined(sio_socket *s, int error, unsigned sent, void *arg)
{
	assert_ptr_equal(arg, &joined_calls);
	joined_calls++;
	joined_error = error;
	joined_sent = sent;
	joined_gone = s == NULL;
}

static int
setup(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	o.history = (char *)"room*=100";
	socket_count = joined_calls = 0;
	fake_start(&o);
	store_start();
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	for (unsigned i = 0; i < 2; i++) {
		fake_receive(fake_open(i), false, "0", 1);
		fake_turn();
	}
	assert_int_equal(socket_count, 2);
	for (unsigned i = 0; i < 2; i++)
		buffer_reset(&fake_engine.sessions[i].sent);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fake_stop();
	store_stop();
	return 0;
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
}

/* An event of another server, whose mark is (PEER, number). */
static void
hear(const char *room, uint64_t number, int n)
{
	struct text name = text_from(room);
	struct wire_target to = {.rooms = &name, .room_count = 1, .mark = {PEER, number}};
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	sio_core_broker_ops()->on_broadcast(nsp(), &to, text_from(json), NULL);
}

static void
join(const char *room, unsigned count)
{
	assert_int_equal(sio_join_with_history(sockets[0], room, count, on_joined, &joined_calls), 0);
	assert_true(sio_in_room(sockets[0], room));
}

/* The numbers that a client has got since the last call. */
static const char *
got(unsigned which)
{
	struct buffer *sent = &fake_engine.sessions[which].sent;
	static char numbers[8192];
	size_t n = 0;
	struct text rest, line;

	fake_turn();
	numbers[0] = '\0';
	rest = buffer_text(sent);
	while (text_cut(&rest, '\n', &line)) {
		const char *comma = line.n > 0 ? memchr(line.at, ',', line.n) : NULL;

		if (comma != NULL && text_has(line, TEXT("\"e\"")))
			n += (size_t)snprintf(
				numbers + n, sizeof numbers - n, "%s%d", n > 0 ? " " : "", atoi(comma + 1));
	}
	buffer_reset(sent);
	return numbers;
}

/* ------------------------------------------------------------------- tests */

static void
only_events_to_rooms_with_a_rule_are_stored(void **state)
{
	(void)state;
	say("room", 1);
	say("other", 2);
	assert_int_equal(sio_emit(sio_all(nsp()), "e", "i", 3), 0);
	assert_int_equal(sio_emit(sio_volatile(sio_to(sio_all(nsp()), "room")), "e", "i", 4), 0);
	assert_int_equal(sio_emit(sio_local(sio_to(sio_all(nsp()), "room")), "e", "i", 5), 0);
	assert_int_equal(sio_emit(sio_only(sockets[0]), "e", "i", 6), 0);
	hear("room", 1, 7); /* the server that sent the event has stored it */
	assert_int_equal(stored_count, 1);
	assert_int_equal(sio_emit(sio_to(sio_to(sio_to(sio_all(nsp()), "room1"), "other"), "room2"), "e", "i", 8), 0);
	assert_int_equal(stored_count, 3);
	assert_string_equal(stored[1].key, "/#room1");
	assert_string_equal(stored[2].key, "/#room2");
	assert_int_equal(stored[1].payload->len, stored[2].payload->len);
	assert_memory_equal(stored[1].payload->data, stored[2].payload->data, stored[1].payload->len);
}

static void
history_comes_before_what_is_said_meanwhile(void **state)
{
	(void)state;
	say("room", 1);
	say("room", 2);
	join("room", 7);
	assert_int_equal(query.count, 7);
	assert_string_equal(asked_key, "/#room");
	say("room", 3);							   /* held, and in the answer */
	hear("room", 1, 100);						   /* held, and not in the answer */
	assert_int_equal(sio_emit(sio_only(sockets[0]), "e", "i", 50), 0); /* not an event of the room */
	assert_string_equal(got(0), "50");
	assert_int_equal(joined_calls, 0);
	store_answers(0, stored_count);
	assert_string_equal(got(0), "1 2 3 100");
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, 0);
	assert_int_equal(joined_sent, 3);
	say("room", 4);
	assert_string_equal(got(0), "4");
	assert_string_equal(got(1), "");
}

static void
a_copy_that_is_late_is_dropped_and_an_older_one_too(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		peer_stores("/#room", i, (int)i);
	join("room", 2);
	hear("room", 2, 2);
	store_answers(3, 5); /* the last two: 4 and 5 */
	assert_string_equal(got(0), "4 5");
	hear("room", 3, 3); /* older than the events that were asked for */
	hear("room", 4, 4);
	hear("room", 5, 5);
	hear("room", 6, 6);
	assert_string_equal(got(0), "6");
	fake_sleep(31000); /* a copy cannot be that late, so this is another event */
	hear("room", 5, 5);
	assert_string_equal(got(0), "5");
}

/* The sender's server could not store event 3, because the queue was full. */
static void
an_event_that_is_missing_in_the_history_comes_late(void **state)
{
	static const uint64_t stores[] = {1, 2, 4, 5};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		peer_stores("/#room", stores[i], (int)stores[i]);
	for (unsigned count = 3; count <= 10; count += 7) {
		join("room", count);
		for (uint64_t i = 1; i <= 5; i++)
			hear("room", i, (int)i);
		store_answers(count == 3 ? 1 : 0, 4);
		assert_string_equal(got(0), count == 3 ? "2 4 5 3" : "1 2 4 5 3");
		hear("room", 3, 3);
		hear("room", 1, 1);
		assert_string_equal(got(0), "");
		sio_leave(sockets[0], "room");
	}
}

/* The marks of several servers are mixed, and the newest come first. */
static void
marks_of_several_servers_are_known_again(void **state)
{
	(void)state;
	for (uint64_t i = 100; i > 0; i--) {
		if (i % 3 == 0)
			say("room", 1000 + (int)i);
		else
			peer_stores("/#room", i, (int)i);
	}
	join("room", 0);
	store_answers(0, stored_count);
	assert_int_equal(joined_sent, 100);
	(void)got(0);
	for (uint64_t i = 1; i <= 100; i++)
		hear("room", i, (int)i);
	assert_string_equal(got(0), "3 6 9 12 15 18 21 24 27 30 33 36 39 42 45 48 51 54 57 60 63 66 69 72 75 78 81 "
				    "84 87 90 93 96 99");
}

static void
an_event_for_two_rooms_comes_once(void **state)
{
	(void)state;
	assert_int_equal(sio_emit(sio_to(sio_to(sio_all(nsp()), "room1"), "room2"), "e", "i", 1), 0);
	say("room2", 2);
	join("room1", 0);
	store_answers(0, stored_count);
	join("room2", 0);
	assert_int_equal(query.count, 100);
	store_answers(0, stored_count);
	assert_string_equal(got(0), "1 2");
	assert_int_equal(joined_sent, 1);
}

static void
the_history_leaves_out_excepted_rooms_but_not_excepted_sockets(void **state)
{
	(void)state;
	assert_int_equal(sio_emit(sio_to(sio_others(sockets[0]), "room"), "e", "i", 1), 0);
	assert_int_equal(sio_emit(sio_except(sio_to(sio_all(nsp()), "room"), "banned"), "e", "i", 2), 0);
	assert_int_equal(sio_join(sockets[0], "banned"), 0);
	join("room", 0);
	store_answers(0, stored_count);
	assert_string_equal(got(0), "1");
}

static void
without_an_answer_the_newer_events_come(void **state)
{
	(void)state;
	say("room", 1);
	join("room", 0);
	say("room", 2);
	store_fails(ERROR_TIMEOUT);
	say("room", 3);
	assert_string_equal(got(0), "2 3");
	assert_int_equal(joined_error, SIO_ERR_TIMEOUT);
	assert_int_equal(joined_sent, 0);
}

static void
too_many_events_are_not_held(void **state)
{
	static char wanted[8192];
	size_t n = 0;

	(void)state;
	join("room", 0);
	for (int i = 0; i <= SIO_HISTORY_HELD_MAX + 1; i++) {
		say("room", i);
		n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s%d", i > 0 ? " " : "", i);
	}
	assert_null(asked); /* the server has given up the read */
	assert_string_equal(got(0), wanted);
	fake_sleep(1);
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, SIO_ERR_TOO_MANY);
}

static void
leaving_ends_the_wait(void **state)
{
	(void)state;
	say("room", 1);
	join("room", 0);
	say("room", 2);
	sio_leave(sockets[0], "room");
	assert_null(asked);
	assert_int_equal(joined_calls, 0); /* not from within the call */
	fake_turn();
	assert_int_equal(joined_calls, 1);
	assert_true(joined_gone);
	assert_int_equal(joined_error, SIO_ERR_STATE);
	assert_string_equal(got(0), "");

	join("room", 0);
	join("room", 0); /* the second join replaces the first */
	fake_turn();
	assert_int_equal(joined_calls, 2);
	store_answers(0, 1);
	assert_int_equal(joined_calls, 3);
	assert_string_equal(got(0), "1");

	join("room", 0);
	fake_gone(&fake_engine.sessions[0], EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_null(asked);
	assert_int_equal(joined_calls, 4);
	assert_true(joined_gone);
}

static void
leave_when_sent(sio_socket *s, sio_event *event, void *arg)
{
	(void)event, (void)arg;
	sio_leave(s, "room");
}

static void
a_listener_that_leaves_while_the_history_is_sent(void **state)
{
	(void)state;
	say("room", 1);
	say("room", 2);
	join("room", 0);
	say("room", 3);
	sio_on_any_outgoing(nsp(), leave_when_sent, NULL);
	store_answers(0, 2);
	fake_turn();
	assert_string_equal(got(0), "1");
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, SIO_ERR_STATE);
	assert_false(sio_in_room(sockets[0], "room"));
}

static void
close_when_sent(sio_socket *s, sio_event *event, void *arg)
{
	(void)s, (void)event, (void)arg;
	sio_core_close(fake_io);
}

static void
a_listener_that_closes_the_server_while_the_history_is_sent(void **state)
{
	(void)state;
	say("room", 1);
	say("room", 2);
	join("room", 0);
	say("room", 3);
	assert_int_equal(sio_join_with_history(sockets[1], "room", 0, on_joined, &joined_calls), 0);
	sio_on_any_outgoing(nsp(), close_when_sent, NULL);
	store_answers(0, 2); /* answers the read of the second socket */
	fake_turn();
	assert_null(asked);
	assert_int_equal(joined_calls, 2);
	assert_int_equal(joined_error, SIO_ERR_STATE);
}

static void
a_listener_that_closes_the_server_while_held_events_are_sent(void **state)
{
	(void)state;
	join("room", 0);
	for (int i = 0; i < SIO_HISTORY_HELD_MAX; i++)
		say("room", i);
	sio_on_any_outgoing(nsp(), close_when_sent, NULL);
	say("room", SIO_HISTORY_HELD_MAX);
	fake_turn();
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, SIO_ERR_STATE);
}

static void
a_room_without_history_is_joined(void **state)
{
	(void)state;
	join("other", 0);
	assert_int_equal(asks, 0);
	say("other", 1);
	fake_sleep(1);
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, 0);
	assert_string_equal(got(0), "1");
}

/* ------------------------------------------------------------- sio_history */

static char read_text[256];
static int read_error;

static void
on_read(sio_server *io, int error, const sio_history_entry *entries, unsigned count, void *arg)
{
	size_t n = 0;

	(void)arg;
	assert_ptr_equal(io, fake_io);
	read_error = error;
	read_text[0] = '\0';
	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(read_text + n, sizeof read_text - n, "%s %s %u %d;", entries[i].id,
			entries[i].event, sio_length(entries[i].args), (int)sio_int(sio_at(entries[i].args, 0), -1));
}

static void
the_application_reads_and_removes(void **state)
{
	struct history_limits limits = {100, 0};

	(void)state;
	say("room", 1);
	store_append(&store, TEXT("/#room"), &limits, TEXT("rubbish"));
	assert_int_equal(sio_emit(sio_to(sio_all(nsp()), "room"), "bare", NULL), 0);
	assert_int_equal(sio_history(nsp(), "room", 5, NULL, NULL, on_read, NULL), 0);
	assert_int_equal(query.count, 5);
	store_answers(0, stored_count);
	assert_string_equal(read_text, "1000-0 e 1 1;1002-0 bare 0 -1;");
	assert_int_equal(sio_history(nsp(), "room", 5, "7-1", NULL, on_read, NULL), 0);
	assert_true(query.before.ms == 7 && query.before.seq == 1 && !query.from_oldest);
	store_fails(ERROR_CLOSED);
	assert_int_equal(read_error, SIO_ERR_TIMEOUT);
	assert_int_equal(sio_history(nsp(), "room", 0, NULL, "8-2", on_read, NULL), 0);
	assert_true(query.after.ms == 8 && query.after.seq == 2 && query.from_oldest && query.count == 1000);
	store_answers(0, 0);
	assert_int_equal(sio_history(nsp(), "other", 5, NULL, NULL, on_read, NULL), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_history(nsp(), "room", 5, "x", NULL, on_read, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_history_remove(nsp(), "room", "7-1", NULL, NULL), 0);
	store_fails(0);
	assert_int_equal(removed_count, 1);
	assert_int_equal(sio_history_clear(nsp(), "room", NULL, NULL), 0);
	assert_int_equal(removed_count, 101);
	assert_int_equal(sio_history_remove(nsp(), "room", "0-0", NULL, NULL), SIO_ERR_ARGUMENT);
}

static void
leaving_the_store_ends_what_waits(void **state)
{
	(void)state;
	read_error = 0;
	assert_int_equal(sio_history(nsp(), "room", 5, NULL, NULL, on_read, NULL), 0);
	join("room", 0);
	say("room", 1);
	sio_core_set_history(fake_io, NULL);
	assert_int_equal(read_error, 0);
	fake_turn();
	assert_int_equal(read_error, SIO_ERR_STATE);
	assert_int_equal(joined_calls, 1);
	assert_int_equal(joined_error, SIO_ERR_STATE);
	assert_int_equal(sio_history(nsp(), "room", 5, NULL, NULL, on_read, NULL), SIO_ERR_STATE);
	say("room", 2);
	assert_int_equal(stored_count, 1);
	assert_string_equal(got(0), "2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_events_to_rooms_with_a_rule_are_stored),
		TEST(history_comes_before_what_is_said_meanwhile),
		TEST(a_copy_that_is_late_is_dropped_and_an_older_one_too),
		TEST(an_event_that_is_missing_in_the_history_comes_late),
		TEST(marks_of_several_servers_are_known_again),
		TEST(an_event_for_two_rooms_comes_once),
		TEST(the_history_leaves_out_excepted_rooms_but_not_excepted_sockets),
		TEST(without_an_answer_the_newer_events_come),
		TEST(too_many_events_are_not_held),
		TEST(leaving_ends_the_wait),
		TEST(a_listener_that_leaves_while_the_history_is_sent),
		TEST(a_listener_that_closes_the_server_while_the_history_is_sent),
		TEST(a_listener_that_closes_the_server_while_held_events_are_sent),
		TEST(a_room_without_history_is_joined),
		TEST(the_application_reads_and_removes),
		TEST(leaving_the_store_ends_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
