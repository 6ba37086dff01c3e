/* The raw entry with calls that cross: closing, owning and asking inside one another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/raw_app.h"

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	RAW_LOG("connection %d", sio_connected(s));
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)s;
	(void)arg;
	RAW_LOG("disconnect: %s", reason);
}

static void
on_heard(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	RAW_LOG("listener: %s", sio_event_name(e));
}

static void
listen_to_all(void)
{
	sio_nsp *root = sio_of(fake_io, "/");

	sio_on_connection(root, on_connection, NULL);
	sio_on_disconnect(root, on_disconnect, NULL);
	sio_on(root, "x", on_heard, NULL);
}

/* "connection" waits for the end of the turn, and no other event of the socket is delivered before it. */
static void
test_connection_comes_first(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	listen_to_all();
	app.goes_on = true;
	(void)fake_open(0);
	receive(0, "0");
	receive(0, "2[\"x\"]");
	EXPECT_LOG("app: connect / {}\nconnection 1\nlistener: x\n");
	fake_turn();
	EXPECT_LOG("");
	(void)fake_open(1);
	receive(1, "0");
	receive(1, "1");
	fake_turn();
	EXPECT_LOG("app: connect / {}\nconnection 1\napp: closed / client namespace disconnect in a room 0\n"
		   "disconnect: client namespace disconnect\n");
	(void)fake_open(2);
	receive(2, "0");
	sio_disconnect(socket_of(2), false);
	fake_turn();
	EXPECT_LOG("app: connect / {}\nconnection 0\napp: closed / server namespace disconnect in a room 0\n"
		   "disconnect: server namespace disconnect\n");
	(void)fake_open(3);
	receive(3, "0");
	fake_gone(client(3), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("app: connect / {}\nconnection 0\napp: closed / transport close, session too in a room 0\n"
		   "disconnect: transport close\n");
	stop();
}

static sio_step *waiting_step;

static void
wait_in_middleware(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	waiting_step = step;
}

static void
accept_and_disconnect(void *arg, sio_socket *s, struct text auth)
{
	raw_on_connect(arg, s, auth);
	sio_disconnect(s, false);
}

/* A job at the end of the turn accepts the socket, and a later one frees it before its own job runs. */
static void
test_accepted_and_closed_at_the_end_of_a_turn(void **state)
{
	struct sio_owner owner = raw_owner;

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	sio_raw_own(fake_io, TEXT("/"), NULL, NULL);
	owner.on_connect = accept_and_disconnect;
	sio_raw_own(fake_io, TEXT("/"), &owner, &app);
	listen_to_all();
	sio_use(sio_of(fake_io, "/"), wait_in_middleware, NULL);
	(void)fake_open(1);
	receive(1, "0");
	sio_next(waiting_step);
	sio_disconnect(socket_of(0), false);
	fake_turn();
	EXPECT_LOG(
		"app: connect / {}\napp: closed / server namespace disconnect in a room 0\n"
		"disconnect: server namespace disconnect\nconnection 0\n"
		"app: closed / server namespace disconnect in a room 0\ndisconnect: server namespace disconnect\n");
	fake_turn();
	stop();
}

static void
give_up(void *arg, sio_socket *s, const char *reason, bool session_closed)
{
	raw_on_closed(arg, s, reason, session_closed);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), NULL, NULL), 0);
}

static void
test_an_owner_leaves_while_it_hears_of_a_leaving_client(void **state)
{
	struct sio_owner owner = raw_owner;

	(void)state;
	start(BUS_FORM_ALONE);
	sio_raw_own(fake_io, TEXT("/"), NULL, NULL);
	owner.on_closed = give_up;
	sio_raw_own(fake_io, TEXT("/"), &owner, &app);
	app.later = true;
	for (unsigned i = 0; i < 3; i++) {
		(void)fake_open(i);
		receive(i, "0");
	}
	buffer_reset(&raw_log);
	fake_gone(client(1), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("app: closed / while it waited, session too in a room 0\n");
	EXPECT_SENT(0, "4{\"message\":\"Service unavailable\"}\n");
	EXPECT_SENT(2, "4{\"message\":\"Service unavailable\"}\n");
	stop();
}

static void
emit_and_log(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	assert_int_equal(sio_raw_emit(s, 0, &(struct sio_content){.json = TEXT("[\"another\",1]")}), 0);
	RAW_LOG("in the handler of %s", sio_event_name(e));
}

/* The name of a received event keeps its value, whatever its handler sends. */
static void
test_names_of_events_within_events(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	app.goes_on = true;
	sio_on(sio_of(fake_io, "/"), "x", emit_and_log, NULL);
	sio_on_any_outgoing(sio_of(fake_io, "/"), on_heard, NULL);
	receive(0, "2[\"x\"]");
	EXPECT_LOG("listener: another\nin the handler of x\n");
	EXPECT_SENT(0, "2[\"another\",1]\n");
	stop();
}

/* A question to a client that is leaving is answered at the end of the turn, unless the asker is gone by then. */
static void
test_forgotten_before_it_was_refused(void **state)
{
	struct sio_content question = raw_text("[\"question\"]");

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	sio_client_close(eio_owner(client(0)));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sio_raw_emit_ack(socket_of(0), 0, 0, &question,
					 &(struct sio_asker){.fn = raw_on_acked, .arg = i == 0 ? &app : &second}),
			0);
	sio_raw_forget(socket_of(0), &app);
	fake_turn();
	EXPECT_LOG(
		"app: closed / forced server close, session too in a room 0\nsecond: answer 0 error -10  with 0\n");
	stop();
}

