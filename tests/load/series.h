/*
 * What happened in each second of a run: counts, and latencies in a histogram coarse enough to keep thousands.
 * No pointer in it: it may lie in memory that processes share, each writing its own.
 */
#ifndef TESTS_LOAD_SERIES_H
#define TESTS_LOAD_SERIES_H

#include <stdint.h>

#define SERIES_SECONDS 7200 /* two hours; what comes later counts in the last second */
#define SERIES_SUB_BITS 5   /* 32 steps in each power of two: an error of 3 % at most */
#define SERIES_MAX_BITS 43
#define SERIES_BUCKETS ((SERIES_MAX_BITS - SERIES_SUB_BITS + 2) << (SERIES_SUB_BITS - 1))

struct series_second {
	uint64_t messages;   /* sent */
	uint64_t deliveries; /* received */
	uint64_t errors;
	uint32_t joined; /* clients, at its end */
	uint64_t max;	 /* ns */
	uint32_t latencies[SERIES_BUCKETS];
};

struct series {
	uint32_t seconds; /* begun */
	struct series_second at[SERIES_SECONDS];
};

/* Zeroed memory is an empty series. The second `n` (from 0), which becomes the latest one if it is. */
struct series_second *series_second(struct series *s, uint64_t n);
void series_record(struct series_second *second, uint64_t ns);
/* Adds the second `n` of `from` to `into`. */
void series_add(struct series_second *into, const struct series *from, uint64_t n);
/* As histogram_percentile(). */
uint64_t series_percentile(const struct series_second *second, double percent);

#endif
