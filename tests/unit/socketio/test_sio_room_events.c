/* The adapter's room events: created, joined, left, deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/cluster_bench.h"

static void
on_room(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	(void)arg;
	HEARD("%s %d %s %s", sio_nsp_name(nsp), change, room, id != NULL ? id : "-");
	for (unsigned i = 0; i < connected; i++) {
		assert_true(sio_join(sockets[i], "within") == SIO_ERR_STATE || !sio_connected(sockets[i]));
		sio_leave(sockets[i], room);
	}
	sio_emit(sio_local(sio_to(sio_all(nsp), room)), "changed", "");
}

static void
test_room_events(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	sio_on_room(main_nsp(), on_room, NULL);
	sio_join(sockets[0], "red");
	sio_join(sockets[0], "red");
	sio_join(sockets[1], "red");
	sio_join(sockets[1], sockets[1]->id);
	sio_leave(sockets[0], "red");
	sio_leave(sockets[0], "red");
	EXPECT_HEARD("/ 0 red -\n/ 2 red #0\n/ 2 red #1\n/ 3 red #0\n");
	EXPECT_SENT(1, "2[\"changed\"]\n2[\"changed\"]\n");
	sio_disconnect(sockets[1], false);
	connected = 0;
	fake_turn();
	buffer_reset(&fake_broker.log);
	assert_non_null(memmem(heard.data, heard.len, "/ 3 red ", 8));
	assert_non_null(memmem(heard.data, heard.len, "/ 1 red -", 9));
	buffer_reset(&heard);
	fake_receive(fake_open(7), false, "0", 1);
	assert_int_equal(connected, 1);
	EXPECT_HEARD("/ 0 #0 -\n/ 2 #0 #0\n");
	connected = 0;
	fake_stop();
	fake_broker_stop();
	buffer_fini(&heard);
}

static void
disconnect_whoever_joins(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	(void)room;
	(void)arg;
	if (change == SIO_ROOM_JOINED)
		sio_disconnect(sio_find(nsp, id), false);
}

/* A listener for a socket's own room may do anything: the client still gets the answer to its CONNECT first. */
static void
test_a_disconnect_in_the_own_rooms_listener(void **state)
{
	struct sio_options o = fake_options();
	struct eio_session *s;
	const char *got;

	(void)state;
	fake_start(&o);
	sio_on_room(sio_of(fake_io, "/"), disconnect_whoever_joins, NULL);
	s = fake_open(0);
	fake_receive(s, false, "0", 1);
	fake_turn();
	buffer_add_byte(&s->sent, '\0');
	got = (const char *)s->sent.data;
	assert_memory_equal(got, "0{\"sid\"", 7);
	assert_string_equal(strchr(got, '\n'), "\n1\n");
	assert_int_equal(sio_nsp_count(sio_of(fake_io, "/")), 0);
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_events),
		cmocka_unit_test(test_a_disconnect_in_the_own_rooms_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
