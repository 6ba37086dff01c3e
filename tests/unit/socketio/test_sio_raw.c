/* The raw entry: a whole application that uses it, and the calls that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/raw_app.h"

/* ----------------------------------------------------- the application */

static void
test_echo(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	receive(0, "2[\"x\", {\"a\" : [1.50,\"\\u00e4\"]}]");
	EXPECT_SENT(0, "2[\"x\", {\"a\" : [1.50,\"\\u00e4\"]}]\n");
	receive(0, "27[\"x\",1,\"two\"]");
	EXPECT_SENT(0, "2[\"x\",1,\"two\"]\n37[1,\"two\"]\n");
	receive(0, "20[42]");
	EXPECT_SENT(0, "2[42]\n30[]\n");
	/* in a packet without attachments, what looks like a placeholder is an ordinary object */
	receive(0, "2[\"x\"," P(0) "]");
	EXPECT_SENT(0, "2[\"x\"," P(0) "]\n");
	stop();
}

static void
test_binary_both_ways(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	receive(0, "52-3[\"x\",{\"deep\":[" P(1) "]}," P(0) "]");
	fake_receive(client(0), true, "\x01\x02", 2);
	fake_receive(client(0), true, "\xff", 1);
	EXPECT_SENT(0, "52-[\"x\",{\"deep\":[" P(1) "]}," P(0) "]\n(0102\n(ff\n"
							       "62-3[{\"deep\":[" P(1) "]}," P(0) "]\n(0102\n(ff\n");
	stop();
}

static void
test_rooms(void **state)
{
	(void)state;
	start(BUS_FORM_REDIS);
	for (unsigned i = 0; i < 3; i++)
		joined(i);
	receive(0, "2[\"join\",\"r\"]");
	receive(1, "2[\"join\",\"r\"]");
	receive(2, "2[\"say\",\"r\",1]");
	EXPECT_SENT(0, "2[\"say\",\"r\",1]\n");
	EXPECT_SENT(1, "2[\"say\",\"r\",1]\n");
	EXPECT_SENT(2, "");
	EXPECT_OUT("broadcast / +r [\"say\",\"r\",1]\n");
	receive(0, "2[\"leave\",\"r\"]");
	receive(2, "2[\"say\",\"r\",2]");
	EXPECT_SENT(0, "");
	EXPECT_SENT(1, "2[\"say\",\"r\",2]\n");
	receive(1, "1");
	EXPECT_LOG("app: closed / client namespace disconnect in a room 1\n");
	fake_gone(client(0), EIO_PING_TIMEOUT);
	EXPECT_LOG("app: closed / ping timeout, session too in a room 0\n");
	stop();
}

