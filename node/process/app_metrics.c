#include "node/process/app_metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/utf8.h"

#define OTHER "other"

/* -------------------------------------------------------------------- names */

static bool
app_metric_word_is_valid(const char *word, size_t size)
{
	size_t n = strnlen(word, size);

	if (n == 0 || n >= size || word[0] < 'a' || word[0] > 'z')
		return false;
	return strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool
app_metric_text_is_valid(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == '"' || text[i] == '\\' || text[i] == 0x7f)
			return false;
	return n > 0 && n < size && utf8_valid(text, n);
}

static bool
app_metric_bounds_are_valid(const double *bounds, unsigned n)
{
	if (!bounds || n == 0 || n > APP_BOUNDS_MAX)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
			return false;
	return true;
}

/* Checks the name, help text, label and bounds. Returns what is wrong, or NULL. */
static const char *
app_metric_fault(const struct app_series_setup *setup)
{
	static const struct app_metric *const sizes = NULL;
	bool counts = text_ends(text_from(setup->name), TEXT("_total"));

	if (!app_metric_word_is_valid(setup->name, sizeof sizes->name))
		return "the name must begin with a small letter and have at most 63 small letters, digits and _";
	if (strncmp(setup->name, "sockeye_", 8) == 0)
		return "names that begin with sockeye_ are those of the server";
	if (counts != (setup->kind == APP_COUNTER))
		return "the name of a counter ends with _total, and no other name does";
	if (!app_metric_text_is_valid(setup->help, sizeof sizes->help))
		return "the help must have 1 to 199 bytes without quotes, backslashes and control characters";
	if (setup->label && (!app_metric_word_is_valid(setup->label, sizeof sizes->label) ||
				    strcmp(setup->label, "worker") == 0 || strcmp(setup->label, "le") == 0))
		return "the label must be a word of small letters, other than worker and le";
	if (setup->kind == APP_HISTOGRAM && !app_metric_bounds_are_valid(setup->bounds, setup->n_bounds))
		return "the bounds must be 1 to 16 ascending numbers";
	return NULL;
}

/* ----------------------------------------------------------------- registry */

static bool
app_metric_agrees(const struct app_metric *metric, const struct app_series_setup *setup)
{
	return metric->kind == setup->kind && strcmp(metric->label, setup->label ? setup->label : "") == 0 &&
	       (setup->kind != APP_HISTOGRAM ||
		       (metric->bounds == setup->n_bounds && setup->bounds &&
			       memcmp(metric->bound, setup->bounds, setup->n_bounds * sizeof setup->bounds[0]) == 0));
}

/* Finds or adds the metric of this name. Returns NULL if the metric is refused. */
static struct app_metric *
app_registry_metric(struct app_metrics *metrics, const struct app_series_setup *setup, const char **why)
{
	struct app_metric *metric = metrics->metrics;

	for (uint32_t i = 0; i < metrics->metric_count; i++, metric++) {
		if (strcmp(metric->name, setup->name) != 0)
			continue;
		*why = "a metric of this name has another kind, label or bounds";
		return app_metric_agrees(metric, setup) ? metric : NULL;
	}
	*why = app_metric_fault(setup);
	if (*why)
		return NULL;
	*why = "an application can have at most 64 metrics";
	if (metrics->metric_count == APP_METRICS_MAX)
		return NULL;
	snprintf(metric->name, sizeof metric->name, "%s", setup->name);
	snprintf(metric->help, sizeof metric->help, "%s", setup->help);
	snprintf(metric->label, sizeof metric->label, "%s", setup->label ? setup->label : "");
	metric->kind = setup->kind;
	metric->bounds = setup->kind == APP_HISTOGRAM ? setup->n_bounds : 0;
	for (unsigned i = 0; i < metric->bounds; i++)
		metric->bound[i] = setup->bounds[i];
	metrics->metric_count++;
	return metric;
}

static union app_number *
app_series_find(struct app_metrics *metrics, uint32_t metric, const char *value, unsigned *values)
{
	uint32_t count = atomic_load_explicit(&metrics->series_count, memory_order_relaxed);

	*values = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct app_series *series = &metrics->series[i];

		if (series->metric != metric)
			continue;
		++*values;
		if (strcmp(series->value, value) == 0)
			return &metrics->numbers[series->number];
	}
	return NULL;
}

