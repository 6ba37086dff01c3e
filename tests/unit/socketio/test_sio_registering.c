/*
 * Listeners of one socket, listeners that are prepended or removed, and what an application can list or read without
 * asking other nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/listening.h"

static void
on_event_once(sio_socket *s, sio_event *event, void *arg)
{
	on_event(s, event, arg);
	assert_int_equal(sio_socket_off(s, "a", on_event_once, arg), SIO_ERR_NOT_FOUND);
	if (strcmp(arg, "again") == 0)
		assert_int_equal(sio_socket_once(s, "a", on_event_once, arg), 0);
}

static void
on_event_disconnect(sio_socket *s, sio_event *event, void *arg)
{
	on_event(s, event, arg);
	sio_disconnect(s, false);
}

static void
test_listeners_of_one_socket(void **state)
{
	struct eio_session *one, *two;
	sio_socket *first;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	assert_int_equal(sio_on(main_nsp, "a", on_event, "all"), 0);
	one = client(0);
	first = last;
	two = client(1);
	assert_int_equal(sio_socket_on(first, "a", on_event, "one"), 0);
	assert_int_equal(sio_socket_on(last, "b", on_event, "two"), 0);
	say(one, "2[\"a\"]");
	say(one, "2[\"b\"]");
	say(two, "2[\"a\"]");
	say(two, "2[\"b\"]");
	EXPECT_HEARD("all a one a all a two b");
	assert_int_equal(sio_socket_off(first, "a", on_event, "other"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_socket_off(first, "a", on_event, "one"), 0);
	assert_int_equal(sio_socket_off(first, "a", on_event, "one"), SIO_ERR_NOT_FOUND);
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all a");
	assert_int_equal(sio_socket_on(first, "connect", on_event, NULL), SIO_ERR_RESERVED);
	assert_int_equal(sio_socket_once(first, "disconnect", on_event, NULL), SIO_ERR_RESERVED);
	assert_int_equal(sio_socket_on(first, "\xff", on_event, NULL), SIO_ERR_ARGUMENT);

	/* a listener of the namespace that disconnects the socket: the socket's own do not run */
	assert_int_equal(sio_on(main_nsp, "b", on_event_disconnect, "bye"), 0);
	say(two, "2[\"b\"]");
	EXPECT_HEARD("bye b");
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	fake_gone(two, EIO_TRANSPORT_CLOSE);
}

static void
test_once(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	one = client(0);
	assert_int_equal(sio_socket_once(last, "a", on_event_once, "once"), 0);
	assert_int_equal(sio_socket_once(last, "a", on_event_once, "again"), 0);
	say(one, "2[\"a\"]");
	say(one, "2[\"a\"]");
	EXPECT_HEARD("once a again a again a");
	fake_gone(one, EIO_TRANSPORT_CLOSE);
}

static void
on_left(sio_socket *s, const char *reason, void *arg)
{
	(void)arg;
	hear(reason);
	hear(sio_disconnect_details(s) != NULL ? sio_disconnect_details(s) : "-");
	assert_int_equal(sio_socket_on(s, "a", on_event, NULL), sio_connected(s) ? 0 : SIO_ERR_STATE);
	assert_int_equal(sio_socket_once(s, "a", on_event, NULL), sio_connected(s) ? 0 : SIO_ERR_STATE);
}

static void
test_details_of_a_disconnect(void **state)
{
	struct eio_session *one = client(0), *two = client(1), *three;

	(void)state;
	sio_on_disconnecting(main_nsp, on_left, NULL);
	sio_on_disconnect(main_nsp, on_left, NULL);
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	EXPECT_HEARD("transport close test transport close test");
	say(two, "1");
	EXPECT_HEARD("client namespace disconnect - client namespace disconnect -");
	fake_gone(two, EIO_TRANSPORT_CLOSE);
	EXPECT_HEARD("");

	/* the server disconnects a socket in the turn in which its client goes */
	sio_on_connection(main_nsp, keep_last, NULL);
	three = client(2);
	sio_disconnect(last, false);
	fake_gone(three, EIO_TRANSPORT_CLOSE);
	EXPECT_HEARD("server namespace disconnect - server namespace disconnect -");
}

static void
on_any(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	(void)event;
	hear(arg);
}

static void
on_connection(sio_socket *s, void *arg)
{
	(void)s;
	hear(arg);
}

static void
on_error(sio_socket *s, const char *message, void *arg)
{
	(void)s;
	(void)message;
	hear(arg);
}

static void
on_room(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	(void)nsp;
	(void)change;
	(void)room;
	(void)id;
	hear(arg);
}

