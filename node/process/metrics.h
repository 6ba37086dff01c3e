/*
 * The metrics of a node in Prometheus' text format, version 0.0.4: one table of rows, from which the text, and the
 * table in docs/operations.md come. Labels are bounded: workers, reasons, transports, at most STATS_NAMESPACES
 * namespaces.
 */
#ifndef NODE_PROCESS_METRICS_H
#define NODE_PROCESS_METRICS_H

#include "common/base/buffer.h"
#include "node/process/exec_stats.h"
#include "node/process/stats.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends the text of `count` workers; those that cannot be read, or were never there, are left out. `pages` and
 * `snapshot` have `count` items, `snapshot` being the caller's room. `now` is of the loop's clock.
 */
void metrics_write(
	struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count, uint64_t now);

/* Appends the text of the programs of --exec. */
void metrics_write_exec(struct buffer *out, const struct exec_stats *exec);

/* Appends a table of all metrics: name, type, labels, meaning. */
void metrics_markdown(struct buffer *out);

#endif
