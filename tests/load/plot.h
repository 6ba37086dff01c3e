/*
 * Draws a run over time as an SVG document: latency (p50, p99, max; logarithmic) above, throughput and clients below.
 * The document is readable on light and dark backgrounds and has no script and no external resource. Pure code.
 */
#ifndef TESTS_LOAD_PLOT_H
#define TESTS_LOAD_PLOT_H

#include "common/base/buffer.h"
#include "tests/load/report.h"

/* Draws the report's series. In long runs one point stands for several seconds. */
void plot_svg(const struct report *r, struct buffer *out);

#endif