static void
test_prepended_and_removed(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_any(main_nsp, on_any, "x");
	sio_prepend_any(main_nsp, on_any, "w");
	sio_on_any(main_nsp, on_any, "y");
	sio_on_any_outgoing(main_nsp, on_any, "o");
	sio_prepend_any_outgoing(main_nsp, on_any, "n");
	one = client(0);
	say(one, "2[\"a\"]");
	EXPECT_HEARD("w x y");
	assert_int_equal(sio_emit(sio_all(main_nsp), "e", NULL), 0);
	EXPECT_HEARD("n o");
	assert_int_equal(sio_off_any(main_nsp, on_any, "x"), 0);
	assert_int_equal(sio_off_any(main_nsp, on_any, "x"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_off_any_outgoing(main_nsp, on_any, "o"), 0);
	assert_int_equal(sio_off_any_outgoing(main_nsp, on_any, "o"), SIO_ERR_NOT_FOUND);
	say(one, "2[\"a\"]");
	assert_int_equal(sio_emit(sio_all(main_nsp), "e", NULL), 0);
	EXPECT_HEARD("w y n");
	assert_int_equal(sio_off_any(main_nsp, on_any, "w"), 0);
	assert_int_equal(sio_off_any(main_nsp, on_any, "y"), 0);
	assert_int_equal(sio_off_any_outgoing(main_nsp, on_any, "n"), 0);

#define CHECK_OFF(kind, fn)                                                                                          \
	do {                                                                                                         \
		sio_on_##kind(main_nsp, fn, "gone");                                                                 \
		sio_on_##kind(main_nsp, fn, #kind);                                                                  \
		assert_int_equal(sio_off_##kind(main_nsp, fn, "gone"), 0);                                           \
		assert_int_equal(sio_off_##kind(main_nsp, fn, "gone"), SIO_ERR_NOT_FOUND);                           \
	} while (0)

	CHECK_OFF(connection, on_connection);
	CHECK_OFF(upgrade, on_connection);
	CHECK_OFF(error, on_error);
	CHECK_OFF(room, on_room);
	sio_on_disconnecting(main_nsp, on_left, NULL);
	sio_on_disconnect(main_nsp, on_left, NULL);
	assert_int_equal(sio_off_disconnecting(main_nsp, on_left, NULL), 0);
	assert_int_equal(sio_off_disconnecting(main_nsp, on_left, NULL), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_off_disconnect(main_nsp, on_left, NULL), 0);
	assert_int_equal(sio_off_disconnect(main_nsp, on_left, NULL), SIO_ERR_NOT_FOUND);
	(void)client(1);
	EXPECT_HEARD("room room connection"); /* the own room is created and joined */
	sio_core_ops()->on_upgrade(one, one->owner);
	EXPECT_HEARD("upgrade");
	say(one, "2{");
	EXPECT_HEARD("error room room"); /* the client is closed and leaves its own room */
}

/* ------------------------------------------------------- what is on this node */

static void
name_socket(sio_socket *s, void *arg)
{
	(void)arg;
	hear(sio_string(sio_data(s), NULL));
}

static void
disconnect_all_others(sio_socket *s, void *arg)
{
	name_socket(s, arg);
	assert_int_equal(sio_disconnect_sockets(sio_local(sio_others(s)), false), 0);
}

static void
name_room(const char *room, unsigned sockets, void *arg)
{
	char line[64];

	assert_int_equal(sio_room_size(main_nsp, room), sockets);
	if (strlen(room) == 20)
		(*(unsigned *)arg)++;
	else
		hear((snprintf(line, sizeof line, "%s=%u", room, sockets), line));
	assert_int_equal(sio_join(last, "new"), SIO_ERR_STATE);
}

static void
test_local_sockets_and_rooms(void **state)
{
	unsigned own = 0;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	(void)client(0);
	assert_int_equal(sio_set_data(last, "s", "anna"), 0);
	assert_int_equal(sio_join(last, "red"), 0);
	(void)client(1);
	assert_int_equal(sio_set_data(last, "s", "ben"), 0);
	assert_int_equal(sio_join(last, "red"), 0);
	(void)client(2);
	assert_int_equal(sio_set_data(last, "s", "cleo"), 0);

	assert_int_equal(sio_local_sockets(sio_all(main_nsp), name_socket, NULL), 3);
	assert_int_equal(sio_local_sockets(sio_to(sio_all(main_nsp), "red"), name_socket, NULL), 2);
	assert_int_equal(sio_local_sockets(sio_except(sio_all(main_nsp), "red"), name_socket, NULL), 1);
	assert_int_equal(sio_local_sockets(sio_only(last), name_socket, NULL), 1);
	assert_int_equal(sio_local_sockets(sio_to(sio_all(main_nsp), "blue"), name_socket, NULL), 0);
	EXPECT_HEARD("anna ben cleo anna ben cleo cleo");

	assert_int_equal(sio_local_rooms(main_nsp, name_room, &own), 4);
	assert_int_equal(own, 3);
	EXPECT_HEARD("red=2");
	assert_int_equal(sio_room_size(main_nsp, "blue"), 0);
	assert_int_equal(sio_join(last, "new"), 0);

	assert_int_equal(sio_local_sockets(sio_all(main_nsp), disconnect_all_others, NULL), 1);
	EXPECT_HEARD("anna");
	fake_turn();
	assert_int_equal(sio_nsp_count(main_nsp), 1);
}

static void
test_all_headers(void **state)
{
	const char *name, *value;
	size_t cursor = 0;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	(void)client(0);
	while (sio_header_next(last, &cursor, &name, &value)) {
		hear(name);
		hear(value);
		assert_string_equal(value, sio_header(last, name));
	}
	EXPECT_HEARD("host localhost x-thing a\"b, c origin http://x");
	assert_false(sio_header_next(last, &cursor, &name, &value));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listeners_of_one_socket, start, stop),
		cmocka_unit_test_setup_teardown(test_once, start, stop),
		cmocka_unit_test_setup_teardown(test_details_of_a_disconnect, start, stop),
		cmocka_unit_test_setup_teardown(test_prepended_and_removed, start, stop),
		cmocka_unit_test_setup_teardown(test_local_sockets_and_rooms, start, stop),
		cmocka_unit_test_setup_teardown(test_all_headers, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
