#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/load/tracker.h"

static struct tracker t;
static struct tracker_counts counts;

static int
fresh_start(void **state)
{
	(void)state;
	t = (struct tracker){.next = 0};
	counts = (struct tracker_counts){.fresh = 0};
	return 0;
}

static void
take_range(uint32_t from, uint32_t until)
{
	for (uint32_t i = from; i < until; i++)
		assert_true(tracker_take(&t, i, &counts));
}

#define assert_counts(f, l, m, d, r)                                                                                 \
	do {                                                                                                         \
		assert_int_equal(counts.fresh, f);                                                                   \
		assert_int_equal(counts.lost, l);                                                                    \
		assert_int_equal(counts.missed, m);                                                                  \
		assert_int_equal(counts.duplicated, d);                                                              \
		assert_int_equal(counts.reordered, r);                                                               \
	} while (0)

static void
test_in_order(void **state)
{
	(void)state;
	assert_true(sizeof(struct tracker) <= 16);
	take_range(0, 1000);
	tracker_finish(&t, 1000, true, &counts);
	assert_counts(1000, 0, 0, 0, 0);
}

static void
test_a_gap_is_lost(void **state)
{
	(void)state;
	take_range(0, 3);
	take_range(5, 6);
	assert_counts(4, 2, 0, 0, 0);
	take_range(1000, 1001); /* larger than the window */
	assert_counts(5, 996, 0, 0, 0);
	tracker_finish(&t, 1002, true, &counts);
	assert_counts(5, 997, 0, 0, 0);
}

static void
test_the_first_one_may_be_lost(void **state)
{
	(void)state;
	take_range(1, 2);
	assert_counts(1, 1, 0, 0, 0);
	assert_true(tracker_take(&t, 0, &counts));
	assert_counts(2, 0, 0, 0, 1);
	assert_false(tracker_take(&t, 0, &counts));
	assert_counts(2, 0, 0, 1, 1);
}

static void
test_duplicates(void **state)
{
	(void)state;
	take_range(0, 100);
	for (uint32_t behind = 0; behind <= TRACKER_WINDOW; behind++)
		assert_false(tracker_take(&t, 99 - behind, &counts));
	assert_counts(100, 0, 0, TRACKER_WINDOW + 1, 0);
}

static void
test_a_late_message_within_the_window_is_not_lost(void **state)
{
	(void)state;
	for (uint32_t late = 1; late <= TRACKER_WINDOW; late++) {
		fresh_start(NULL);
		take_range(0, 10);
		take_range(11, 11 + late);
		assert_counts(10 + late, 1, 0, 0, 0);
		assert_true(tracker_take(&t, 10, &counts));
		assert_counts(11 + late, 0, 0, 0, 1);
		assert_false(tracker_take(&t, 10, &counts));
		assert_counts(11 + late, 0, 0, 1, 1);
	}
}

static void
test_a_late_message_beyond_the_window_is_not_lost(void **state)
{
	(void)state;
	take_range(0, 10);
	take_range(11, 500);
	assert_true(tracker_take(&t, 10, &counts));
	assert_counts(500, 0, 0, 0, 1);
}

/* No message is missing, so this one cannot be arriving for the first time. */
static void
test_a_repeated_message_beyond_the_window_is_a_duplicate(void **state)
{
	(void)state;
	take_range(0, 500);
	assert_false(tracker_take(&t, 10, &counts));
	assert_counts(500, 0, 0, 1, 0);
	take_range(501, 600);
	assert_true(tracker_take(&t, 500, &counts));
	assert_counts(600, 0, 0, 1, 1);
	assert_false(tracker_take(&t, 500, &counts));
	assert_counts(600, 0, 0, 2, 1);
}

/* A message that arrives late for one receiver must not hide another receiver's loss: many pairs share the counts. */
static void
test_a_late_message_does_not_hide_another_receivers_loss(void **state)
{
	struct tracker other = {.next = 0};

	(void)state;
	assert_true(tracker_take(&other, 1, &counts)); /* 0 is lost */
	tracker_away(&t);
	assert_true(tracker_take(&t, 1, &counts)); /* 0 is missed */
	assert_counts(2, 1, 1, 0, 0);
	assert_true(tracker_take(&t, 0, &counts));
	assert_counts(3, 1, 0, 0, 1);
	assert_false(tracker_take(&t, 0, &counts));
	assert_counts(3, 1, 0, 1, 1);
}

static void
test_has(void **state)
{
	(void)state;
	assert_false(tracker_has(&t, 0));
	take_range(0, 10);
	take_range(12, 14);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(tracker_has(&t, i), i != 10 && i != 11 && i < 14);
	take_range(14, 10 + TRACKER_WINDOW + 1);
	assert_false(tracker_has(&t, 10));
	take_range(10 + TRACKER_WINDOW + 1, 10 + TRACKER_WINDOW + 2);
	assert_true(tracker_has(&t, 10));
	assert_false(tracker_has(&t, 11));
}

static void
test_more_losses_than_one_receiver_can_count(void **state)
{
	(void)state;
	take_range(200000, 200001);
	assert_counts(1, 200000, 0, 0, 0);
	for (uint32_t i = 0; i < 70000; i++)
		assert_true(tracker_take(&t, i, &counts));
	assert_counts(70001, 130000, 0, 0, 70000);
	tracker_away(&t);
	take_range(300000, 300001);
	for (uint32_t i = 200001; i < 240000; i++)
		assert_true(tracker_take(&t, i, &counts));
	assert_int_equal(counts.lost + counts.missed, 130000 + 99999 - 39999);
}

