/*
 * Where a value lies in a histogram that is linear within each power of two: values below 2^sub_bits have a bucket of
 * their own, those above share buckets that are 2^(1 - sub_bits) of the value wide at most. Pure code.
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

/* The least value of the bucket; *width tells how many values share it. */
static inline uint64_t
bucket_lowest(unsigned index, unsigned sub_bits, uint64_t *width)
{
	unsigned half = 1u << (sub_bits - 1);
	unsigned shift = index < 2 * half ? 0 : index / half - 1;

	*width = (uint64_t)1 << shift;
	return (uint64_t)(index - shift * half) << shift;
}

/* How many of `count` values (> 0) the percentile has at or below it: 1..count. */
static inline uint64_t
bucket_rank(uint64_t count, double percent)
{
	/* 99.9 % of 1000 are 999, not the next integer after 999.0000000001 */
	double rank = ceil((double)count * (percent / 100) * (1 - 1e-14));

	return rank < 1 ? 1 : rank >= (double)count ? count : (uint64_t)rank;
}

#endif
