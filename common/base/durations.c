#include "common/base/durations.h"

const uint64_t durations_bounds_us[DURATIONS_BOUNDS] = {
	100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000};

void
durations_merge(struct durations *sum, const struct durations *one)
{
	for (unsigned i = 0; i <= DURATIONS_BOUNDS; i++)
		sum->bucket[i] += one->bucket[i];
	sum->sum_us += one->sum_us;
}
