#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/load/histogram.h"
#include "tests/load/series.h"

#define HIGHEST (((uint64_t)1 << SERIES_MAX_BITS) - 1)

static struct series *
new_series(void)
{
	return mem_zalloc(sizeof(struct series));
}

static void
test_zeroed_memory_is_empty(void **state)
{
	struct series *s = new_series();

	(void)state;
	assert_int_equal(s->seconds, 0);
	assert_int_equal(series_percentile(&s->at[0], 50), 0);
	assert_int_equal(series_percentile(&s->at[0], 100), 0);
	mem_free(s);
}

static void
test_the_latest_second_is_counted(void **state)
{
	struct series *s = new_series();

	(void)state;
	assert_ptr_equal(series_second(s, 0), &s->at[0]);
	assert_int_equal(s->seconds, 1);
	assert_ptr_equal(series_second(s, 7), &s->at[7]);
	assert_int_equal(s->seconds, 8);
	assert_ptr_equal(series_second(s, 3), &s->at[3]); /* an answer to a message of that second */
	assert_int_equal(s->seconds, 8);
	mem_free(s);
}

static void
test_clients_stay_in_seconds_without_news(void **state)
{
	struct series *s = new_series();

	(void)state;
	series_second(s, 1)->joined = 40;
	series_second(s, 4)->joined++;
	series_second(s, 5);
	assert_int_equal(s->at[0].joined, 0);
	assert_int_equal(s->at[2].joined, 40);
	assert_int_equal(s->at[3].joined, 40);
	assert_int_equal(s->at[4].joined, 41);
	assert_int_equal(s->at[5].joined, 41);
	assert_int_equal(s->at[6].joined, 0);
	mem_free(s);
}

static void
test_late_events_count_in_the_last_second(void **state)
{
	struct series *s = new_series();

	(void)state;
	assert_ptr_equal(series_second(s, SERIES_SECONDS), &s->at[SERIES_SECONDS - 1]);
	assert_ptr_equal(series_second(s, UINT64_MAX), &s->at[SERIES_SECONDS - 1]);
	assert_int_equal(s->seconds, SERIES_SECONDS);
	mem_free(s);
}

static void
test_percentiles_are_near_those_of_the_fine_histogram(void **state)
{
	static const double percents[] = {0, 1, 50, 90, 99, 99.9, 100};
	struct series *s = new_series();
	struct series_second *second = series_second(s, 0);
	struct histogram *h = mem_alloc(sizeof *h);

	(void)state;
	histogram_init(h);
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t ns = ((uint64_t)random() << 12) >> (random() % 43);

		histogram_record(h, ns);
		series_record(second, ns);
	}
	for (unsigned i = 0; i < sizeof percents / sizeof *percents; i++) {
		double fine = (double)histogram_percentile(h, percents[i]);
		double coarse = (double)series_percentile(second, percents[i]);

		assert_true(coarse >= fine * 0.967 && coarse <= fine * 1.033);
	}
	assert_int_equal(series_percentile(second, 100), h->max);
	assert_int_equal(second->max, h->max);
	mem_free(h);
	mem_free(s);
}

static void
test_no_percentile_is_beyond_the_highest(void **state)
{
	struct series *s = new_series();
	struct series_second *second = series_second(s, 0);

	(void)state;
	series_record(second, 1025); /* its bucket is 1024..1087, with the middle 1056 */
	series_record(second, 1026);
	assert_int_equal(series_percentile(second, 50), 1026);
	assert_int_equal(series_percentile(second, 100), 1026);
	mem_free(s);
}

static void
test_the_longest_and_the_shortest(void **state)
{
	struct series *s = new_series();
	struct series_second *second = series_second(s, 0);

	(void)state;
	series_record(second, 0);
	series_record(second, UINT64_MAX);
	assert_int_equal(second->latencies[0], 1);
	assert_int_equal(second->latencies[SERIES_BUCKETS - 1], 1);
	assert_int_equal(second->max, HIGHEST);
	assert_int_equal(series_percentile(second, 50), 0);
	mem_free(s);
}

static void
test_sums_over_processes(void **state)
{
	struct series *a = new_series(), *b = new_series();
	struct series_second *sum = mem_zalloc(sizeof *sum);

	(void)state;
	*series_second(a, 2) = (struct series_second){.messages = 1, .deliveries = 2, .errors = 3, .joined = 4};
	*series_second(b, 2) = (struct series_second){.messages = 10, .deliveries = 20, .errors = 30, .joined = 40};
	series_record(&a->at[2], 1000);
	series_record(&b->at[2], 30);
	series_record(&b->at[2], 31);
	series_add(sum, a, 2);
	series_add(sum, b, 2);
	assert_int_equal(sum->messages, 11);
	assert_int_equal(sum->deliveries, 22);
	assert_int_equal(sum->errors, 33);
	assert_int_equal(sum->joined, 44);
	assert_int_equal(sum->max, 1000);
	assert_int_equal(series_percentile(sum, 34), 31);
	assert_int_equal(series_percentile(sum, 33), 30);

	/* after the end of `a`, its clients still count, and nothing else does */
	*sum = (struct series_second){0};
	series_second(b, 3)->messages = 5;
	series_add(sum, a, 3);
	series_add(sum, b, 3);
	assert_int_equal(sum->joined, 44);
	assert_int_equal(sum->messages, 5);
	assert_int_equal(sum->max, 0);

	*sum = (struct series_second){0};
	series_add(sum, a, UINT64_MAX);
	assert_int_equal(sum->joined, 4);
	a->seconds = 0;
	*sum = (struct series_second){0};
	series_add(sum, a, 0);
	assert_int_equal(sum->joined, 0);
	mem_free(sum);
	mem_free(a);
	mem_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_memory_is_empty),
		cmocka_unit_test(test_the_latest_second_is_counted),
		cmocka_unit_test(test_clients_stay_in_seconds_without_news),
		cmocka_unit_test(test_late_events_count_in_the_last_second),
		cmocka_unit_test(test_percentiles_are_near_those_of_the_fine_histogram),
		cmocka_unit_test(test_no_percentile_is_beyond_the_highest),
		cmocka_unit_test(test_the_longest_and_the_shortest),
		cmocka_unit_test(test_sums_over_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
