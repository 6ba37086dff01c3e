#include "tests/load/histogram.h"

#include "tests/load/bucket.h"

#define HIGHEST (((uint64_t)1 << HISTOGRAM_MAX_BITS) - 1)

_Static_assert(HISTOGRAM_BUCKETS == ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS) << (HISTOGRAM_SUB_BITS - 1)) +
					    (1 << HISTOGRAM_SUB_BITS),
	"the bucket of the highest value is the last one");

void
histogram_init(struct histogram *h)
{
	*h = (struct histogram){.min = UINT64_MAX};
}

void
histogram_record(struct histogram *h, uint64_t ns)
{
	if (ns > HIGHEST)
		ns = HIGHEST;
	h->buckets[bucket_index(ns, HISTOGRAM_SUB_BITS)]++;
	if (ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
	h->sum += (double)ns;
	h->count++;
}

void
histogram_add(struct histogram *into, const struct histogram *from)
{
	if (from->count == 0)
		return;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->sum += from->sum;
	into->count += from->count;
}

double
histogram_mean(const struct histogram *h)
{
	return h->count > 0 ? h->sum / (double)h->count : 0;
}

uint64_t
histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t rank, seen = 0, value, width;

	if (h->count == 0)
		return 0;
	rank = bucket_rank(h->count, percent);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			value = bucket_lowest(i, HISTOGRAM_SUB_BITS, &width) + width - 1;
			return value < h->max ? value : h->max;
		}
	}
	return h->max; /* another process has added values meanwhile */
}
