#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/mem.h"
#include "common/base/wheel.h"

#define ENTRIES 100u

/* A timer, and what the naive model knows about it. */
struct timer {
	struct wheel_entry entry;
	bool armed;
	uint64_t due;
	uint64_t late; /* not 0: it was already due when armed; the order of arming */
};

static struct timer timers[ENTRIES];
static struct timer *fired[ENTRIES];
static unsigned fired_count;
static uint64_t seed;

static uint64_t
draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void
on_fire(struct wheel_entry *entry)
{
	struct timer *timer = container_of(entry, struct timer, entry);

	assert_false(wheel_armed(entry));
	assert_true(timer->armed);
	assert_true(fired_count < ENTRIES);
	timer->armed = false;
	fired[fired_count++] = timer;
}

/* The earliest due time of the armed timers; false if none is armed. */
static bool
model_least(uint64_t *least)
{
	bool any = false;

	for (unsigned i = 0; i < ENTRIES; i++) {
		if (timers[i].armed && (!any || timers[i].due < *least)) {
			*least = timers[i].due;
			any = true;
		}
	}
	return any;
}

static void
check_wait(struct wheel *w, uint64_t now)
{
	uint64_t least = 0;
	int64_t wait = wheel_wait(w, now);

	if (!model_least(&least))
		assert_int_equal(wait, -1);
	else if (least <= now)
		assert_int_equal(wait, 0);
	else
		assert_true(wait >= 0 && (uint64_t)wait <= least - now);
}

/* Runs the wheel and compares which timers fired, and in which order, with the model. */
static void
check_run(struct wheel *w, uint64_t now)
{
	unsigned expected = 0;

	fired_count = 0;
	for (unsigned i = 0; i < ENTRIES; i++)
		expected += timers[i].armed && timers[i].due <= now;
	assert_int_equal(wheel_run(w, now), expected);
	assert_int_equal(fired_count, expected);
	for (unsigned i = 0; i < fired_count; i++) {
		assert_true(fired[i]->due <= now);
		if (i == 0)
			continue;
		if (fired[i]->late)
			assert_true(fired[i - 1]->late && fired[i - 1]->late < fired[i]->late);
		else
			assert_true(fired[i - 1]->late || fired[i - 1]->due <= fired[i]->due);
	}
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(wheel_armed(&timers[i].entry), timers[i].armed);
	check_wait(w, now);
}

/* A random distance that may fall on any level. */
static uint64_t
far(unsigned most_bits)
{
	return draw(UINT64_C(1) << (1 + draw(most_bits)));
}

static void
play(uint64_t start, unsigned bits, unsigned steps)
{
	struct wheel *w = wheel_new(start);
	uint64_t now = start, order = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		wheel_entry_init(&timers[i].entry, on_fire);
		timers[i].armed = false;
	}
	for (unsigned step = 0; step < steps; step++) {
		struct timer *timer = &timers[draw(ENTRIES)];
		uint64_t least = 0, due;

		switch (draw(8)) {
		case 0:
			wheel_cancel(w, &timer->entry);
			timer->armed = false;
			break;
		case 1:
			now += far(bits);
			check_run(w, now);
			break;
		case 2: /* exactly to the next due time, and just before it */
			if (!model_least(&least) || least <= now)
				break;
			now = least - 1;
			check_run(w, now);
			now++;
			check_run(w, now);
			break;
		case 3: /* to the time that the wheel reports */
			if (wheel_wait(w, now) < 0)
				break;
			now += (uint64_t)wheel_wait(w, now);
			check_run(w, now);
			break;
		default:
			due = draw(10) == 0 ? now - far(10) : now + far(bits);
			timer->armed = true;
			timer->due = due;
			timer->late = due <= now ? ++order : 0;
			wheel_arm(w, &timer->entry, due);
			break;
		}
		check_wait(w, now);
	}
	wheel_free(w);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_false(wheel_armed(&timers[i].entry));
}

static void
test_against_a_naive_model(void **state)
{
	(void)state;
	seed = UINT64_C(0x9e3779b97f4a7c15);
	play(1 << 20, 7, 20000);
	play(4095, 13, 20000);
	play(UINT64_C(0xfffffff), 20, 20000);
	play((UINT64_C(1) << 36) - 5000, 12, 20000); /* across a boundary of a high level */
	play(UINT64_C(1700000000000), 40, 20000);
	play(1 << 20, 50, 2000);
}

