/*
 * The metrics that a node has once, and not for each worker: those of the programs of --exec and of the hub. The
 * functions append Prometheus' text format, version 0.0.4, to a buffer.
 */
#ifndef NODE_PROCESS_METRICS_NODE_H
#define NODE_PROCESS_METRICS_NODE_H

#include "broker/history_table.h"
#include "broker/hub.h"
#include "common/base/buffer.h"
#include "node/process/exec_stats.h"
#include "node/process/hub_watch.h"
#include "node/socketio/sio_recovery_stats.h"

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

/* Appends the rows of these metrics for metrics_markdown(). */
void metrics_node_markdown(struct buffer *out);

#endif
