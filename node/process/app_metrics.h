/*
 * The metrics of an application. Their names and numbers are in the worker's statistics page, which is shared with
 * the process that serves /metrics. The application changes the numbers in place, so counting costs one addition, and
 * nothing is copied.
 *
 * Each limit has a policy. A metric beyond APP_METRICS_MAX, or one that contradicts an earlier one, is refused with a
 * warning: its numbers are kept, but not served. A label value beyond APP_LABEL_VALUES_MAX of a metric, or one that
 * is not a short text without quotes, counts as "other". So a client that chooses values cannot make the text grow.
 */
#ifndef NODE_PROCESS_APP_METRICS_H
#define NODE_PROCESS_APP_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "node/sockeye.h"

#define APP_METRICS_MAX 64	    /* names */
#define APP_SERIES_MAX 256	    /* of all metrics together */
#define APP_LABEL_VALUES_MAX 32	    /* of one metric, "other" included */
#define APP_METRIC_NUMBERS_MAX 2048 /* a histogram has one per bucket, and two more */
#define APP_BOUNDS_MAX 16

enum app_metric_kind { APP_COUNTER, APP_GAUGE, APP_HISTOGRAM };

/* Texts are NUL-terminated. */
struct app_metric {
	char name[64], label[32], help[200]; /* label "": none */
	uint32_t kind;			     /* enum app_metric_kind */
	uint32_t bounds;
	double bound[APP_BOUNDS_MAX]; /* upper limits of the buckets, ascending, without +Inf */
};

struct app_series {
	uint32_t metric; /* index */
	uint32_t number; /* index of the first one */
	char value[64];	 /* of the label */
};

union app_number {
	uint64_t count;
	double real; /* of a gauge, and the sum of a histogram, which follows its buckets */
};

/* One worker writes; other processes only read. A zeroed struct is empty. */
struct app_metrics {
	_Atomic uint32_t series_count; /* written last, after the entries that it counts */
	uint32_t metric_count, number_count;
	struct app_metric metrics[APP_METRICS_MAX];
	struct app_series series[APP_SERIES_MAX];
	union app_number numbers[APP_METRIC_NUMBERS_MAX];
};

struct sio_histogram {
	struct sio_histogram *next;
	const double *bounds;
	unsigned bounds_count; /* 0: the histogram was refused */
	union app_number *numbers;
	union app_number spare[2];
};

/* The metrics of this process, to which the application adds. */
struct app_registry {
	struct app_metrics *metrics; /* NULL: no process serves them; the first metric then allocates them */
	bool own;		     /* metrics was allocated */
	struct sio_histogram *histograms;
	uint64_t spare_count; /* of the refused metrics */
	double spare_real;
};

void app_registry_fini(struct app_registry *registry);

/* What identifies a series. `label` and `value` are both NULL or both set. */
struct app_series_setup {
	const char *name, *help, *label, *value;
	enum app_metric_kind kind;
	const double *bounds;
	unsigned n_bounds;
};

/*
 * Finds or adds a series. Returns its first number, or NULL with the reason in *why if the series is refused. Sets
 * *bounds to the metric's own copy of the bounds.
 */
union app_number *app_registry_series(
	struct app_registry *registry, const struct app_series_setup *setup, const double **bounds, const char **why);

/*
 * Finds or adds a histogram, see app_registry_series(). Never returns NULL: if the histogram is refused, *why is the
 * reason, and its numbers are counted but not served.
 */
struct sio_histogram *app_registry_histogram(
	struct app_registry *registry, const struct app_series_setup *setup, const char **why);

/*
 * Appends the metrics of `count` workers in Prometheus' text format; `stride` bytes lie between two workers' metrics.
 */
void app_metrics_write(struct buffer *out, const struct app_metrics *first, unsigned count, size_t stride);

#endif
