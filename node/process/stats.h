/*
 * The statistics of a worker, for the process that serves metrics: a page of plain numbers, in memory that processes
 * may share. One worker writes the page a few times a second. Readers copy it, and try again if it was written
 * meanwhile (a sequence lock), so neither side blocks.
 */
#ifndef NODE_PROCESS_STATS_H
#define NODE_PROCESS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "common/base/counter.h"
#include "node/backend/backend_clients.h"
#include "node/backend/backend_links.h"
#include "node/engineio/eio_error.h"
#include "node/process/app_metrics.h"
#include "node/socketio/sio_core.h"

#define STATS_NAMESPACES 64 /* namespaces listed by name; the others are summed up */
#define STATS_NAME_MAX 64   /* bytes of a name, with its NUL; namespaces with longer names are summed up too */
#define STATS_MEMBERS 256   /* workers of the cluster that are listed */
#define STATS_INTERVAL_S 0.5
#define STATS_HUNG_MS 10000 /* a worker that has not written for this long hangs */

/*
 *   state       ends by
 *   ABSENT      the worker writes for the first time: STARTING
 *   STARTING    the worker listens: ACCEPTING
 *   ACCEPTING   the worker drains or closes: DRAINING
 *   any         the master has reaped the worker: ABSENT
 */
enum stats_state { STATS_ABSENT, STATS_STARTING, STATS_ACCEPTING, STATS_DRAINING };

struct stats_namespace {
	uint64_t sockets;
	char name[STATS_NAME_MAX];
};

/* A worker of the cluster, as the writer of the page knows it: see members.h. */
struct stats_member {
	struct beat_about about;
	uint32_t state; /* enum member_state */
	uint32_t self;
	uint64_t heard_ms; /* loop time of its last heartbeat */
};

struct stats {
	uint64_t pid, state;
	uint64_t started_ms, beat_ms; /* start by the wall clock; last write by the loop's clock */
	uint64_t counters[NAMES_MAX];
	uint64_t closed[NAMES_MAX];   /* closed connections by reason */
	uint64_t connections, queued; /* open connections; bytes queued in them */
	uint64_t held, budget;	      /* bytes held for clients; their limit */
	struct eio_stats engine;
	struct sio_stats sockets;
	struct durations turns; /* of the loop */
	struct sio_handler_times handlers;
	uint64_t namespace_count, other_sockets; /* other_sockets: in namespaces that are not listed */
	struct stats_namespace namespaces[STATS_NAMESPACES];
	uint64_t has_backends; /* 0 before the server listens, and without backend addresses */
	struct backend_links_stats backends;
	struct backend_clients_stats behind; /* the clients of the backends */
	uint64_t has_broker;		     /* 0 before the server listens, and after it left the other nodes */
	struct broker_stats broker;
	uint64_t member_count;			    /* listed below; broker.members counts all */
	struct stats_member members[STATS_MEMBERS]; /* the last field: stats_write() copies those that are listed */
};

struct stats_page {
	_Atomic uint64_t sequence; /* odd while it is being written */
	struct stats stats;
	struct app_metrics app; /* outside the lock: the application changes its numbers at any time */
};

/* Maps `count` zeroed pages, which children share after a fork. Returns NULL with errno. */
struct stats_page *stats_pages_new(unsigned count);
void stats_pages_free(struct stats_page *pages, unsigned count); /* accepts NULL */

/* Begins new statistics without members. Does not touch their 50 KiB, because a worker fills statistics twice a
 * second. */
void stats_init(struct stats *stats);
/* For the worker, the only writer of its page. Copies the listed members only. */
void stats_write(struct stats_page *page, const struct stats *stats);
/* For the master, after the worker has ended. */
void stats_clear(struct stats_page *page);
/* Copies the page. Returns false if the worker wrote, or died while writing, at every try; `out` is then ABSENT. */
bool stats_read(const struct stats_page *page, struct stats *out);

/*
 * Returns true if the worker accepts connections and does not hang. `now` is by a loop's clock, which processes
 * share.
 */
bool stats_accepts(const struct stats *stats, uint64_t now);

/*
 * Adds a namespace to the list, or its sockets to other_sockets if the list is full or the name is too long. A name
 * with a NUL is not listed either, because another name could give the same label.
 */
void stats_add_namespace(struct stats *stats, struct text name, unsigned sockets);

#endif
