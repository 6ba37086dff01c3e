/*
 * A histogram of short durations, for metrics. It contains only numbers, so it can be copied between processes. The
 * caller reads the clock.
 */
#ifndef COMMON_BASE_DURATIONS_H
#define COMMON_BASE_DURATIONS_H

#include <stdint.h>

#define DURATIONS_BOUNDS 10

/* Upper limits of the buckets in microseconds, ascending. The last bucket of a histogram has no limit. */
extern const uint64_t durations_bounds_us[DURATIONS_BOUNDS];

struct durations {
	uint64_t bucket[DURATIONS_BOUNDS + 1]; /* number of durations; each one counts in a single bucket */
	uint64_t sum_us;		       /* of all durations */
};

/* Adds one duration of `us` microseconds. */
static inline void
durations_add(struct durations *durations, uint64_t us)
{
	unsigned i = 0;

	while (i < DURATIONS_BOUNDS && us > durations_bounds_us[i])
		i++;
	durations->bucket[i]++;
	durations->sum_us += us;
}

/* Adds all durations of `one` to `sum`. */
void durations_merge(struct durations *sum, const struct durations *one);

#endif