static void
test_away(void **state)
{
	(void)state;
	take_range(0, 5);
	tracker_away(&t);
	take_range(8, 10);
	assert_counts(7, 0, 3, 0, 0);
	take_range(11, 12); /* the client is back: a gap counts as lost again */
	assert_counts(8, 1, 3, 0, 0);
	tracker_away(&t);
	take_range(12, 13); /* nothing was sent meanwhile */
	take_range(14, 15);
	assert_counts(10, 2, 3, 0, 0);
}

static void
test_finish(void **state)
{
	(void)state;
	take_range(0, 5);
	tracker_finish(&t, 7, true, &counts);
	assert_counts(5, 2, 0, 0, 0);
	tracker_finish(&t, 7, true, &counts);
	assert_counts(5, 2, 0, 0, 0);

	fresh_start(NULL);
	take_range(0, 5);
	tracker_finish(&t, 7, false, &counts);
	assert_counts(5, 0, 2, 0, 0);

	fresh_start(NULL);
	take_range(0, 5);
	tracker_away(&t); /* the receiver was disconnected; nothing has arrived since it came back */
	tracker_finish(&t, 7, true, &counts);
	assert_counts(5, 0, 2, 0, 0);

	fresh_start(NULL);
	tracker_finish(&t, 0, false, &counts);
	assert_counts(0, 0, 0, 0, 0);
}

static void
test_the_last_sequences(void **state)
{
	(void)state;
	tracker_away(&t);
	take_range(UINT32_MAX - 3, UINT32_MAX);
	assert_counts(3, 0, UINT32_MAX - 3, 0, 0);
	assert_false(tracker_take(&t, UINT32_MAX - 1, &counts));
	tracker_finish(&t, UINT32_MAX, true, &counts);
	assert_counts(3, 0, UINT32_MAX - 3, 1, 0);
}

/* ------------------------------------------------------- beside a simple model */

#define MODEL_MAX 600

struct model {
	uint8_t state[MODEL_MAX]; /* 0 not seen, 1 arrived, 2 lost, 3 missed */
	uint32_t next;
	bool away;
	uint64_t fresh, duplicated, reordered;
};

static void
model_skip(struct model *m, uint32_t until)
{
	for (; m->next < until; m->next++)
		m->state[m->next] = m->away ? 3 : 2;
}

static void
model_take(struct model *m, uint32_t sequence)
{
	if (sequence < m->next) {
		if (m->state[sequence] == 1) {
			m->duplicated++;
			return;
		}
		m->reordered++;
	} else {
		model_skip(m, sequence);
		m->next = sequence + 1;
		m->away = false;
	}
	m->fresh++;
	m->state[sequence] = 1;
}

static uint64_t random_state = 88172645463325252u;

static uint32_t
any(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state % bound);
}

/*
 * Random steps: ahead in small leaps, or back within the window, sometimes with the client away. Without that, lost
 * and missed are exact.
 */
static void
one_walk(bool with_away)
{
	struct model m = {.next = 0};
	uint64_t lost = 0, missed = 0;

	fresh_start(NULL);
	while (m.next < MODEL_MAX - 80) {
		uint32_t sequence = m.next, what = any(10);

		if (what == 0 && with_away) {
			tracker_away(&t);
			m.away = true;
			continue;
		}
		if (what < 3 && m.next > 0) {
			uint32_t back = m.next < TRACKER_WINDOW + 1 ? m.next : TRACKER_WINDOW + 1;

			sequence = m.next - 1 - any(back);
		} else if (what < 5) {
			sequence = m.next + any(what == 3 ? 4 : 75);
		}
		assert_int_equal(tracker_take(&t, sequence, &counts), sequence >= m.next || m.state[sequence] != 1);
		model_take(&m, sequence);
	}
	model_skip(&m, MODEL_MAX);
	tracker_finish(&t, MODEL_MAX, true, &counts);
	for (uint32_t i = 0; i < MODEL_MAX; i++) {
		lost += m.state[i] == 2;
		missed += m.state[i] == 3;
	}
	assert_int_equal(counts.fresh, m.fresh);
	assert_int_equal(counts.duplicated, m.duplicated);
	assert_int_equal(counts.reordered, m.reordered);
	assert_int_equal(counts.lost + counts.missed, lost + missed);
	assert_int_equal(counts.fresh + counts.lost + counts.missed, MODEL_MAX);
	if (!with_away)
		assert_int_equal(counts.missed, 0);
}

static void
test_random_walks_beside_a_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		one_walk(i & 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, fresh_start)
	const struct CMUnitTest tests[] = {
		T(test_in_order),
		T(test_a_gap_is_lost),
		T(test_the_first_one_may_be_lost),
		T(test_duplicates),
		T(test_a_late_message_within_the_window_is_not_lost),
		T(test_a_late_message_beyond_the_window_is_not_lost),
		T(test_a_repeated_message_beyond_the_window_is_a_duplicate),
		T(test_a_late_message_does_not_hide_another_receivers_loss),
		T(test_has),
		T(test_more_losses_than_one_receiver_can_count),
		T(test_away),
		T(test_finish),
		T(test_the_last_sequences),
		T(test_random_walks_beside_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
