#include "tests/unit/io/io_bench.h"

struct step {
	struct loop_call call;
	unsigned runs, again; /* how often it defers itself */
	struct step *cancels;
	bool in_callback_seen;
};

static bool in_callback;

static void
run_step(struct loop_call *call)
{
	struct step *s = container_of(call, struct step, call);

	s->runs++;
	s->in_callback_seen |= in_callback;
	if (s->again > 0) {
		s->again--;
		loop_defer(&bench.loop, call);
	}
	if (s->cancels != NULL)
		loop_call_cancel(&s->cancels->call);
}

static void
step_init(struct step *s)
{
	*s = (struct step){0};
	loop_call_init(&s->call, run_step);
}

static void
a_deferred_call_runs_once_at_the_end_of_the_turn(void **state)
{
	struct step s, other;

	(void)state;
	step_init(&s);
	step_init(&other);
	loop_defer(&bench.loop, &s.call);
	loop_defer(&bench.loop, &other.call);
	loop_defer(&bench.loop, &s.call);
	assert_int_equal(s.runs, 0);
	run_turn();
	assert_int_equal(s.runs, 1);
	assert_int_equal(other.runs, 1);
	run_turn();
	assert_int_equal(s.runs, 1);
}

static void
a_deferred_call_can_be_cancelled_also_by_a_neighbour(void **state)
{
	struct step a, b, c;

	(void)state;
	step_init(&a);
	step_init(&b);
	step_init(&c);
	a.cancels = &b;
	c.cancels = &c;
	loop_defer(&bench.loop, &a.call);
	loop_defer(&bench.loop, &b.call);
	loop_defer(&bench.loop, &c.call);
	loop_call_cancel(&c.call);
	loop_call_cancel(&c.call);
	run_turn();
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_int_equal(c.runs, 0);
}

static void
defer_at_check(struct ev_loop *ev, struct ev_io *w, int revents)
{
	struct step *s = w->data;

	(void)revents;
	in_callback = true;
	loop_defer(&bench.loop, &s->call);
	in_callback = false;
	ev_io_stop(ev, w);
}

static void
a_call_deferred_in_a_callback_runs_outside_of_it(void **state)
{
	struct step s;
	struct ev_io ready;
	int ends[2];

	(void)state;
	step_init(&s);
	assert_int_equal(pipe(ends), 0);
	ev_io_init(&ready, defer_at_check, ends[1], EV_WRITE);
	ready.data = &s;
	ev_io_start(bench.ev, &ready);
	RUN_UNTIL(s.runs == 1);
	assert_false(s.in_callback_seen);
	close(ends[0]);
	close(ends[1]);
}

/* A call that always defers itself must neither hang the turn nor wait for the next event. */
static void
endless_work_lets_others_have_their_turn(void **state)
{
	struct step s;
	unsigned after_one_turn;

	(void)state;
	step_init(&s);
	s.again = 1000;
	loop_defer(&bench.loop, &s.call);
	run_turn();
	after_one_turn = s.runs;
	assert_in_range(after_one_turn, 1, 100);
	while (s.runs < 1001) {
		unsigned before = s.runs;

		assert_true(loop_goes_on());
		run_turn();
		assert_in_range(s.runs - before, 1, 100);
	}
	run_turn();
	assert_false(loop_goes_on());
}

struct alarm_clock {
	struct wheel_entry entry;
	uint64_t at;
	unsigned fired, place;
};

static unsigned rings;

static void
ring(struct wheel_entry *entry)
{
	struct alarm_clock *a = container_of(entry, struct alarm_clock, entry);

	a->fired++;
	a->place = ++rings;
	a->at = bench.loop.now;
}

static void
timers_fire_in_order_and_never_early(void **state)
{
	struct alarm_clock late, soon, cancelled;
	uint64_t start;

	(void)state;
	late = soon = cancelled = (struct alarm_clock){0};
	wheel_entry_init(&late.entry, ring);
	wheel_entry_init(&soon.entry, ring);
	wheel_entry_init(&cancelled.entry, ring);
	do {
		late.fired = cancelled.fired = 0;
		loop_disarm(&bench.loop, &late.entry);
		run_turn();
		start = bench.loop.now;
		loop_arm(&bench.loop, &late.entry, 60);
		loop_arm(&bench.loop, &cancelled.entry, 10);
		run_turn();
	} while (cancelled.fired != 0 || late.fired != 0); /* again if a busy machine has delayed the process */
	loop_arm(&bench.loop, &soon.entry, 20);		   /* earlier than the time that the timer is set to */
	loop_disarm(&bench.loop, &cancelled.entry);
	RUN_UNTIL(soon.fired);
	assert_true(soon.at >= start + 20);
	RUN_UNTIL(late.fired);
	assert_true(late.at >= start + 60);
	assert_int_equal(late.place, soon.place + 1);
	assert_int_equal(cancelled.fired, 0);
	assert_int_equal(late.fired + soon.fired, 2);
}