static sio_socket *leaving;

static unsigned
count_of(const char *text)
{
	unsigned n = 0;
	const char *at;

	buffer_add_byte(&raw_log, '\0');
	for (at = (const char *)raw_log.data; (at = strstr(at, text)) != NULL; at++)
		n++;
	raw_log.len--;
	return n;
}

static void
forget_the_rest(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	raw_on_acked(io, error, answers, arg);
	sio_raw_forget(leaving, arg);
}

/* A socket leaves with three unanswered questions of one asker. On the first answer, the asker forgets the rest. */
static void
test_forgotten_while_answers_end(void **state)
{
	struct sio_content question = raw_text("[\"question\"]");

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	leaving = socket_of(0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sio_raw_emit_ack(leaving, 0, 0, &question,
					 &(struct sio_asker){.fn = forget_the_rest, .arg = &app, .number = i}),
			0);
	assert_int_equal(sio_raw_emit_ack(leaving, 0, 0, &question,
				 &(struct sio_asker){.fn = raw_on_acked, .arg = &second, .number = 3}),
		0);
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(count_of("app: answer"), 1);
	assert_int_equal(count_of("second: answer 3 error -10"), 1);
	buffer_reset(&raw_log);
	stop();
}

static void
refuse_all(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	sio_refuse(step, "the parent's", NULL);
}

/*
 * An owner of a name that matches a pattern owns the parent's child. The parent's middlewares run first, and the
 * child stays.
 */
static void
test_owned_by_a_name_that_fits_a_pattern(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	sio_use(sio_of_pattern(fake_io, "/p-.*", NULL), refuse_all, NULL);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/p-1"), &raw_owner, &app), 0);
	(void)fake_open(0);
	receive(0, "0/p-1,");
	fake_turn();
	EXPECT_LOG("");
	EXPECT_SENT(0, "4/p-1,{\"message\":\"the parent's\"}\n");
	fake_io->options.cleanup_empty_child_namespaces = 1;
	receive(0, "0/p-1,");
	fake_turn();
	EXPECT_SENT(0, "4/p-1,{\"message\":\"the parent's\"}\n");
	assert_non_null(sio_nsp_find(fake_io, TEXT("/p-1")));
	assert_int_equal(sio_raw_own(fake_io, TEXT("/p-1"), &raw_owner, &second), SIO_ERR_STATE);
	stop();
}

/* At max_children, a name that matches a pattern is not created outside its parent. */
static void
test_names_at_max_children(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	sio_use(sio_of_pattern(fake_io, "/p-.*", NULL), refuse_all, NULL);
	fake_io->options.max_children = 0;
	assert_null(sio_of(fake_io, "/p-1"));
	assert_int_equal(sio_raw_own(fake_io, TEXT("/p-1"), &raw_owner, &app), SIO_ERR_TOO_MANY);
	assert_null(sio_nsp_find(fake_io, TEXT("/p-1")));
	assert_non_null(sio_of(fake_io, "/q-1"));
	stop();
}

/*
 * A namespace that was named before its owner allowed it belongs to the owner too. An owner without on_namespace()
 * allows none.
 */
static void
test_owners_of_all_others(void **state)
{
	static struct sio_owner silent;

	(void)state;
	start(BUS_FORM_ALONE);
	sio_raw_own_others(fake_io, &silent, NULL);
	sio_raw_own_others(fake_io, &raw_owner, &second);
	(void)fake_open(0);
	assert_non_null(sio_of(fake_io, "/yes"));
	receive(0, "0/yes,");
	EXPECT_LOG("second: is there /yes? {}\nsecond: connect /yes {}\n");
	EXPECT_SENT(0, "0/yes,{\"sid\":\"*\"}\n");
	receive(0, "0/no,");
	EXPECT_LOG("second: is there /no? {}\n");
	EXPECT_SENT(0, "4/no,{\"message\":\"Invalid namespace\"}\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_comes_first),
		cmocka_unit_test(test_accepted_and_closed_at_the_end_of_a_turn),
		cmocka_unit_test(test_an_owner_leaves_while_it_hears_of_a_leaving_client),
		cmocka_unit_test(test_names_of_events_within_events),
		cmocka_unit_test(test_forgotten_before_it_was_refused),
		cmocka_unit_test(test_forgotten_while_answers_end),
		cmocka_unit_test(test_owned_by_a_name_that_fits_a_pattern),
		cmocka_unit_test(test_names_at_max_children),
		cmocka_unit_test(test_owners_of_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