/* A counter or gauge has one number. A histogram has one per bucket, one for the bucket +Inf, and the sum. */
static uint32_t
app_metric_numbers(const struct app_metric *metric)
{
	return metric->kind == APP_HISTOGRAM ? metric->bounds + 2 : 1;
}

static union app_number *
app_series_add(struct app_metrics *metrics, uint32_t metric, const char *value)
{
	uint32_t count = atomic_load_explicit(&metrics->series_count, memory_order_relaxed);
	uint32_t numbers = app_metric_numbers(&metrics->metrics[metric]);
	struct app_series *series = &metrics->series[count];

	if (count == APP_SERIES_MAX || metrics->number_count + numbers > APP_METRIC_NUMBERS_MAX)
		return NULL;
	series->metric = metric;
	series->number = metrics->number_count;
	snprintf(series->value, sizeof series->value, "%s", value);
	metrics->number_count += numbers;
	atomic_store_explicit(&metrics->series_count, count + 1, memory_order_release);
	return &metrics->numbers[series->number];
}

union app_number *
app_registry_series(
	struct app_registry *registry, const struct app_series_setup *setup, const double **bounds, const char **why)
{
	const char *value = setup->label ? setup->value : "";
	struct app_metric *metric;
	union app_number *numbers;
	uint32_t index;
	unsigned values;

	if (!registry->metrics) {
		registry->metrics = mem_zalloc(sizeof *registry->metrics);
		registry->own = true;
	}
	metric = app_registry_metric(registry->metrics, setup, why);
	if (!metric)
		return NULL;
	*bounds = metric->bound;
	index = (uint32_t)(metric - registry->metrics->metrics);
	if (setup->label && !app_metric_text_is_valid(value, sizeof registry->metrics->series[0].value))
		value = OTHER;
	numbers = app_series_find(registry->metrics, index, value, &values);
	if (!numbers && values >= APP_LABEL_VALUES_MAX - 1) {
		value = OTHER;
		numbers = app_series_find(registry->metrics, index, value, &values);
	}
	*why = "an application can have at most 256 series, and 2048 numbers with those of histograms";
	return numbers ? numbers : app_series_add(registry->metrics, index, value);
}

static struct sio_histogram *
app_histogram_add(struct app_registry *registry, const double *bounds, unsigned n, union app_number *numbers)
{
	struct sio_histogram *histogram = mem_zalloc(sizeof *histogram);

	*histogram = (struct sio_histogram){registry->histograms, bounds, n, numbers, {{0}}};
	registry->histograms = histogram;
	return histogram;
}

struct sio_histogram *
app_registry_histogram(struct app_registry *registry, const struct app_series_setup *setup, const char **why)
{
	const double *bounds = NULL;
	union app_number *numbers = app_registry_series(registry, setup, &bounds, why);
	struct sio_histogram *histogram = registry->histograms;

	while (histogram && (numbers ? histogram->numbers != numbers : histogram->bounds_count > 0))
		histogram = histogram->next;
	if (histogram)
		return histogram;
	if (numbers)
		return app_histogram_add(registry, bounds, setup->n_bounds, numbers);
	histogram = app_histogram_add(registry, NULL, 0, NULL);
	histogram->numbers = histogram->spare;
	return histogram;
}

void
app_registry_fini(struct app_registry *registry)
{
	struct sio_histogram *histogram;

	while ((histogram = registry->histograms) != NULL) {
		registry->histograms = histogram->next;
		mem_free(histogram);
	}
	if (registry->own)
		mem_free(registry->metrics);
}

/* ------------------------------------------------------------------ writing */

static const char *const kind_words[] = {"counter", "gauge", "histogram"};

/* Begins a sample: NAME{worker="1",label="value" */
static void
app_sample_begin(
	struct buffer *out, const struct app_metric *metric, const char *suffix, unsigned worker, const char *value)
{
	buffer_printf(out, "%s%s{worker=\"%u\"", metric->name, suffix, worker);
	if (metric->label[0])
		buffer_printf(out, ",%s=\"%s\"", metric->label, value);
}

static void
app_write_real(struct buffer *out, double real)
{
	if (isfinite(real))
		json_write_double(out, real);
	else
		buffer_add_text(out, isnan(real) ? TEXT("NaN") : real > 0 ? TEXT("+Inf") : TEXT("-Inf"));
}

