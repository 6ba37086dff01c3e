/* Timers of the application: once, repeated, stopped at any moment, and their end with the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_timer.h"
#include "tests/unit/socketio/fake_engine.h"

static unsigned fired;
static sio_timer running;

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_start(&o);
	fired = 0;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static void
count(sio_server *io, void *arg)
{
	assert_ptr_equal(io, fake_io);
	fired += *(unsigned *)arg;
}

static unsigned one = 1, ten = 10;

static void
test_once_and_every(void **state)
{
	(void)state;
	assert_int_not_equal(sio_timer_once(fake_io, 50, count, &ten), 0);
	assert_int_not_equal(sio_timer_every(fake_io, 20, count, &one), 0);
	assert_int_equal(fired, 0);
	fake_sleep(19);
	assert_int_equal(fired, 0);
	fake_sleep(1);
	assert_int_equal(fired, 1);
	fake_sleep(20);
	assert_int_equal(fired, 2);
	fake_sleep(10);
	assert_int_equal(fired, 12);
	for (unsigned i = 0; i < 10; i++)
		fake_sleep(20);
	assert_int_equal(fired, 22);
}

static void
test_stop(void **state)
{
	sio_timer once = sio_timer_once(fake_io, 10, count, &one), every = sio_timer_every(fake_io, 10, count, &ten);

	(void)state;
	sio_timer_stop(fake_io, once);
	fake_sleep(10);
	assert_int_equal(fired, 10);
	sio_timer_stop(fake_io, every);
	fake_sleep(10);
	assert_int_equal(fired, 10);
	sio_timer_stop(fake_io, every); /* stale numbers and 0 are harmless */
	sio_timer_stop(fake_io, once);
	sio_timer_stop(fake_io, 0);
	assert_true(sio_timer_once(fake_io, 10, count, &one) > every);
}

static void
stop_itself_and_go_on(sio_server *io, void *arg)
{
	(void)arg;
	sio_timer_stop(io, running);
	sio_timer_stop(io, running);
	sio_timer_once(io, 0, count, &ten);
	fired++;
}

static void
test_a_timer_that_stops_itself(void **state)
{
	(void)state;
	running = sio_timer_every(fake_io, 0, stop_itself_and_go_on, NULL);
	fake_sleep(1);
	assert_int_equal(fired, 1);
	fake_sleep(1);
	fake_sleep(1);
	assert_int_equal(fired, 11);
}

static void
test_the_end_of_the_server(void **state)
{
	(void)state;
	(void)sio_timer_every(fake_io, 10, count, &one);
	sio_timers_stop(fake_io);
	fake_sleep(100);
	assert_int_equal(fired, 0);
	for (unsigned i = 0; i < 100; i++)
		(void)sio_timer_every(fake_io, i, count, &one); /* freed with the server */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once_and_every, start, stop),
		cmocka_unit_test_setup_teardown(test_stop, start, stop),
		cmocka_unit_test_setup_teardown(test_a_timer_that_stops_itself, start, stop),
		cmocka_unit_test_setup_teardown(test_the_end_of_the_server, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
