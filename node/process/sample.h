/*
 * Samples in Prometheus' text format, version 0.0.4: "name{worker="0",label="value"} number". The functions append to
 * a buffer, whose owner checks its error. Values of labels are escaped.
 */
#ifndef NODE_PROCESS_SAMPLE_H
#define NODE_PROCESS_SAMPLE_H

#include "common/base/buffer.h"
#include "common/base/durations.h"
#include "node/process/stats.h"

/* The worker whose samples are being written. */
struct subject {
	const struct stats *stats;
	unsigned worker;
	uint64_t now; /* by the loop's clock */
};

struct metric {
	const char *name, *type, *labels, *help;
	/* Appends the samples of one worker. */
	void (*write)(struct buffer *out, const struct metric *metric, struct subject subject);
	size_t at; /* offset in struct stats, for write_number(), write_behind() and write_times() */
};

/* Appends the two lines before the samples of a metric. */
void sample_head(struct buffer *out, const char *name, const char *type, const char *help);

/* A sample is sample_begin(), any number of sample_label() and sample_end(). */
void sample_begin(struct buffer *out, const char *name, unsigned worker);
void sample_label(struct buffer *out, const char *name, const char *value);
void sample_end(struct buffer *out, uint64_t number);

/* A whole sample without a further label, and one with a label. */
void sample_number(struct buffer *out, const struct metric *metric, struct subject subject, uint64_t number);
void sample_with_label(struct buffer *out, const struct metric *metric, struct subject subject, const char *name,
	const char *value, uint64_t number);

/* Appends a count of a smaller unit as a decimal fraction: `number` / `unit` with `places` digits. */
void sample_seconds(struct buffer *out, const struct metric *metric, struct subject subject, uint64_t number,
	unsigned unit, int places);

/* Appends the samples of a histogram. `label` is the label in addition to `worker` and `le`; NULL: none. */
void sample_histogram(struct buffer *out, const struct metric *metric, struct subject subject, const char *label,
	const char *value, const struct durations *durations);

#endif
