/*
 * A picture of a run over time as an SVG document: latency (p50, p99, max; logarithmic) above, throughput and clients
 * below. Readable in light and dark; no script, no outside resource. Pure code.
 */
#ifndef TESTS_LOAD_PLOT_H
#define TESTS_LOAD_PLOT_H

#include "common/base/buffer.h"
#include "tests/load/report.h"

/* Longer runs are drawn with several seconds to a point. */
void plot_svg(const struct report *r, struct buffer *out);

#endif