static void
test_acknowledgements(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	receive(0, "2[\"ask\"]");
	EXPECT_SENT(0, "20[\"question\"]\n");
	receive(0, "30[\"answer\",2]");
	EXPECT_LOG("app: ask 0\napp: answer 7 error 0 [\"answer\",2] with 0\n");
	receive(0, "2[\"ask\"]");
	receive(0, "61-1[" P(0) "]");
	fake_receive(client(0), true, "x", 1);
	EXPECT_LOG("app: ask 0\napp: answer 7 error 0 [" P(0) "] with 1\n");
	receive(0, "2[\"ask\"]");
	fake_sleep(1001);
	EXPECT_LOG("app: ask 0\napp: answer 7 error -13  with 0\n");
	receive(0, "32[1]");
	/* the asker is gone: its questions are forgotten, but not the questions of others */
	receive(0, "2[\"ask\"]");
	sio_raw_emit_ack(socket_of(0), 0, 0, &(struct sio_content){.json = TEXT("[\"other\"]")},
		&(struct sio_asker){.fn = raw_on_acked, .arg = &second, .number = 8});
	sio_raw_forget(socket_of(0), &app);
	receive(0, "33[1]");
	EXPECT_LOG("app: ask 0\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("app: closed / transport close, session too in a room 0\nsecond: answer 8 error -10  with 0\n");
	stop();
}

/* -------------------------------------------------------------- connects */

static void
test_answered_later(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	app.later = true;
	for (unsigned i = 0; i < 4; i++) {
		(void)fake_open(i);
		receive(i, "0{\"token\":1}");
		fake_turn();
		EXPECT_SENT(i, "");
	}
	EXPECT_LOG("app: connect / {\"token\":1}\napp: connect / {\"token\":1}\napp: connect / {\"token\":1}\n"
		   "app: connect / {\"token\":1}\n");
	assert_int_equal(sio_nsp_count(sio_of(fake_io, "/")), 0);
	/* while a connect waits, packets can be sent but events are not received */
	assert_int_equal(sio_raw_emit(app.waiting[0], 0, &(struct sio_content){.json = TEXT("[\"early\"]")}), 0);
	raw_app_accept(&app, app.waiting[0]);
	assert_int_equal(sio_nsp_count(sio_of(fake_io, "/")), 1);
	assert_int_equal(sio_raw_accept(app.waiting[0]), SIO_ERR_STATE);
	assert_int_equal(sio_raw_refuse(app.waiting[0], "", TEXT_NONE), SIO_ERR_STATE);
	assert_ptr_equal(sio_raw_find(sio_of(fake_io, "/"), text_from(sio_id(app.waiting[0]))), app.waiting[0]);
	assert_ptr_equal(sio_raw_owned(app.waiting[0]), &app);
	assert_true(text_is(sio_raw_session(app.waiting[0]), eio_sid(client(0))));
	EXPECT_SENT(0, "2[\"early\"]\n0{\"sid\":\"*\"}\n");
	assert_int_equal(sio_raw_refuse(app.waiting[1], "no \"entry\"", TEXT(" {\"code\":7} ")), 0);
	EXPECT_SENT(1, "4{\"message\":\"no \\\"entry\\\"\",\"data\":{\"code\":7}}\n");
	assert_int_equal(sio_raw_refuse(app.waiting[2], NULL, TEXT("{")), SIO_ERR_ARGUMENT);
	EXPECT_SENT(2, "4{\"message\":\"\"}\n");
	fake_turn();
	EXPECT_LOG("");
	/* the client disconnects before the answer */
	fake_gone(client(3), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("app: closed / while it waited, session too in a room 0\n");
	fake_turn();
	stop();
}

static void
test_a_leaving_client(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	app.later = true;
	(void)fake_open(0);
	receive(0, "0");
	sio_client_close(eio_owner(client(0)));
	assert_int_equal(sio_raw_accept(app.waiting[0]), 0);
	assert_false(sio_connected(app.waiting[0]));
	fake_turn();
	EXPECT_LOG("app: connect / {}\napp: closed / while it waited, session too in a room 0\n");
	stop();
}

static unsigned connections;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)s;
	(void)arg;
	connections++;
}

static void
on_heard(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	RAW_LOG("listener: %s/%u", sio_event_name(e), sio_argc(e));
}

/* Listeners inside the process hear the events that the owner lets pass, after the owner. */
static void
test_listeners_come_after(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	connections = 0;
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	sio_on_any(sio_of(fake_io, "/"), on_heard, NULL);
	sio_on(sio_of(fake_io, "/"), "x", on_heard, NULL);
	app.later = true;
	(void)fake_open(0);
	receive(0, "0");
	raw_app_accept(&app, app.waiting[0]);
	assert_int_equal(connections, 0); /* no callback runs inside the call */
	fake_turn();
	assert_int_equal(connections, 1);
	EXPECT_LOG("app: connect / {}\n");
	receive(0, "2[\"x\",1]");
	EXPECT_LOG("");
	app.goes_on = true;
	receive(0, "2[\"x\",1]");
	EXPECT_LOG("listener: x/1\nlistener: x/1\n");
	stop();
}

static void
on_gone(sio_step *step, void *arg)
{
	(void)step;
	RAW_LOG("%s: gone", (const char *)arg);
}

