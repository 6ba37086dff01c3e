/*
 * Middlewares that answer later: their socket, a client that disconnects meanwhile, and the pointers that are freed
 * for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/fake_engine.h"

static sio_step *waiting;
static unsigned gone, freed;
static bool answer_when_gone;

static void
on_gone(sio_step *step, void *arg)
{
	assert_ptr_equal(step, waiting);
	assert_ptr_equal(arg, &gone);
	assert_null(sio_step_socket(step));
	gone++;
	if (answer_when_gone)
		sio_next(step);
}

static void
free_user(void *user)
{
	assert_ptr_equal(user, &freed);
	freed++;
	(void)sio_of(fake_io, "/"); /* the API may be used here */
}

static void
use_later(sio_socket *s, sio_step *step, void *arg)
{
	(void)arg;
	assert_ptr_equal(sio_step_socket(step), s);
	assert_int_equal(sio_set_user_free(s, &freed, free_user), 0);
	assert_int_equal(sio_step_on_gone(step, on_gone, &gone), 0);
	waiting = step;
}

static void
use_event_later(sio_socket *s, sio_event *event, sio_step *step, void *arg)
{
	(void)event;
	(void)arg;
	assert_ptr_equal(sio_step_socket(step), s);
	assert_int_equal(sio_step_on_gone(step, on_gone, &gone), 0);
	waiting = step;
}

static void
matches_later(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	(void)io;
	(void)name;
	(void)auth;
	(void)arg;
	assert_null(sio_step_socket(step));
	assert_int_equal(sio_step_on_gone(step, on_gone, &gone), 0);
	waiting = step;
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	assert_int_equal(freed, 0);
	assert_int_equal(sio_set_user_free(s, NULL, NULL), SIO_ERR_STATE);
	assert_ptr_equal(sio_user(s), &freed);
}

static int
start(void **state)
{
	struct sio_options o = fake_options();
	sio_nsp *slow;

	(void)state;
	fake_start(&o);
	slow = sio_of(fake_io, "/slow");
	sio_use(slow, use_later, NULL);
	sio_on_disconnect(slow, on_disconnect, NULL);
	sio_use_events(sio_of(fake_io, "/"), use_event_later, NULL);
	(void)sio_of_function(fake_io, matches_later, NULL);
	waiting = NULL;
	gone = freed = 0;
	answer_when_gone = false;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static struct eio_session *
client(const char *packet)
{
	struct eio_session *s = fake_open(0);

	fake_receive(s, false, packet, strlen(packet));
	fake_turn();
	return s;
}

static void
test_the_socket_of_a_step(void **state)
{
	struct eio_session *c = client("0/slow,");
	sio_socket *s = sio_step_socket(waiting);

	(void)state;
	assert_non_null(s);
	assert_false(sio_connected(s));
	assert_int_equal(sio_join(s, "room"), 0);
	sio_next(waiting);
	assert_int_equal(sio_step_on_gone(waiting, on_gone, NULL), SIO_ERR_STATE);
	fake_turn();
	assert_true(sio_connected(s));
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(gone, 0);
	assert_int_equal(freed, 1);
}

static void
test_the_client_goes_before_the_answer(void **state)
{
	struct eio_session *c = client("0/slow,");

	(void)state;
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	assert_null(sio_step_socket(waiting));
	assert_int_equal(gone, 0); /* not from within the engine's call */
	fake_turn();
	assert_int_equal(gone, 1);
	assert_int_equal(freed, 1);
	/* a second request calls on_gone() again */
	assert_int_equal(sio_step_on_gone(waiting, on_gone, &gone), 0);
	fake_turn();
	assert_int_equal(gone, 2);
	sio_next(waiting);
	fake_turn();
	assert_true(list_empty(&fake_io->steps));
}

static void
test_an_answer_after_the_client_has_gone(void **state)
{
	struct eio_session *c = client("0/slow,");

	(void)state;
	answer_when_gone = true;
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(gone, 1);
	assert_true(list_empty(&fake_io->steps));
}

static void
test_an_answer_before_the_client_is_reported_gone(void **state)
{
	struct eio_session *c = client("0/slow,");

	(void)state;
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	sio_refuse(waiting, NULL, NULL);
	fake_turn();
	assert_int_equal(gone, 0);
	assert_true(list_empty(&fake_io->steps));
}

static void
test_a_refused_socket_frees_its_user(void **state)
{
	(void)state;
	(void)client("0/slow,");
	sio_refuse(waiting, "no", NULL);
	fake_turn();
	assert_int_equal(freed, 1);
}

static void
test_a_pointer_that_was_taken_back(void **state)
{
	struct eio_session *c = client("0/slow,");

	(void)state;
	sio_set_user(sio_step_socket(waiting), &gone);
	sio_refuse(waiting, "no", NULL);
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(freed, 0);
}

static void
test_events_and_namespaces(void **state)
{
	struct eio_session *c = client("0");

	(void)state;
	fake_receive(c, false, "2[\"x\"]", 6);
	fake_turn();
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(gone, 1);
	sio_next(waiting);
	fake_turn();
	c = client("0/other,");
	assert_null(sio_step_socket(waiting));
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(gone, 2);
	sio_next(waiting);
	fake_turn();
	assert_true(list_empty(&fake_io->steps));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_socket_of_a_step, start, stop),
		cmocka_unit_test_setup_teardown(test_the_client_goes_before_the_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_an_answer_after_the_client_has_gone, start, stop),
		cmocka_unit_test_setup_teardown(test_an_answer_before_the_client_is_reported_gone, start, stop),
		cmocka_unit_test_setup_teardown(test_a_refused_socket_frees_its_user, start, stop),
		cmocka_unit_test_setup_teardown(test_a_pointer_that_was_taken_back, start, stop),
		cmocka_unit_test_setup_teardown(test_events_and_namespaces, start, stop),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("sio_steps", tests, NULL, NULL);
}