static void
test_dues_at_the_end_of_time(void **state)
{
	static const uint64_t dues[] = {
		1,
		63,
		64,
		65,
		4095,
		4096,
		UINT32_MAX,
		UINT64_C(1) << 36,
		UINT64_C(1) << 60,
		(UINT64_C(1) << 60) + 1,
		INT64_MAX,
		UINT64_MAX - 1,
		UINT64_MAX,
	};
	const unsigned n = sizeof dues / sizeof dues[0];
	struct wheel *w = wheel_new(0);

	(void)state;
	memset(timers, 0, sizeof timers);
	for (unsigned i = 0; i < ENTRIES; i++)
		wheel_entry_init(&timers[i].entry, on_fire);
	for (unsigned i = 0; i < n; i++) {
		timers[i].armed = true;
		timers[i].due = dues[i];
		wheel_arm(w, &timers[i].entry, dues[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		check_run(w, dues[i] - 1);
		assert_true(timers[i].armed);
		check_run(w, dues[i]);
		assert_int_equal(fired_count, 1);
		assert_ptr_equal(fired[0], &timers[i]);
	}
	wheel_free(w);
}

static void
test_waiting_as_told_gets_there_in_few_steps(void **state)
{
	struct wheel *w = wheel_new(12345);
	uint64_t now = 12345;
	unsigned steps = 0;

	(void)state;
	wheel_entry_init(&timers[0].entry, on_fire);
	timers[0].armed = true;
	timers[0].due = now + 25000;
	wheel_arm(w, &timers[0].entry, timers[0].due);
	fired_count = 0;
	while (timers[0].armed) {
		assert_true(++steps <= 4);
		now += (uint64_t)wheel_wait(w, now);
		wheel_run(w, now);
	}
	assert_true(now == 12345 + 25000);
	wheel_free(w);
}

/* ------------------------------------------------- what fire() may do */

static struct wheel *the_wheel;
static unsigned count;
static struct wheel_entry other;

static void
rearm_in_the_past(struct wheel_entry *entry)
{
	count++;
	wheel_arm(the_wheel, entry, entry->due);
}

static void
rearm_a_little_later(struct wheel_entry *entry)
{
	count++;
	wheel_arm(the_wheel, entry, entry->due + 1);
}

static void
test_one_run_fires_an_entry_once(void **state)
{
	struct wheel_entry a, b;

	(void)state;
	the_wheel = wheel_new(0);
	wheel_entry_init(&a, rearm_in_the_past);
	wheel_entry_init(&b, rearm_a_little_later);
	wheel_arm(the_wheel, &a, 5);
	wheel_arm(the_wheel, &b, 5);
	count = 0;
	assert_int_equal(wheel_run(the_wheel, 1000), 2);
	assert_int_equal(count, 2);
	assert_int_equal(wheel_wait(the_wheel, 1000), 0);
	assert_int_equal(wheel_run(the_wheel, 1000), 2);
	assert_int_equal(count, 4);
	wheel_free(the_wheel);
}

static void
cancel_the_other(struct wheel_entry *entry)
{
	(void)entry;
	count++;
	wheel_cancel(the_wheel, &other);
}

static void
postpone_the_other(struct wheel_entry *entry)
{
	(void)entry;
	count++;
	wheel_arm(the_wheel, &other, 70);
}

static void
must_not_fire(struct wheel_entry *entry)
{
	(void)entry;
	fail();
}

static void
just_count(struct wheel_entry *entry)
{
	(void)entry;
	count++;
}

static void
test_fire_may_cancel_and_postpone_what_is_due_as_well(void **state)
{
	static const uint64_t dues[] = {50, 51, 60}; /* in the same slot, but later in the same run */
	struct wheel_entry a;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		the_wheel = wheel_new(0);
		count = 0;
		wheel_entry_init(&a, cancel_the_other);
		wheel_entry_init(&other, must_not_fire);
		wheel_arm(the_wheel, &a, 50);
		wheel_arm(the_wheel, &other, dues[i]);
		assert_int_equal(wheel_run(the_wheel, 60), 1);
		assert_int_equal(wheel_wait(the_wheel, 60), -1);

		wheel_entry_init(&a, postpone_the_other);
		wheel_entry_init(&other, just_count);
		wheel_arm(the_wheel, &a, 40);
		wheel_arm(the_wheel, &other, 41);
		assert_int_equal(wheel_run(the_wheel, 60), 1);
		assert_true(wheel_armed(&other));
		assert_int_equal(count, 2);
		assert_int_equal(wheel_run(the_wheel, 69), 0);
		assert_int_equal(wheel_run(the_wheel, 70), 1);
		assert_int_equal(count, 3);
		wheel_free(the_wheel);
	}
}

static void
free_it(struct wheel_entry *entry)
{
	count++;
	mem_free(entry);
}

static void
test_fire_may_free_its_entry(void **state)
{
	(void)state;
	the_wheel = wheel_new(0);
	count = 0;
	for (unsigned i = 0; i < 100; i++) {
		struct wheel_entry *entry = mem_alloc(sizeof *entry);

		wheel_entry_init(entry, free_it);
		wheel_arm(the_wheel, entry, i / 2);
	}
	assert_int_equal(wheel_run(the_wheel, 1000), 100);
	assert_int_equal(count, 100);
	wheel_free(the_wheel);
}

static void
test_a_clock_that_steps_back_fires_nothing_early(void **state)
{
	struct wheel_entry a;

	(void)state;
	the_wheel = wheel_new(1000);
	count = 0;
	wheel_entry_init(&a, just_count);
	wheel_arm(the_wheel, &a, 950);
	assert_int_equal(wheel_run(the_wheel, 900), 0);
	assert_int_equal(wheel_wait(the_wheel, 900), 100);
	assert_int_equal(wheel_run(the_wheel, 1000), 1);
	wheel_cancel(the_wheel, &a);
	wheel_free(the_wheel);
	wheel_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_naive_model),
		cmocka_unit_test(test_dues_at_the_end_of_time),
		cmocka_unit_test(test_waiting_as_told_gets_there_in_few_steps),
		cmocka_unit_test(test_one_run_fires_an_entry_once),
		cmocka_unit_test(test_fire_may_cancel_and_postpone_what_is_due_as_well),
		cmocka_unit_test(test_fire_may_free_its_entry),
		cmocka_unit_test(test_a_clock_that_steps_back_fires_nothing_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