static void
test_unknown_namespaces(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	sio_raw_own_others(fake_io, &raw_owner, &second);
	(void)fake_open(0);
	receive(0, "0/yes,{\"a\":1}");
	EXPECT_LOG("second: is there /yes? {\"a\":1}\nsecond: connect /yes {\"a\":1}\n");
	EXPECT_SENT(0, "0/yes,{\"sid\":\"*\"}\n");
	receive(0, "2/yes,[\"x\"]");
	EXPECT_SENT(0, "2/yes,[\"x\"]\n");
	receive(0, "0/no,");
	EXPECT_LOG("second: is there /no? {}\n");
	EXPECT_SENT(0, "4/no,{\"message\":\"Invalid namespace\"}\n");
	receive(0, "0/later,");
	EXPECT_SENT(0, "");
	sio_next(second.step);
	fake_turn();
	EXPECT_SENT(0, "0/later,{\"sid\":\"*\"}\n");
	EXPECT_LOG("second: is there /later? {}\nsecond: connect /later {}\n");
	/* another client disconnects while the owner is asked about it */
	second.step = NULL;
	(void)fake_open(1);
	receive(1, "0/nowhere,");
	EXPECT_SENT(1, "4/nowhere,{\"message\":\"Invalid namespace\"}\n");
	buffer_reset(&raw_log);
	sio_of(fake_io, "/mine");
	receive(1, "0/mine,");
	EXPECT_LOG("second: is there /mine? {}\n");
	stop();
	start(BUS_FORM_ALONE);
	sio_raw_own_others(fake_io, &raw_owner, &second);
	(void)fake_open(0);
	receive(0, "0/later,");
	assert_int_equal(sio_step_on_gone(second.step, on_gone, "step"), 0);
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	fake_turn();
	EXPECT_LOG("second: is there /later? {}\nstep: gone\n");
	sio_next(second.step);
	fake_turn();
	assert_null(sio_nsp_find(fake_io, TEXT("/later")));
	stop();
}

/* A socket outlives its owner and passes to the next one. */
static void
test_owners_change(void **state)
{
	sio_socket *s;

	(void)state;
	start(BUS_FORM_ALONE);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), &raw_owner, &app), 0);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), &raw_owner, &second), SIO_ERR_STATE);
	assert_int_equal(sio_raw_own(fake_io, TEXT("x"), &raw_owner, &app), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_raw_own(fake_io, text_of("/a\0b", 4), &raw_owner, &app), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/new"), &raw_owner, &app), 0);
	joined(0);
	s = socket_of(0);
	receive(0, "2[\"join\",\"r\"]");
	app.later = true;
	(void)fake_open(1);
	receive(1, "0");
	buffer_reset(&raw_log);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), NULL, NULL), 0);
	EXPECT_SENT(1, "4{\"message\":\"Service unavailable\"}\n");
	receive(0, "2[\"lost\"]");
	EXPECT_SENT(0, "");
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), &raw_owner, &second), 0);
	assert_ptr_equal(socket_of(0), s);
	assert_true(sio_in_room(s, "r"));
	assert_ptr_equal(sio_raw_owned(s), &app);
	sio_raw_set_owned(s, &second);
	receive(0, "2[\"kept\"]");
	EXPECT_SENT(0, "2[\"kept\"]\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("second: closed / transport close, session too in a room 1\n");
	app.sockets = 0;
	stop();
}

/* socket.data and its attachments have a limit, and count in the budget as long as the socket exists. */
static void
test_data_is_limited_and_counted(void **state)
{
	struct attachments a;
	struct sio_content data = {.json = TEXT("{\"picture\":" P(0) "}"), .attachments = &a};
	char bytes[1000] = "";
	struct block *b = block_copy(bytes, 600), *large = block_copy(bytes, sizeof bytes),
		     *empty = block_copy(bytes, 0);
	uint64_t idle;

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	idle = client(0)->held;
	attachments_init(&a);
	attachments_add(&a, b);
	assert_int_equal(sio_raw_set_data(socket_of(0), &data), 0);
	assert_in_range(client(0)->held, idle + 600, idle + 1000);
	assert_int_equal(sio_set_data(socket_of(0), "s", "small"), 0);
	assert_in_range(client(0)->held, idle + 7, idle + 400);
	attachments_add(&a, large);
	assert_int_equal(sio_raw_set_data(socket_of(0), &data), SIO_ERR_TOO_BIG);
	attachments_cut(&a, 1);
	while (a.count <= MSGPACK_ATTACHMENTS_MAX)
		attachments_add(&a, empty);
	assert_int_equal(sio_raw_set_data(socket_of(0), &data), SIO_ERR_TOO_MANY);
	receive(0, "1");
	assert_in_range(client(0)->held, 0, idle);
	buffer_reset(&raw_log);
	attachments_fini(&a);
	block_unref(b);
	block_unref(large);
	block_unref(empty);
	stop();
}

