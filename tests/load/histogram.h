/*
 * Latencies in the manner of an HDR histogram: linear within each power of two, so that every value from a
 * nanosecond to more than an hour is kept to three significant digits in a fixed amount of memory.
 *
 * No pointer in it: it may lie in memory that processes share. One process writes; others may read meanwhile and see
 * it as it was a moment ago.
 */
#ifndef TESTS_LOAD_HISTOGRAM_H
#define TESTS_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 11 /* 1024 steps in each power of two: an error below 0.1 % */
#define HISTOGRAM_MAX_BITS 43 /* 2^43 ns are 2.4 hours; longer ones count as that */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 2) << (HISTOGRAM_SUB_BITS - 1))

struct histogram {
	uint64_t count, min, max; /* ns; min is UINT64_MAX while empty */
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t ns);
/* Adds what `from` holds to `into`. */
void histogram_add(struct histogram *into, const struct histogram *from);
double histogram_mean(const struct histogram *h); /* 0 when empty */
/* The least value that `percent` (0..100) of all do not exceed: less than 0.1 % more than it, never less, and never
 * beyond `max`; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
