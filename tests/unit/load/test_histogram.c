#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/load/bucket.h"
#include "tests/load/histogram.h"

#define HIGHEST (((uint64_t)1 << HISTOGRAM_MAX_BITS) - 1)

static uint64_t seed;

/* The same numbers in each run (xorshift64*). */
static uint64_t
draw(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717u;
}

static struct histogram *
new_histogram(void)
{
	struct histogram *h = mem_alloc(sizeof *h);

	histogram_init(h);
	return h;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
test_an_empty_histogram_has_no_values(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	assert_int_equal(h->count, 0);
	assert_true(h->min == UINT64_MAX);
	assert_true(histogram_mean(h) == 0);
	for (unsigned percent = 0; percent <= 100; percent += 50)
		assert_int_equal(histogram_percentile(h, percent), 0);
	mem_free(h);
}

static void
test_one_value_is_every_percentile_exactly(void **state)
{
	static const uint64_t values[] = {0, 1, 2047, 2048, 2049, 1000003, 123456789012, HIGHEST};

	(void)state;
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		struct histogram *h = new_histogram();

		histogram_record(h, values[i]);
		assert_int_equal(h->min, values[i]);
		assert_int_equal(h->max, values[i]);
		assert_true(histogram_mean(h) == (double)values[i]);
		assert_int_equal(histogram_percentile(h, 0), values[i]);
		assert_int_equal(histogram_percentile(h, 50), values[i]);
		assert_int_equal(histogram_percentile(h, 100), values[i]);
		mem_free(h);
	}
}

static void
test_too_long_values_count_as_the_longest(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	histogram_record(h, HIGHEST + 1);
	histogram_record(h, UINT64_MAX);
	assert_int_equal(h->count, 2);
	assert_int_equal(h->max, HIGHEST);
	assert_int_equal(h->buckets[HISTOGRAM_BUCKETS - 1], 2);
	assert_int_equal(histogram_percentile(h, 50), HIGHEST);
	mem_free(h);
}

/* Buckets follow each other without gaps, and each is at most a thousandth of its values wide. */
static void
test_buckets_cover_every_value_once(void **state)
{
	uint64_t next = 0, width;

	(void)state;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(bucket_lowest(i, HISTOGRAM_SUB_BITS, &width), next);
		assert_int_equal(bucket_index(next, HISTOGRAM_SUB_BITS), i);
		assert_int_equal(bucket_index(next + width - 1, HISTOGRAM_SUB_BITS), i);
		assert_true(width == 1 || (double)(width - 1) / (double)next < 0.001);
		next += width;
	}
	assert_int_equal(next, HIGHEST + 1);
}

/* Random values of random magnitude, or values near one place with a long tail. */
static uint64_t
latency(unsigned shape)
{
	switch (shape) {
	case 0:
		return draw() >> (21 + draw() % 43);
	case 1:
		return 50000 + draw() % 100000;
	default:
		return draw() % 1000 == 0 ? draw() % 4000000000u : 800000 + draw() % 400000;
	}
}

static void
test_percentiles_are_within_a_thousandth_of_the_exact_ones(void **state)
{
	static const double percents[] = {0, 0.01, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100};
	static const unsigned counts[] = {2, 3, 10, 1000, 100000};

	(void)state;
	seed = 88172645463325252;
	for (unsigned shape = 0; shape < 3; shape++) {
		for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++) {
			unsigned n = counts[c];
			uint64_t *exact = mem_alloc(n * sizeof *exact);
			struct histogram *h = new_histogram();
			double sum = 0;

			for (unsigned i = 0; i < n; i++) {
				exact[i] = latency(shape);
				sum += (double)exact[i];
				histogram_record(h, exact[i]);
			}
			qsort(exact, n, sizeof *exact, compare);
			assert_int_equal(h->count, n);
			assert_int_equal(h->min, exact[0]);
			assert_int_equal(h->max, exact[n - 1]);
			assert_true(histogram_mean(h) == sum / n);
			for (unsigned p = 0; p < sizeof percents / sizeof *percents; p++) {
				/* in integers, since the percents are multiples of a thousandth */
				uint64_t thousandths = (uint64_t)(percents[p] * 1000 + 0.5);
				uint64_t rank = (n * thousandths + 99999) / 100000, want, got;

				want = exact[rank > 0 ? rank - 1 : 0];
				got = histogram_percentile(h, percents[p]);
				assert_true(got >= want);
				assert_true((double)(got - want) <= 0.001 * (double)want);
			}
			mem_free(h);
			mem_free(exact);
		}
	}
}

static void
test_sums_are_as_if_recorded_in_one(void **state)
{
	struct histogram *one = new_histogram(), *sum = new_histogram(), *parts[3];

	(void)state;
	seed = 42;
	for (unsigned p = 0; p < 3; p++)
		parts[p] = new_histogram();
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t ns = latency(2);

		histogram_record(one, ns);
		histogram_record(parts[i % 2], ns); /* the third stays empty */
	}
	for (unsigned p = 0; p < 3; p++)
		histogram_add(sum, parts[p]);
	assert_memory_equal(sum->buckets, one->buckets, sizeof one->buckets);
	assert_int_equal(sum->count, one->count);
	assert_int_equal(sum->min, one->min);
	assert_int_equal(sum->max, one->max);
	assert_true(sum->sum == one->sum);
	for (unsigned p = 0; p < 3; p++)
		mem_free(parts[p]);
	mem_free(one);
	mem_free(sum);
}

/* A reader of shared memory may see the count before the bucket. */
static void
test_a_count_ahead_of_the_buckets_gives_the_highest(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	histogram_record(h, 5000);
	h->count++;
	assert_int_equal(histogram_percentile(h, 100), 5000);
	mem_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_histogram_has_no_values),
		cmocka_unit_test(test_one_value_is_every_percentile_exactly),
		cmocka_unit_test(test_too_long_values_count_as_the_longest),
		cmocka_unit_test(test_buckets_cover_every_value_once),
		cmocka_unit_test(test_percentiles_are_within_a_thousandth_of_the_exact_ones),
		cmocka_unit_test(test_sums_are_as_if_recorded_in_one),
		cmocka_unit_test(test_a_count_ahead_of_the_buckets_gives_the_highest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
