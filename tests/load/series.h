/*
 * Each second of a run: counts, and latencies in a histogram that is coarse enough to keep thousands of seconds. It
 * contains no pointer, so it may lie in shared memory, where each process writes its own.
 */
#ifndef TESTS_LOAD_SERIES_H
#define TESTS_LOAD_SERIES_H

#include <stdint.h>

#define SERIES_SECONDS 7200 /* two hours; later events count in the last second */
#define SERIES_SUB_BITS 5   /* 16 steps in each power of two, reported by their middle: the error is at most 3.2 % */
#define SERIES_MAX_BITS 43
#define SERIES_BUCKETS ((SERIES_MAX_BITS - SERIES_SUB_BITS + 2) << (SERIES_SUB_BITS - 1))

struct series_second {
	uint64_t messages;   /* sent */
	uint64_t deliveries; /* received */
	uint64_t errors;
	uint32_t joined; /* clients at the end of the second */
	uint64_t max;	 /* ns */
	uint32_t latencies[SERIES_BUCKETS];
};

struct series {
	uint32_t seconds; /* seconds that have begun */
	struct series_second at[SERIES_SECONDS];
};

/*
 * Returns second `n` (from 0). If it is later than all before it, the series grows up to it, and each new second
 * starts with the number of clients of the one before. Zeroed memory is an empty series.
 */
struct series_second *series_second(struct series *series, uint64_t n);
void series_record(struct series_second *second, uint64_t ns);
void series_merge(struct series_second *into, const struct series_second *from);
/* Adds second `n` of `from` to `into`. A series that ended earlier adds the clients that it had at its end. */
void series_add(struct series_second *into, const struct series *from, uint64_t n);
/* As histogram_percentile(), within 3.2 %. */
uint64_t series_percentile(const struct series_second *second, double percent);

#endif
