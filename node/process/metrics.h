/*
 * The metrics of the workers in Prometheus' text format, version 0.0.4 (sample.h); metrics_node.h has the others of a
 * node. One table of rows produces the text and the table in docs/monitoring.md. The number of label values is
 * bounded: workers, reasons, transports, at most STATS_NAMESPACES namespaces.
 */
#ifndef NODE_PROCESS_METRICS_H
#define NODE_PROCESS_METRICS_H

#include "common/base/buffer.h"
#include "node/process/stats.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends the text for `count` workers. Workers that never started, or whose page cannot be read, are left out.
 * `pages` and `snapshot` have `count` elements; `snapshot` is work space of the caller. `now` is by the loop's clock.
 */
void metrics_write(
	struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count, uint64_t now);

/* Appends a table of all metrics: name, type, labels, meaning. */
void metrics_markdown(struct buffer *out);

#endif
