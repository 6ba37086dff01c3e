/* Removal of middlewares and of the listeners of one socket, also while they run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_nsp.h"
#include "tests/unit/socketio/listening.h"

static sio_step *held;

static void
pass(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	hear(arg);
	sio_next(step);
}

static void
hold(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	hear(arg);
	held = step;
}

static void
remove_next(sio_socket *s, sio_step *step, void *arg)
{
	pass(s, step, arg);
	assert_int_equal(sio_unuse(main_nsp, pass, "second"), 0);
}

static void
pass_event(sio_socket *s, sio_event *event, sio_step *step, void *arg)
{
	(void)event;
	pass(s, step, arg);
}

static void
hold_event(sio_socket *s, sio_event *event, sio_step *step, void *arg)
{
	(void)event;
	hold(s, step, arg);
}

static void
remove_itself(sio_socket *s, sio_event *event, sio_step *step, void *arg)
{
	pass_event(s, event, step, arg);
	assert_int_equal(sio_unuse_events(main_nsp, remove_itself, arg), 0);
}

static void
test_middlewares_of_a_namespace(void **state)
{
	struct eio_session *one, *two;

	(void)state;
	sio_use(main_nsp, pass, "first");
	sio_use(main_nsp, pass, "second");
	one = client(0);
	EXPECT_HEARD("first second");
	assert_int_equal(sio_unuse(main_nsp, pass, "third"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_unuse(main_nsp, pass, "first"), 0);
	assert_int_equal(sio_unuse(main_nsp, pass, "first"), SIO_ERR_NOT_FOUND);
	two = client(1);
	EXPECT_HEARD("second");
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	fake_gone(two, EIO_TRANSPORT_CLOSE);
}

static void
test_a_chain_skips_what_was_removed_inside_it(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	sio_use(main_nsp, remove_next, "first");
	sio_use(main_nsp, pass, "second");
	sio_use(main_nsp, pass, "third");
	one = client(0);
	EXPECT_HEARD("first third");
	assert_true(sio_connected(last));
	fake_gone(one, EIO_TRANSPORT_CLOSE);
}

/* The argument of the removed middleware may be freed by then. */
static void
test_a_waiting_chain_skips_what_was_removed_meanwhile(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	sio_use(main_nsp, hold, "first");
	sio_use(main_nsp, pass, "second");
	last = NULL;
	one = client(0);
	EXPECT_HEARD("first");
	assert_int_equal(sio_unuse(main_nsp, hold, "first"), 0);
	assert_int_equal(sio_unuse(main_nsp, pass, "second"), 0);
	sio_next(held);
	fake_turn();
	EXPECT_HEARD("");
	assert_non_null(last);
	fake_gone(one, EIO_TRANSPORT_CLOSE);
}

