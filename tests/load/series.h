/*
 * What happened in each second of a run: counts, and latencies in a histogram coarse enough to keep thousands.
 * No pointer in it: it may lie in memory that processes share, each writing its own.
 */
#ifndef TESTS_LOAD_SERIES_H
#define TESTS_LOAD_SERIES_H

#include <stdint.h>

#define SERIES_SECONDS 7200 /* two hours; what comes later counts in the last second */
#define SERIES_SUB_BITS 5   /* 16 steps in each power of two, told by their middle: an error of 3.2 % at most */
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

/* Zeroed memory is an empty series. The second `n` (from 0), which becomes the latest one if it is; seconds that
 * begin have as many clients as the one before. */
struct series_second *series_second(struct series *s, uint64_t n);
void series_record(struct series_second *second, uint64_t ns);
void series_merge(struct series_second *into, const struct series_second *from);
/* Adds the second `n` of `from` to `into`; of a series that ended before it, the clients it had at its end. */
void series_add(struct series_second *into, const struct series *from, uint64_t n);
/* As histogram_percentile(), within 3.2 % of it. */
uint64_t series_percentile(const struct series_second *second, double percent);

#endif