static void
app_write_histogram(struct buffer *out, const struct app_metric *metric, const union app_number *numbers,
	unsigned worker, const char *value)
{
	unsigned long long count = 0;

	for (uint32_t i = 0; i <= metric->bounds; i++) {
		count += numbers[i].count;
		app_sample_begin(out, metric, "_bucket", worker, value);
		buffer_add_text(out, TEXT(",le=\""));
		if (i < metric->bounds)
			app_write_real(out, metric->bound[i]);
		else
			buffer_add_text(out, TEXT("+Inf"));
		buffer_printf(out, "\"} %llu\n", count);
	}
	app_sample_begin(out, metric, "_sum", worker, value);
	buffer_add_text(out, TEXT("} "));
	app_write_real(out, numbers[metric->bounds + 1].real);
	buffer_add_byte(out, '\n');
	app_sample_begin(out, metric, "_count", worker, value);
	buffer_printf(out, "} %llu\n", count);
}

static const struct app_metrics *
app_metrics_of(const struct app_metrics *first, unsigned worker, size_t stride)
{
	return (const struct app_metrics *)(const void *)((const char *)first + worker * stride);
}

static void
app_write_series(struct buffer *out, const struct app_metrics *metrics, uint32_t index, unsigned worker)
{
	const struct app_metric *metric = &metrics->metrics[index];
	uint32_t count = atomic_load_explicit(&metrics->series_count, memory_order_acquire);

	for (uint32_t i = 0; i < count; i++) {
		const struct app_series *series = &metrics->series[i];
		const union app_number *numbers = &metrics->numbers[series->number];

		if (series->metric != index || metric->bounds > APP_BOUNDS_MAX ||
			series->number + app_metric_numbers(metric) > APP_METRIC_NUMBERS_MAX)
			continue;
		if (metric->kind == APP_HISTOGRAM) {
			app_write_histogram(out, metric, numbers, worker, series->value);
			continue;
		}
		app_sample_begin(out, metric, "", worker, series->value);
		buffer_add_text(out, TEXT("} "));
		if (metric->kind == APP_GAUGE)
			app_write_real(out, numbers->real);
		else
			buffer_printf(out, "%llu", (unsigned long long)numbers->count);
		buffer_add_byte(out, '\n');
	}
}

/* Returns the number of metrics that can be read. The last one may not have a series yet. */
static uint32_t
app_metrics_count(const struct app_metrics *metrics)
{
	uint32_t series = atomic_load_explicit(&metrics->series_count, memory_order_acquire);

	return series == 0 ? 0 : metrics->metric_count < APP_METRICS_MAX ? metrics->metric_count : APP_METRICS_MAX;
}

/* Returns the index of the metric with this name, kind and label, or -1. */
static int
app_metrics_find(const struct app_metrics *metrics, const struct app_metric *like)
{
	uint32_t count = app_metrics_count(metrics);

	for (uint32_t i = 0; i < count; i++) {
		const struct app_metric *metric = &metrics->metrics[i];

		if (metric->kind == like->kind && strcmp(metric->name, like->name) == 0 &&
			strcmp(metric->label, like->label) == 0)
			return (int)i;
	}
	return -1;
}

/* Returns true if a worker before `worker` has a metric of this name. */
static bool
app_metric_is_written(const struct app_metrics *first, unsigned worker, size_t stride, const char *name)
{
	for (unsigned w = 0; w < worker; w++) {
		const struct app_metrics *metrics = app_metrics_of(first, w, stride);
		uint32_t count = app_metrics_count(metrics);

		for (uint32_t i = 0; i < count; i++)
			if (strcmp(metrics->metrics[i].name, name) == 0)
				return true;
	}
	return false;
}

/*
 * While a new application is deployed, two workers may declare a metric differently. Then only the samples of the
 * workers that agree with the first one are written.
 */
void
app_metrics_write(struct buffer *out, const struct app_metrics *first, unsigned count, size_t stride)
{
	for (unsigned w = 0; w < count; w++) {
		const struct app_metrics *metrics = app_metrics_of(first, w, stride);
		uint32_t metric_count = app_metrics_count(metrics);

		for (uint32_t i = 0; i < metric_count; i++) {
			const struct app_metric *metric = &metrics->metrics[i];

			if (metric->kind > APP_HISTOGRAM || app_metric_is_written(first, w, stride, metric->name))
				continue;
			buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
				kind_words[metric->kind]);
			for (unsigned of = w; of < count; of++) {
				const struct app_metrics *theirs = app_metrics_of(first, of, stride);
				int index = app_metrics_find(theirs, metric);

				if (index >= 0)
					app_write_series(out, theirs, (uint32_t)index, of);
			}
		}
	}
}
