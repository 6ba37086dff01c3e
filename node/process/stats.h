/*
 * What a worker shows of itself to whoever serves the metrics: a page of plain numbers, in memory that may be shared
 * between processes. Its one owner writes it a few times a second; readers take a copy, and try again when the owner
 * wrote meanwhile (a sequence lock), so nobody waits for anybody.
 */
#ifndef NODE_PROCESS_STATS_H
#define NODE_PROCESS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "common/base/counter.h"
#include "common/base/reason.h"
#include "node/engineio/eio_error.h"
#include "node/socketio/sio_core.h"

#define STATS_NAMESPACES 64 /* shown by name; more are summed up */
#define STATS_NAME_MAX 64   /* bytes of a name, with its NUL; longer ones are summed up too */
#define STATS_INTERVAL_S 0.5

enum stats_state { STATS_ABSENT, STATS_STARTING, STATS_ACCEPTING, STATS_DRAINING };

struct stats_namespace {
	uint64_t sockets;
	char name[STATS_NAME_MAX];
};

struct stats {
	uint64_t pid, state, started_ms, beat_ms; /* wall clock; the loop's clock of the last writing */
	uint64_t counters[COUNTER_COUNT];
	uint64_t closed[REASON_COUNT]; /* connections */
	uint64_t connections, queued;
	struct eio_stats engine;
	struct sio_stats sockets;
	uint64_t namespace_count, other_sockets; /* those that are not in the list */
	struct stats_namespace namespaces[STATS_NAMESPACES];
	struct broker_stats broker;
};

struct stats_page {
	_Atomic uint64_t sequence; /* odd while it is being written */
	struct stats stats;
};

/* `count` pages of zeroes that children share after a fork; NULL with errno. Free by stats_pages_free(). */
struct stats_page *stats_pages_new(unsigned count);
void stats_pages_free(struct stats_page *pages, unsigned count); /* accepts NULL */

void stats_write(struct stats_page *page, const struct stats *stats);
/* For an owner that is gone. */
void stats_clear(struct stats_page *page);
/* False: the owner wrote, or died while writing, at every try. */
bool stats_read(const struct stats_page *page, struct stats *out);

/* Adds a namespace to the list, or to the rest. */
void stats_add_namespace(struct stats *s, struct text name, unsigned sockets);

#endif