/* ------------------------------------------------ what else an owner hears */

static void
hears_room(void *arg, sio_socket *s, bool joined, struct text room)
{
	(void)arg;
	RAW_LOG("%s %.*s", joined ? "joined" : "left", text_is(room, text_from(sio_id(s))) ? 3 : (int)room.n,
		text_is(room, text_from(sio_id(s))) ? "own" : room.at);
	if (joined) /* rooms do not change meanwhile */
		assert_int_equal(sio_join(s, "another"), SIO_ERR_STATE);
}

static void
hears_connect(void *arg, sio_socket *s, struct text auth)
{
	(void)arg;
	(void)auth;
	(void)sio_raw_accept(s);
}

static void
test_rooms_are_told(void **state)
{
	static const struct sio_owner hears = {.on_connect = hears_connect, .on_room = hears_room};

	(void)state;
	start(BUS_FORM_ALONE);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/heard"), &hears, NULL), 0);
	(void)fake_open(0);
	receive(0, "0/heard,");
	EXPECT_LOG("joined own\n");
	assert_int_equal(sio_join(socket_of(0), "r"), 0);
	assert_int_equal(sio_join(socket_of(0), "r"), 0);
	sio_leave(socket_of(0), "nowhere");
	sio_leave(socket_of(0), "r");
	EXPECT_LOG("joined r\nleft r\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("left own\n");
	stop();
}

static void
hears_open(void *arg, struct eio_session *session, uint32_t with)
{
	(void)arg;
	RAW_LOG("open %c %u", *eio_sid(session).at, with);
}

static void
hears_upgrade(void *arg, struct eio_session *session)
{
	(void)arg;
	RAW_LOG("upgrade %c", *eio_sid(session).at);
}

static void
hears_gone(void *arg, struct eio_session *session, const char *reason)
{
	(void)arg;
	RAW_LOG("gone %c %s", *eio_sid(session).at, reason);
}

/* The owner also hears about clients without sockets, and about clients whose sockets have left. */
static void
test_clients_are_watched(void **state)
{
	static const struct sio_watcher hears = {
		.on_open = hears_open, .on_upgrade = hears_upgrade, .on_gone = hears_gone};

	(void)state;
	start(BUS_FORM_ALONE);
	sio_raw_watch(fake_io, &hears, NULL);
	fake_ticket = 5;
	(void)fake_open(0);
	fake_ticket = 0;
	(void)fake_open(1);
	receive(1, "0");
	sio_core_ops()->on_upgrade(client(0), client(0)->owner);
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	fake_gone(client(1), EIO_PING_TIMEOUT);
	EXPECT_LOG("open a 5\nopen b 0\napp: connect / {}\nupgrade a\ngone a transport close\n"
		   "app: closed / ping timeout, session too in a room 0\ngone b ping timeout\n");
	stop();
}

static void
says_why(void *arg, sio_step *step, struct text name, struct text auth)
{
	(void)arg;
	(void)name;
	(void)auth;
	(void)sio_refuse(step, "Service unavailable", NULL);
}

static void
test_the_owners_word_for_a_refusal(void **state)
{
	static const struct sio_owner says = {.on_namespace = says_why};

	(void)state;
	start(BUS_FORM_ALONE);
	sio_raw_own_others(fake_io, &says, NULL);
	(void)fake_open(0);
	receive(0, "0/x,");
	EXPECT_SENT(0, "4/x,{\"message\":\"Service unavailable\"}\n");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_binary_both_ways),
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_acknowledgements),
		cmocka_unit_test(test_answered_later),
		cmocka_unit_test(test_a_leaving_client),
		cmocka_unit_test(test_listeners_come_after),
		cmocka_unit_test(test_unknown_namespaces),
		cmocka_unit_test(test_owners_change),
		cmocka_unit_test(test_data_is_limited_and_counted),
		cmocka_unit_test(test_rooms_are_told),
		cmocka_unit_test(test_clients_are_watched),
		cmocka_unit_test(test_the_owners_word_for_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
