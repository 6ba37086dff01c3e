/*
 * What the tests of one worker's connection state recovery share: a server with a window of two minutes, events with
 * numbers, and a client that comes back. One file of a program includes this header.
 */
#ifndef TESTS_UNIT_SOCKETIO_RECOVERING_CASES_H
#define TESTS_UNIT_SOCKETIO_RECOVERING_CASES_H

#include "tests/unit/socketio/recovering.h"

static inline void
window_is_2_minutes(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->loss_notice = 45000;
}

static inline int
set_up(void **state)
{
	(void)state;
	recovering_start(window_is_2_minutes);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	recovering_stop();
	return 0;
}

static inline void
emit(int number)
{
	assert_int_equal(sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", number), 0);
}

/* Asserts that the client comes back as the same socket and has got exactly `count` events, 1 to count. */
static inline void
assert_back(struct recovering *c, unsigned count)
{
	recovering_return(c);
	assert_true(c->recovered);
	assert_int_equal(c->count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(c->got[i], i + 1);
}

#endif
