/* What an admin gets: the sockets that exist when it connects, and the events of a backend application. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/members.h"
#include "node/adminui/adminui.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_raw.h"
#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/fake_broker.h"

#define LONG 100000 /* bytes; a list of sockets exceeds the limit of fake_start() */
#define SERVERS 2   /* this server, and a Node.js server */
#define ANSWER "[{\"id\":\"far\",\"rooms\":[\"far\"],\"data\":{},\"handshake\":{\"issued\":0}}]"

static const struct adminui_options options = {.enabled = true, .users = "none", .mode = ADMINUI_DEVELOPMENT};
static struct adminui *ui;
static struct members *members;

void
eio_stats(const struct eio_server *engine, struct eio_stats *out)
{
	memset(out, 0, sizeof *out);
	out->sessions = eio_count(engine);
}

enum eio_close_reason
eio_cause_reason(enum eio_cause cause)
{
	(void)cause;
	return EIO_FORCED_CLOSE;
}

/* ------------------------------------------------------------- the cluster */

static bool
announce(void *arg, const struct beat *beat)
{
	(void)arg;
	(void)beat;
	return true;
}

static void
describe(void *arg, struct beat *beat)
{
	(void)arg;
	(void)beat;
}

static bool
ask_servers(void *arg, struct bus_count *query)
{
	(void)arg;
	query->answer(query, SERVERS);
	return false;
}

static bool
ask_strangers(void *arg, struct bus_count *query)
{
	(void)arg;
	query->answer(query, 0);
	return false;
}

static void
on_change(void *arg)
{
	(void)arg;
}

static const struct members_ops ops = {
	.announce = announce,
	.describe = describe,
	.ask_servers = ask_servers,
	.ask_strangers = ask_strangers,
	.ask_others = ask_strangers,
	.on_change = on_change,
};

static void
receive(unsigned session, const char *text)
{
	fake_receive(&fake_engine.sessions[session], false, text, strlen(text));
	fake_turn();
}

/* A server whose namespaces "/room-..." are freed with their last socket. */
static void
start(void)
{
	static const struct members_options alone_here = {.interval_ms = 1000};
	struct sio_options sio = fake_options();
	struct adminui_setup setup = {.loop = &fake_loop, .engine = &fake_engine, .options = &options};

	sio.cleanup_empty_child_namespaces = 1;
	fake_start(&sio);
	sio_core_attach(fake_io, &fake_engine, &sio, LONG, LONG);
	fake_broker_start(BUS_FORM_HUB);
	members = members_new(&fake_loop, &alone_here, &ops, NULL);
	fake_broker.members = members;
	fake_sleep(1);
	sio_of(fake_io, "/");
	sio_of_pattern(fake_io, "/room-.*", NULL);
	setup.io = fake_io;
	ui = adminui_new(&setup);
	assert_non_null(ui);
	sio_core_set_broker(fake_io, &fake_broker);
	assert_int_equal(sio_foreign_servers(fake_io), 1);
}

static void
stop(void)
{
	adminui_stop(ui);
	sio_core_close(fake_io);
	fake_turn();
	adminui_free(ui);
	fake_stop();
	members_free(members);
	fake_broker_stop();
}

/* Plays the Node.js server: answers every question of the admin UI. */
static void
answer_all(void)
{
	for (unsigned i = 0; i < fake_broker.asked; i++) {
		if (fake_broker.waiting[i])
			fake_broker.questions[i].on_answer(fake_broker.questions[i].arg, TEXT(ANSWER), NULL);
	}
}

static bool
is_sent(unsigned session, const char *wanted)
{
	struct buffer *sent = &fake_engine.sessions[session].sent;

	return sent->len != 0 && memmem(sent->data, sent->len, wanted, strlen(wanted)) != NULL;
}

/* ------------------------------------------------------------------- tests */

static void
test_sockets_of_other_servers_are_listed(void **state)
{
	(void)state;
	start();
	fake_open(0);
	receive(0, "0/admin,");
	answer_all();
	for (unsigned i = 0; i < fake_broker.asked; i++) {
		if (fake_broker.waiting[i])
			fake_broker_end(i + 1, 0, 1, 0, 0);
	}
	fake_turn();
	fake_sleep(20);
	assert_true(is_sent(0, "\"socket_connected\",{\"id\":\"far\""));
	stop();
}

/* The last socket of a namespace leaves after one server has answered and before the others have. */
static void
test_a_namespace_ends_during_the_question(void **state)
{
	(void)state;
	start();
	fake_open(1);
	receive(1, "0/room-1,");
	fake_open(0);
	receive(0, "0/admin,");
	answer_all();
	receive(1, "1/room-1,"); /* the broker ends the questions of the namespace */
	assert_null(sio_raw_nsp(fake_io, TEXT("/room-1")));
	fake_sleep(20);
	assert_true(is_sent(0, "\"nsp\":\"/room-1\""));
	stop();
}

#define NAME(first) "/" first "-\\\"]" /* as JSON */
#define ID(first) NAME(first) "#bbbbbbbbbbbbbbbbbbbb"

/* The id of a Socket.IO 2 client begins with the name of its namespace, which such a client may have chosen. */
static void
test_sockets_with_a_namespace_in_their_id(void **state)
{
	(void)state;
	start();
	fake_revision = 3;
	fake_open(1);
	receive(1, "0/room-\"]");
	fake_revision = 4;
	fake_open(0);
	receive(0, "0/admin,");
	assert_true(is_sent(0, "\"all_sockets\",[{"));
	assert_true(is_sent(0, "{\"id\":\"" ID("room") "\""));
	stop();
}

static void
owner_on_connect(void *arg, sio_socket *socket, struct text auth)
{
	(void)arg;
	(void)auth;
	assert_int_equal(sio_raw_accept(socket), 0);
}

static bool
owner_on_event(void *arg, sio_socket *socket, const struct sio_raw_event *event)
{
	(void)arg;
	(void)socket;
	(void)event;
	return false;
}

static void
owner_on_namespace(void *arg, sio_step *step, struct text name, struct text auth)
{
	(void)arg;
	(void)name;
	(void)auth;
	sio_next(step);
}

static void
owner_on_closed(void *arg, sio_socket *socket, const char *reason, bool session_closed)
{
	(void)arg;
	(void)socket;
	(void)reason;
	(void)session_closed;
}

static void
test_events_of_a_socket_with_a_namespace_in_its_id(void **state)
{
	static const struct sio_owner owner = {
		.on_namespace = owner_on_namespace,
		.on_connect = owner_on_connect,
		.on_event = owner_on_event,
		.on_closed = owner_on_closed,
	};

	(void)state;
	start();
	sio_raw_own_others(fake_io, &owner, NULL);
	fake_open(0);
	receive(0, "0/admin,");
	fake_revision = 3;
	fake_open(1);
	receive(1, "0/own-\"]");
	fake_revision = 4;
	receive(1, "2/own-\"],[\"hello\",1]");
	assert_true(is_sent(0, "[\"event_received\",\"" NAME("own") "\",\"" ID("own") "\",[\"hello\",1],"));
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets_of_other_servers_are_listed),
		cmocka_unit_test(test_a_namespace_ends_during_the_question),
		cmocka_unit_test(test_sockets_with_a_namespace_in_their_id),
		cmocka_unit_test(test_events_of_a_socket_with_a_namespace_in_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
