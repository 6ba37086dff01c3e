/* The metrics of an application: the text of several workers, what is refused, and what counts as "other". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/process/server.h"
#include "node/process/stats.h"

#define WORKERS 2

struct fixture {
	struct ev_loop *ev;
	struct stats_page *pages;
	sio_server *io[WORKERS];
	struct buffer out;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->ev = ev_loop_new(0);
	f->pages = stats_pages_new(WORKERS);
	assert_non_null(f->pages);
	for (unsigned i = 0; i < WORKERS; i++) {
		f->io[i] = sio_server_new(f->ev);
		server_app_metrics(f->io[i])->metrics = &f->pages[i].app;
	}
	buffer_init(&f->out, 1 << 20);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < WORKERS; i++)
		sio_server_free(f->io[i]);
	stats_pages_free(f->pages, WORKERS);
	buffer_fini(&f->out);
	ev_loop_destroy(f->ev);
	free(f);
	return 0;
}

static const char *
text(struct fixture *f)
{
	buffer_reset(&f->out);
	app_metrics_write(&f->out, &f->pages->app, WORKERS, sizeof *f->pages);
	buffer_add_byte(&f->out, '\0');
	assert_int_equal(buffer_error(&f->out), 0);
	return (const char *)f->out.data;
}

static void
without_metrics_there_is_no_text(void **state)
{
	assert_string_equal(text(*state), "");
}

static void
each_metric_has_one_head_and_the_samples_of_all_workers(void **state)
{
	struct fixture *f = *state;

	*sio_counter(f->io[0], "scores_total", "scores received", "sport", "ski") += 3;
	*sio_gauge(f->io[0], "score_queue", "waiting scores", NULL, NULL) = 1.5;
	*sio_gauge(f->io[1], "score_queue", "waiting scores", NULL, NULL) = -INFINITY;
	*sio_counter(f->io[1], "scores_total", "scores received", "sport", "golf") += 4;
	*sio_counter(f->io[1], "scores_total", "scores received", "sport", "ski") += 5;
	assert_string_equal(text(f), "# HELP scores_total scores received\n"
				     "# TYPE scores_total counter\n"
				     "scores_total{worker=\"0\",sport=\"ski\"} 3\n"
				     "scores_total{worker=\"1\",sport=\"golf\"} 4\n"
				     "scores_total{worker=\"1\",sport=\"ski\"} 5\n"
				     "# HELP score_queue waiting scores\n"
				     "# TYPE score_queue gauge\n"
				     "score_queue{worker=\"0\"} 1.5\n"
				     "score_queue{worker=\"1\"} -Inf\n");
}

static void
a_histogram_counts_in_buckets(void **state)
{
	static const double bounds[] = {0.1, 1};
	struct fixture *f = *state;
	sio_histogram *h = sio_histogram_of(f->io[1], "score_seconds", "time", NULL, NULL, bounds, 2);

	assert_ptr_equal(sio_histogram_of(f->io[1], "score_seconds", "time", NULL, NULL, bounds, 2), h);
	sio_observe(h, 0.1);
	sio_observe(h, 0.5);
	sio_observe(h, 0.5);
	sio_observe(h, 2);
	assert_string_equal(text(f), "# HELP score_seconds time\n"
				     "# TYPE score_seconds histogram\n"
				     "score_seconds_bucket{worker=\"1\",le=\"0.1\"} 1\n"
				     "score_seconds_bucket{worker=\"1\",le=\"1\"} 3\n"
				     "score_seconds_bucket{worker=\"1\",le=\"+Inf\"} 4\n"
				     "score_seconds_sum{worker=\"1\"} 3.1\n"
				     "score_seconds_count{worker=\"1\"} 4\n");
}

static void
the_same_series_is_the_same_number(void **state)
{
	struct fixture *f = *state;
	uint64_t *number = sio_counter(f->io[0], "a_total", "x", "of", "one");

	assert_ptr_equal(sio_counter(f->io[0], "a_total", "x", "of", "one"), number);
	assert_ptr_not_equal(sio_counter(f->io[0], "a_total", "x", "of", "two"), number);
}

static void
many_label_values_count_as_other(void **state)
{
	struct fixture *f = *state;
	char value[80];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(value, sizeof value, "v%u", i);
		++*sio_counter(f->io[0], "a_total", "x", "of", value);
	}
	assert_non_null(strstr(text(f), "a_total{worker=\"0\",of=\"v30\"} 1\n"));
	assert_null(strstr(text(f), "of=\"v31\""));
	assert_non_null(strstr(text(f), "a_total{worker=\"0\",of=\"other\"} 69\n"));
	assert_ptr_equal(sio_counter(f->io[0], "a_total", "x", "of", "v99"),
		sio_counter(f->io[0], "a_total", "x", "of", "other"));
}

static void
unfit_label_values_count_as_other(void **state)
{
	static const char *const values[] = {"", "a\"b", "a\nb", "a\\b", "\xff",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++)
		++*sio_counter(f->io[0], "a_total", "x", "of", values[i]);
	assert_string_equal(
		text(f), "# HELP a_total x\n# TYPE a_total counter\na_total{worker=\"0\",of=\"other\"} 6\n");
}

static void
only_the_end_of_a_name_makes_a_counter(void **state)
{
	struct fixture *f = *state;

	++*sio_counter(f->io[0], "a_total_total", "x", NULL, NULL);
	*sio_gauge(f->io[0], "a_total_b", "x", NULL, NULL) = 2;
	assert_non_null(strstr(text(f), "a_total_total{worker=\"0\"} 1\n"));
	assert_non_null(strstr(text(f), "a_total_b{worker=\"0\"} 2\n"));
}

static void
faulty_metrics_are_refused_and_can_be_counted(void **state)
{
	static const double bounds[] = {1, 2}, falling[] = {2, 1}, infinite[] = {INFINITY};
	struct fixture *f = *state;
	sio_server *io = f->io[0];

	++*sio_counter(io, "Scores_total", "x", NULL, NULL);
	++*sio_counter(io, "sockeye_scores_total", "x", NULL, NULL);
	++*sio_counter(io, "scores", "x", NULL, NULL);
	++*sio_counter(io, "scores_total", "", NULL, NULL);
	++*sio_counter(io, "scores_total", "a\nb", NULL, NULL);
	++*sio_counter(io, "scores_total", "x", "worker", "1");
	++*sio_counter(io, "scores_total", "x", "le", "1");
	++*sio_counter(io, "scores_total", "x", "of", NULL);
	++*sio_counter(io, NULL, "x", NULL, NULL);
	*sio_gauge(io, "scores_total", "x", NULL, NULL) = 1;
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, falling, 2), 1);
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, infinite, 1), 1);
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, bounds, 0), 1);
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, NULL, 2), 1);
	assert_string_equal(text(f), "");
	++*sio_counter(io, "scores_total", "x", NULL, NULL);
	++*sio_counter(io, "scores_total", "x", "of", "one");
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, bounds, 2), 1);
	sio_observe(sio_histogram_of(io, "score_seconds", "x", NULL, NULL, bounds, 1), 1);
	assert_non_null(strstr(text(f), "scores_total{worker=\"0\"} 1\n"));
	assert_non_null(strstr(text(f), "score_seconds_count{worker=\"0\"} 1\n"));
}

static void
the_number_of_metrics_and_of_series_is_bounded(void **state)
{
	struct fixture *f = *state;
	char name[32], value[32];

	for (unsigned i = 0; i < 80; i++) {
		snprintf(name, sizeof name, "n%u_total", i);
		for (unsigned k = 0; k < 5; k++) {
			snprintf(value, sizeof value, "v%u", k);
			++*sio_counter(f->io[0], name, "x", "of", value);
		}
	}
	assert_int_equal(f->pages[0].app.series_count, APP_SERIES_MAX);
	for (unsigned i = 0; i < 80; i++) {
		snprintf(name, sizeof name, "m%u", i);
		*sio_gauge(f->io[1], name, "x", NULL, NULL) = 1;
	}
	assert_int_equal(f->pages[1].app.metric_count, APP_METRICS_MAX);
}

static void
the_metrics_of_a_worker_that_ended_are_gone(void **state)
{
	struct fixture *f = *state;

	++*sio_counter(f->io[0], "a_total", "x", NULL, NULL);
	++*sio_counter(f->io[1], "a_total", "x", NULL, NULL);
	stats_clear(&f->pages[0]);
	assert_string_equal(text(f), "# HELP a_total x\n# TYPE a_total counter\na_total{worker=\"1\"} 1\n");
}

/* While a new application is deployed. */
static void
workers_that_disagree_write_no_mixed_metric(void **state)
{
	struct fixture *f = *state;

	*sio_gauge(f->io[0], "a", "x", NULL, NULL) = 1;
	*sio_gauge(f->io[1], "a", "x", "of", "one") = 2;
	assert_string_equal(text(f), "# HELP a x\n# TYPE a gauge\na{worker=\"0\"} 1\n");
}

static void
a_server_of_its_own_program_counts_too(void **state)
{
	struct fixture *f = *state;
	sio_server *io = sio_server_new(f->ev);

	++*sio_counter(io, "a_total", "x", NULL, NULL);
	assert_int_equal(*sio_counter(io, "a_total", "x", NULL, NULL), 1);
	sio_server_free(io);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_metrics_there_is_no_text, setup, teardown),
		cmocka_unit_test_setup_teardown(
			each_metric_has_one_head_and_the_samples_of_all_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(a_histogram_counts_in_buckets, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_series_is_the_same_number, setup, teardown),
		cmocka_unit_test_setup_teardown(many_label_values_count_as_other, setup, teardown),
		cmocka_unit_test_setup_teardown(unfit_label_values_count_as_other, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_end_of_a_name_makes_a_counter, setup, teardown),
		cmocka_unit_test_setup_teardown(faulty_metrics_are_refused_and_can_be_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(the_number_of_metrics_and_of_series_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(the_metrics_of_a_worker_that_ended_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_that_disagree_write_no_mixed_metric, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_of_its_own_program_counts_too, setup, teardown),
	};

	return cmocka_run_group_tests_name("app_metrics", tests, NULL, NULL);
}
