/*
 * Which clients a drain closes when memory for the list of all clients is missing, and when a drain ends. The test
 * replaces the engine and the clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <ev.h>

#include "common/base/must.h"
#include "node/process/drain.h"
#include "node/socketio/sio_core.h"
#include "tests/unit/faults.h"

#define SESSIONS 1000

struct eio_session {
	char sid[EIO_SID_LENGTH];
};

static struct eio_session sessions[SESSIONS];
static unsigned open_now, named, told, over;
static bool posts_under_way;

unsigned
eio_count(const struct eio_server *e)
{
	(void)e;
	return open_now;
}

bool
eio_awaits_posts(const struct eio_server *e)
{
	(void)e;
	return posts_under_way;
}

struct eio_session *
eio_next(const struct eio_server *e, struct table_cursor *cursor)
{
	(void)e, (void)cursor;
	return named < SESSIONS ? &sessions[named++] : NULL;
}

struct text
eio_sid(const struct eio_session *s)
{
	return text_of(s->sid, EIO_SID_LENGTH);
}

void
eio_server_drain(struct eio_server *e)
{
	(void)e;
}

void
sio_core_part(struct sio_server *io, struct text sid)
{
	(void)io;
	assert_int_equal(sid.n, EIO_SID_LENGTH);
	told++;
}

static void
is_over(struct drain *d)
{
	(void)d;
	over++;
}

static void
test_as_many_as_there_is_memory_for(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct drain d = {.over = is_over};
	struct loop l;

	(void)state;
	loop_init(&l, ev);
	open_now = SESSIONS;
	fault_above = SESSIONS * EIO_SID_LENGTH / 3;
	drain_start(&d, &l, NULL, NULL, 100);
	fault_above = SIZE_MAX;
	assert_int_equal(l.counters.value[COUNT_NO_MEMORY], 2);
	for (unsigned ms = 0; ms < 200 && over == 0; ms += 10) {
		l.now += 10;
		wheel_run(l.wheel, l.now);
	}
	assert_int_equal(told, SESSIONS / 4);
	assert_int_equal(over, 1);
	loop_fini(&l);
	ev_loop_destroy(ev);
}

static bool may_end_now;

static bool
may_end(struct drain *d, bool empty)
{
	(void)d;
	return empty && may_end_now;
}

static void
run_for(struct loop *l, unsigned ms)
{
	for (; ms > 0; ms -= 10) {
		l->now += 10;
		wheel_run(l->wheel, l->now);
	}
}

/* An empty drain goes on until its owner lets it end, or until the time is over. */
static void
test_ends_when_it_may(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct drain d = {.over = is_over, .may_end = may_end};
	struct loop l;

	(void)state;
	loop_init(&l, ev);
	over = open_now = 0;
	drain_start(&d, &l, NULL, NULL, 1000);
	run_for(&l, 500);
	assert_int_equal(over, 0);
	may_end_now = true;
	run_for(&l, 20);
	assert_int_equal(over, 1);
	may_end_now = false;
	drain_start(&d, &l, NULL, NULL, 1000);
	run_for(&l, 900);
	assert_int_equal(over, 1);
	run_for(&l, 200);
	assert_int_equal(over, 2);
	loop_fini(&l);
	ev_loop_destroy(ev);
}

/* A drain waits for the POSTs that its last clients may have sent, but not beyond its time. */
static void
test_waits_for_posts(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct drain d = {.over = is_over};
	struct loop l;

	(void)state;
	loop_init(&l, ev);
	over = open_now = 0;
	for (unsigned i = 0; i < 2; i++) {
		posts_under_way = true;
		drain_start(&d, &l, NULL, NULL, 1000);
		run_for(&l, 900);
		assert_int_equal(over, i);
		posts_under_way = i == 1; /* in the first round, the time of the POSTs ends before the drain's */
		run_for(&l, i == 1 ? 200 : 20);
		assert_int_equal(over, i + 1);
	}
	loop_fini(&l);
	ev_loop_destroy(ev);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_as_there_is_memory_for),
		cmocka_unit_test(test_ends_when_it_may),
		cmocka_unit_test(test_waits_for_posts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
