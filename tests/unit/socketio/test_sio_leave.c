/* Very many sockets that are disconnected at once leave over several turns, in order, whatever happens meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#define CLIENTS 8u
#define NAMESPACES 75u
#define ALL (CLIENTS * NAMESPACES)
#define PER_TURN 256u /* LEAVES_PER_TURN of sio_leave.c */

static char order[2 * ALL][2 * SIO_ID_LENGTH]; /* ids of sockets in the order of their "disconnect" listeners */
static unsigned left, connected;
static sio_socket *also; /* disconnected by the first listener */
static bool stopping;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)s;
	(void)arg;
	connected++;
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)arg;
	assert_string_equal(reason, stopping ? "server shutting down" : "server namespace disconnect");
	assert_false(sio_connected(s));
	assert_true(left < sizeof order / sizeof *order);
	(void)snprintf(order[left++], sizeof *order, "%s", sio_id(s));
	if (also != NULL)
		sio_disconnect(also, false);
	also = NULL;
}

static sio_nsp *
nsp_at(unsigned i)
{
	char name[32];

	(void)snprintf(name, sizeof name, "/n-%u", i);
	return sio_of(fake_io, name);
}

static void
join(struct eio_session *client, unsigned i)
{
	char packet[32];

	(void)snprintf(packet, sizeof packet, "0/n-%u,", i);
	fake_receive(client, false, packet, strlen(packet));
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	o.max_namespaces = NAMESPACES;
	fake_start(&o);
	left = connected = 0;
	stopping = false;
	also = NULL;
	for (unsigned i = 0; i < NAMESPACES; i++) {
		sio_on_connection(nsp_at(i), on_connection, NULL);
		sio_on_disconnect(nsp_at(i), on_disconnect, NULL);
	}
	for (unsigned c = 0; c < CLIENTS; c++) {
		struct eio_session *client = fake_open(c);

		for (unsigned i = 0; i < NAMESPACES; i++)
			join(client, i);
	}
	fake_turn();
	assert_int_equal(connected, ALL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	stopping = left == ALL - CLIENTS + 1 || left == ALL; /* the others were not disconnected before */
	fake_stop();
	return 0;
}

static void
disconnect_namespaces(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_int_equal(sio_disconnect_sockets(sio_all(nsp_at(i)), false), 0);
}

static void
turn(void)
{
	loop_finish_turn(&fake_loop);
}

static void
test_many_leave_over_several_turns(void **state)
{
	static char ids[ALL][2 * SIO_ID_LENGTH];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < NAMESPACES; i++) {
		struct list *it, *next;

		list_each(it, next, &nsp_at(i)->connected)(void)
			snprintf(ids[n++], sizeof *ids, "%s", container_of(it, struct sio_socket, link)->id);
	}
	assert_int_equal(n, ALL);
	disconnect_namespaces(0, NAMESPACES - 1);
	also = sio_find(nsp_at(NAMESPACES - 1), ids[ALL - 1]);
	turn();
	assert_int_equal(left, PER_TURN);
	assert_true(ev_is_active(&fake_loop.no_wait)); /* the next turn begins at once */
	assert_int_equal(nsp_at(0)->count, 0);
	turn();
	assert_int_equal(left, 2 * PER_TURN);
	turn();
	assert_int_equal(left, ALL - CLIENTS + 1);
	turn();
	assert_false(ev_is_active(&fake_loop.no_wait));
	for (unsigned i = 0; i < left - 1; i++)
		assert_string_equal(order[i], ids[i]);
	/* the socket that a listener has closed leaves after the sockets that waited */
	assert_string_equal(order[left - 1], ids[ALL - 1]);
}

/* A client connects again before its old socket has left: the old one leaves first, and the new one stays. */
static void
test_reconnect_meanwhile(void **state)
{
	struct eio_session *client = &fake_engine.sessions[CLIENTS - 1];

	(void)state;
	disconnect_namespaces(0, NAMESPACES);
	turn();
	assert_int_equal(left, PER_TURN);
	client->unsent = false; /* the client has read all that was sent */
	join(client, NAMESPACES - 1);
	assert_int_equal(left, PER_TURN + 1);
	assert_int_equal(connected, ALL + 1);
	assert_int_equal(nsp_at(NAMESPACES - 1)->count, 1);
	fake_turn();
	fake_turn();
	assert_int_equal(left, ALL);
	assert_int_equal(nsp_at(NAMESPACES - 1)->count, 1);
	disconnect_namespaces(NAMESPACES - 1, NAMESPACES);
	fake_turn();
	assert_int_equal(left, ALL + 1);
}

/* A client goes: its sockets leave at once, for the reason for which they were closed. */
static void
test_client_goes_meanwhile(void **state)
{
	(void)state;
	disconnect_namespaces(0, NAMESPACES);
	turn();
	assert_int_equal(left, PER_TURN);
	fake_gone(&fake_engine.sessions[CLIENTS - 1], EIO_TRANSPORT_CLOSE);
	assert_int_equal(left, PER_TURN + NAMESPACES - PER_TURN / CLIENTS);
	turn();
	turn();
	assert_int_equal(left, ALL);
}

/* stop() closes the server while sockets wait. */
static void
test_server_closes_meanwhile(void **state)
{
	(void)state;
	disconnect_namespaces(0, NAMESPACES);
	turn();
	assert_int_equal(left, PER_TURN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_leave_over_several_turns, start, stop),
		cmocka_unit_test_setup_teardown(test_reconnect_meanwhile, start, stop),
		cmocka_unit_test_setup_teardown(test_client_goes_meanwhile, start, stop),
		cmocka_unit_test_setup_teardown(test_server_closes_meanwhile, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
