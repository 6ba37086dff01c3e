/*
 * The buckets of a histogram that is linear within each power of two. A value below 2^sub_bits has its own bucket.
 * Larger values share buckets whose width is at most 2^(1 - sub_bits) of the value. Pure code.
 */
#ifndef TESTS_LOAD_BUCKET_H
#define TESTS_LOAD_BUCKET_H

#include <math.h>
#include <stdint.h>

static inline unsigned
bucket_index(uint64_t value, unsigned sub_bits)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
	unsigned shift = bits > sub_bits ? bits - sub_bits : 0;

	return (shift << (sub_bits - 1)) + (unsigned)(value >> shift);
}

/* The smallest value of the bucket; *width receives the number of values in it. */
static inline uint64_t
bucket_lowest(unsigned index, unsigned sub_bits, uint64_t *width)
{
	unsigned half = 1u << (sub_bits - 1);
	unsigned shift = index < 2 * half ? 0 : index / half - 1;

	*width = (uint64_t)1 << shift;
	return (uint64_t)(index - shift * half) << shift;
}

/* The rank (1..count) of a percentile among `count` values; `count` is greater than 0. */
static inline uint64_t
bucket_rank(uint64_t count, double percent)
{
	/* without the factor, 99.9 % of 1000 would round up from 999.0000000001 to 1000 */
	double rank = ceil((double)count * (percent / 100) * (1 - 1e-14));

	return rank < 1 ? 1 : rank >= (double)count ? count : (uint64_t)rank;
}

#endif