static void
test_event_middlewares(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	assert_int_equal(sio_on(main_nsp, "a", on_event, "on"), 0);
	one = client(0);
	assert_int_equal(sio_socket_unuse(last, pass_event, "own"), SIO_ERR_NOT_FOUND);
	sio_use_events(main_nsp, remove_itself, "once");
	sio_use_events(main_nsp, pass_event, "all");
	sio_socket_use(last, pass_event, "own");
	say(one, "2[\"a\"]");
	EXPECT_HEARD("once all own on a");
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all own on a");
	assert_int_equal(sio_socket_unuse(last, pass_event, "own"), 0);
	assert_int_equal(sio_socket_unuse(last, pass_event, "own"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_unuse_events(main_nsp, pass_event, "own"), SIO_ERR_NOT_FOUND);
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all on a");

	/* while an event waits */
	sio_socket_use(last, hold_event, "wait");
	sio_socket_use(last, pass_event, "own");
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all wait");
	assert_int_equal(sio_socket_unuse(last, pass_event, "own"), 0);
	sio_next(held);
	fake_turn();
	EXPECT_HEARD("on a");
	fake_gone(one, EIO_TRANSPORT_CLOSE);
}

static void
off_any_itself(sio_socket *s, sio_event *event, void *arg)
{
	on_event(s, event, arg);
	assert_int_equal(sio_socket_off_any(s, off_any_itself, arg), 0);
	assert_int_equal(sio_socket_off_any(s, on_event, "last"), 0);
}

static void
test_any_listeners_of_one_socket(void **state)
{
	struct eio_session *one, *two;
	sio_socket *first;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	sio_on_any(main_nsp, on_event, "all");
	one = client(0);
	first = last;
	two = client(1);
	assert_int_equal(sio_socket_off_any(first, on_event, "one"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_socket_on_any(first, on_event, "one"), 0);
	assert_int_equal(sio_socket_prepend_any(first, on_event, "zero"), 0);
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all a zero a one a");
	say(two, "2[\"a\"]");
	EXPECT_HEARD("all a");
	assert_int_equal(sio_socket_off_any(first, on_event, "zero"), 0);
	assert_int_equal(sio_socket_prepend_any(first, off_any_itself, "self"), 0);
	assert_int_equal(sio_socket_on_any(first, on_event, "last"), 0);
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all a self a one a");
	say(one, "2[\"a\"]");
	EXPECT_HEARD("all a one a");
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	fake_gone(two, EIO_TRANSPORT_CLOSE);
}

static void
test_any_outgoing_listeners_of_one_socket(void **state)
{
	struct eio_session *one, *two;
	sio_socket *first;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	one = client(0);
	first = last;
	two = client(1);
	assert_int_equal(sio_socket_off_any_outgoing(first, on_event, "one"), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_socket_on_any_outgoing(first, on_event, "one"), 0);
	assert_int_equal(sio_socket_prepend_any_outgoing(first, on_event, "zero"), 0);
	assert_int_equal(sio_emit(sio_all(main_nsp), "a", NULL), 0);
	EXPECT_HEARD("zero a one a");
	assert_int_equal(sio_emit(sio_only(last), "b", NULL), 0);
	EXPECT_HEARD("");
	assert_int_equal(sio_emit(sio_only(first), "b", NULL), 0);
	EXPECT_HEARD("zero b one b");
	assert_int_equal(sio_socket_off_any_outgoing(first, on_event, "zero"), 0);
	assert_int_equal(sio_emit(sio_all(main_nsp), "a", NULL), 0);
	EXPECT_HEARD("one a");

	/* a namespace without sockets that have such listeners makes no event for them */
	assert_int_equal(main_nsp->any_outgoing_sockets, 1);
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(main_nsp->any_outgoing_sockets, 0);
	fake_gone(two, EIO_TRANSPORT_CLOSE);
}

static void
try_to_listen(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	assert_int_equal(sio_socket_on_any(s, on_event, NULL), SIO_ERR_STATE);
	assert_int_equal(sio_socket_prepend_any(s, on_event, NULL), SIO_ERR_STATE);
	assert_int_equal(sio_socket_on_any_outgoing(s, on_event, NULL), SIO_ERR_STATE);
	assert_int_equal(sio_socket_prepend_any_outgoing(s, on_event, NULL), SIO_ERR_STATE);
	assert_int_equal(sio_socket_off_any(s, on_event, "one"), 0);
	hear("tried");
}

static void
test_a_socket_that_has_left_takes_no_listeners(void **state)
{
	struct eio_session *one;

	(void)state;
	sio_on_connection(main_nsp, keep_last, NULL);
	sio_on_disconnect(main_nsp, try_to_listen, NULL);
	one = client(0);
	assert_int_equal(sio_socket_on_any(last, on_event, "one"), 0);
	fake_gone(one, EIO_TRANSPORT_CLOSE);
	fake_turn();
	EXPECT_HEARD("tried");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_middlewares_of_a_namespace, start, stop),
		cmocka_unit_test_setup_teardown(test_a_chain_skips_what_was_removed_inside_it, start, stop),
		cmocka_unit_test_setup_teardown(test_a_waiting_chain_skips_what_was_removed_meanwhile, start, stop),
		cmocka_unit_test_setup_teardown(test_event_middlewares, start, stop),
		cmocka_unit_test_setup_teardown(test_any_listeners_of_one_socket, start, stop),
		cmocka_unit_test_setup_teardown(test_any_outgoing_listeners_of_one_socket, start, stop),
		cmocka_unit_test_setup_teardown(test_a_socket_that_has_left_takes_no_listeners, start, stop),
	};

	return cmocka_run_group_tests_name("sio_removing", tests, NULL, NULL);
}
