/*
 * A histogram of latencies in the style of HdrHistogram: linear within each power of two, so that fixed memory keeps
 * three significant digits from a nanosecond to more than an hour.
 *
 * It contains no pointer, so it may lie in shared memory. One process writes; a reader in another process may see
 * counts that are slightly out of date.
 */
#ifndef TESTS_LOAD_HISTOGRAM_H
#define TESTS_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 11 /* 1024 steps in each power of two: the error is below 0.1 % */
#define HISTOGRAM_MAX_BITS 43 /* 2^43 ns are 2.4 hours; longer values count as that */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 2) << (HISTOGRAM_SUB_BITS - 1))

struct histogram {
	uint64_t count, min, max; /* ns; min is UINT64_MAX while the histogram is empty */
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t ns);
/* Adds the counts of `from` to `into`. */
void histogram_add(struct histogram *into, const struct histogram *from);
double histogram_mean(const struct histogram *h); /* 0 when empty */
/*
 * The smallest value that at least `percent` (0..100) of all values do not exceed. The result is never below that
 * value, less than 0.1 % above it, and at most `max`. 0 when empty.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
