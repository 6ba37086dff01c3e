/*
 * The metrics of a node in Prometheus' text format, version 0.0.4. One table of rows produces the text and the table
 * in docs/operations.md. The number of label values is bounded: workers, reasons, transports, at most
 * STATS_NAMESPACES namespaces.
 */
#ifndef NODE_PROCESS_METRICS_H
#define NODE_PROCESS_METRICS_H

#include "broker/history_table.h"
#include "broker/hub.h"
#include "node/socketio/sio_recovery_stats.h"
#include "common/base/buffer.h"
#include "node/process/exec_stats.h"
#include "node/process/hub_watch.h"
#include "node/process/stats.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends the text for `count` workers. Workers that never started, or whose page cannot be read, are left out.
 * `pages` and `snapshot` have `count` elements; `snapshot` is work space of the caller. `now` is by the loop's clock.
 */
void metrics_write(
	struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count, uint64_t now);

/* Appends the text for the programs of --exec. */
void metrics_write_exec(struct buffer *out, const struct exec_stats *exec);

/* Appends the number of times that the master has restarted the hub. */
void metrics_write_hub_life(struct buffer *out, const struct hub_life *life);

/* Appends the text for a hub that subscribes at Redis. */
void metrics_write_hub(struct buffer *out, const struct hub_stats *stats);
/* Appends the text for a hub that keeps the sessions and events of connection state recovery. */
void metrics_write_keeper(struct buffer *out, const struct sio_recovery_stats *stats);
/* Appends the text for a hub that keeps the history of rooms. */
void metrics_write_history(struct buffer *out, const struct history_table *table);

/* Appends a table of all metrics: name, type, labels, meaning. */
void metrics_markdown(struct buffer *out);

#endif