static void
a_timer_earlier_than_the_one_waited_for_is_not_late(void **state)
{
	struct alarm_clock late = {0}, soon = {0};

	(void)state;
	wheel_entry_init(&late.entry, ring);
	wheel_entry_init(&soon.entry, ring);
	run_turn();
	uint64_t start = bench.loop.now;
	loop_arm(&bench.loop, &late.entry, 60000);
	run_turn(); /* the timer is set for this entry */
	loop_arm(&bench.loop, &soon.entry, 1);
	RUN_UNTIL(soon.fired);
	assert_in_range(soon.at, start + 1, start + 10000);
	loop_disarm(&bench.loop, &late.entry);
}

/* The ev_run() of an embedding program returns when only the loop's own watchers are left. */
static void
an_idle_loop_does_not_keep_ev_run_from_returning(void **state)
{
	struct alarm_clock a = {0};

	(void)state;
	ev_timer_stop(bench.ev, &bench.tick);
	ev_run(bench.ev, 0);
	wheel_entry_init(&a.entry, ring);
	loop_arm(&bench.loop, &a.entry, 5);
	ev_run(bench.ev, 0);
	assert_int_equal(a.fired, 1);
	ev_timer_start(bench.ev, &bench.tick);
}

struct late {
	struct wheel_entry entry;
	unsigned fired;
};

static void
late_fired(struct wheel_entry *entry)
{
	container_of(entry, struct late, entry)->fired++;
}

static void
arm_late(struct ev_loop *ev, struct ev_timer *w, int revents)
{
	struct late *late = w->data;

	(void)ev;
	(void)revents;
	loop_arm(&bench.loop, &late->entry, 5);
}

/* A listener that pauses for lack of descriptors arms a timer in the last callback; its program must not end then. */
static void
a_timer_armed_in_the_last_callback_is_waited_for(void **state)
{
	static struct late late; /* static, because a failed assertion leaves the function while it is in use */
	static struct ev_timer once;

	(void)state;
	late.fired = 0;
	ev_timer_stop(bench.ev, &bench.tick);
	wheel_entry_init(&late.entry, late_fired);
	ev_timer_init(&once, arm_late, 0., 0.);
	once.data = &late;
	ev_timer_start(bench.ev, &once);
	ev_run(bench.ev, 0);
	loop_disarm(&bench.loop, &late.entry);
	ev_timer_start(bench.ev, &bench.tick);
	assert_int_equal(late.fired, 1);
}

static void
the_wall_clock_counts_milliseconds(void **state)
{
	uint64_t before = (uint64_t)time(NULL), ms = loop_wall_ms(), after = (uint64_t)time(NULL);

	(void)state;
	/* time() may lag by a tick */
	assert_in_range(ms / 1000, before, after + 1);
}

static _Atomic uint64_t pulse;

static void
look_at_pulse(struct ev_loop *ev, struct ev_timer *w, int revents)
{
	uint64_t *seen = w->data;

	(void)ev;
	(void)revents;
	*seen = pulse;
}

static void
the_pulse_is_odd_while_callbacks_run_and_another_one_in_each_turn(void **state)
{
	uint64_t seen[3] = {0};

	(void)state;
	pulse = 0;
	loop_set_pulse(&bench.loop, &pulse);
	for (unsigned i = 0; i < 3; i++) {
		ev_timer w;

		ev_timer_init(&w, look_at_pulse, 0., 0.);
		w.data = &seen[i];
		ev_timer_start(bench.loop.ev, &w);
		ev_run(bench.loop.ev, EVRUN_ONCE);
		assert_int_equal(seen[i] % 2, 1);
		if (i > 0)
			assert_true(seen[i] > seen[i - 1]);
	}
	run_turn();
}

#define SLOW_CALL_US 1000

static uint64_t
turns_counted(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= DURATIONS_BOUNDS; i++)
		sum += bench.loop.turns.bucket[i];
	return sum;
}

static void
run_slow_call(struct loop_call *call)
{
	uint64_t until = loop_clock_us() + SLOW_CALL_US;

	(void)call;
	while (loop_clock_us() < until)
		continue;
}

static void
the_time_of_a_turn_includes_its_end(void **state)
{
	struct loop_call slow;
	uint64_t turns, us;

	(void)state;
	run_turn();
	turns = turns_counted();
	us = bench.loop.turns.sum_us;
	loop_call_init(&slow, run_slow_call);
	loop_defer(&bench.loop, &slow);
	run_turn(); /* ends the turn that has begun above */
	assert_int_equal(turns_counted(), turns + 1);
	assert_true(bench.loop.turns.sum_us - us >= SLOW_CALL_US);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_deferred_call_runs_once_at_the_end_of_the_turn),
		CASE(a_deferred_call_can_be_cancelled_also_by_a_neighbour),
		CASE(a_call_deferred_in_a_callback_runs_outside_of_it),
		CASE(endless_work_lets_others_have_their_turn),
		CASE(timers_fire_in_order_and_never_early),
		CASE(a_timer_earlier_than_the_one_waited_for_is_not_late),
		CASE(an_idle_loop_does_not_keep_ev_run_from_returning),
		CASE(a_timer_armed_in_the_last_callback_is_waited_for),
		CASE(the_wall_clock_counts_milliseconds),
		CASE(the_pulse_is_odd_while_callbacks_run_and_another_one_in_each_turn),
		CASE(the_time_of_a_turn_includes_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
