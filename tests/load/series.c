#include "tests/load/series.h"

#include "tests/load/bucket.h"

#define HIGHEST (((uint64_t)1 << SERIES_MAX_BITS) - 1)

_Static_assert(
	SERIES_BUCKETS == ((SERIES_MAX_BITS - SERIES_SUB_BITS) << (SERIES_SUB_BITS - 1)) + (1 << SERIES_SUB_BITS),
	"the bucket of the highest value is the last one");

struct series_second *
series_second(struct series *series, uint64_t n)
{
	if (n >= SERIES_SECONDS)
		n = SERIES_SECONDS - 1;
	while (series->seconds <= n) {
		if (series->seconds > 0)
			series->at[series->seconds].joined = series->at[series->seconds - 1].joined;
		series->seconds++;
	}
	return &series->at[n];
}

void
series_record(struct series_second *second, uint64_t ns)
{
	if (ns > HIGHEST)
		ns = HIGHEST;
	second->latencies[bucket_index(ns, SERIES_SUB_BITS)]++;
	if (ns > second->max)
		second->max = ns;
}

void
series_merge(struct series_second *into, const struct series_second *from)
{
	into->messages += from->messages;
	into->deliveries += from->deliveries;
	into->errors += from->errors;
	into->joined += from->joined;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < SERIES_BUCKETS; i++)
		into->latencies[i] += from->latencies[i];
}

void
series_add(struct series_second *into, const struct series *from, uint64_t n)
{
	if (n < from->seconds)
		series_merge(into, &from->at[n]);
	else if (from->seconds > 0)
		into->joined += from->at[from->seconds - 1].joined;
}

uint64_t
series_percentile(const struct series_second *second, double percent)
{
	uint64_t count = 0, seen = 0, rank, value, width;

	for (unsigned i = 0; i < SERIES_BUCKETS; i++)
		count += second->latencies[i];
	if (count == 0)
		return 0;
	rank = bucket_rank(count, percent);
	if (rank == count)
		return second->max; /* this value is known exactly */
	for (unsigned i = 0; i < SERIES_BUCKETS; i++) {
		seen += second->latencies[i];
		if (seen >= rank) {
			value = bucket_lowest(i, SERIES_SUB_BITS, &width) + width / 2;
			return value < second->max ? value : second->max;
		}
	}
	return second->max; /* another process has added values meanwhile */
}
