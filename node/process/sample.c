#include "node/process/sample.h"

#include <stdio.h>

void
sample_head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
sample_begin(struct buffer *out, const char *name, unsigned worker)
{
	buffer_printf(out, "%s{worker=\"%u\"", name, worker);
}

void
sample_label(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, ",%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buffer_add_text(out, TEXT("\\n"));
			continue;
		}
		if (*value == '"' || *value == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, (uint8_t)*value);
	}
	buffer_add_byte(out, '"');
}

void
sample_end(struct buffer *out, uint64_t number)
{
	buffer_printf(out, "} %llu\n", (unsigned long long)number);
}

void
sample_number(struct buffer *out, const struct metric *metric, struct subject subject, uint64_t number)
{
	sample_begin(out, metric->name, subject.worker);
	sample_end(out, number);
}

void
sample_with_label(struct buffer *out, const struct metric *metric, struct subject subject, const char *name,
	const char *value, uint64_t number)
{
	sample_begin(out, metric->name, subject.worker);
	sample_label(out, name, value);
	sample_end(out, number);
}

void
sample_seconds(struct buffer *out, const struct metric *metric, struct subject subject, uint64_t number,
	unsigned unit, int places)
{
	sample_begin(out, metric->name, subject.worker);
	buffer_printf(out, "} %llu.%0*llu\n", (unsigned long long)(number / unit), places,
		(unsigned long long)(number % unit));
}

void
sample_histogram(struct buffer *out, const struct metric *metric, struct subject subject, const char *label,
	const char *value, const struct durations *durations)
{
	char name[96];
	uint64_t n = 0;

	snprintf(name, sizeof name, "%s_bucket", metric->name);
	for (unsigned i = 0; i <= DURATIONS_BOUNDS; i++) {
		n += durations->bucket[i];
		sample_begin(out, name, subject.worker);
		if (label != NULL)
			sample_label(out, label, value);
		if (i < DURATIONS_BOUNDS)
			buffer_printf(out, ",le=\"%g\"", (double)durations_bounds_us[i] / 1e6);
		else
			buffer_add_text(out, TEXT(",le=\"+Inf\""));
		sample_end(out, n);
	}
	snprintf(name, sizeof name, "%s_sum", metric->name);
	sample_begin(out, name, subject.worker);
	if (label != NULL)
		sample_label(out, label, value);
	buffer_printf(out, "} %.6f\n", (double)durations->sum_us / 1e6);
	snprintf(name, sizeof name, "%s_count", metric->name);
	sample_begin(out, name, subject.worker);
	if (label != NULL)
		sample_label(out, label, value);
	sample_end(out, n);
}
