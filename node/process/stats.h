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
#include "node/backend/backend_clients.h"
#include "node/backend/backend_links.h"
#include "node/engineio/eio_error.h"
#include "node/socketio/sio_core.h"

#define STATS_NAMESPACES 64 /* shown by name; more are summed up */
#define STATS_NAME_MAX 64   /* bytes of a name, with its NUL; longer ones are summed up too */
#define STATS_INTERVAL_S 0.5
#define STATS_HUNG_MS 10000 /* a worker that wrote nothing for so long hangs */

/*
 *   state       goes on by
 *   ABSENT      the worker's first writing -> STARTING
 *   STARTING    it listens -> ACCEPTING
 *   ACCEPTING   it drains or closes -> DRAINING
 *   any         the master found the worker dead -> ABSENT
 */
enum stats_state { STATS_ABSENT, STATS_STARTING, STATS_ACCEPTING, STATS_DRAINING };

struct stats_namespace {
	uint64_t sockets;
	char name[STATS_NAME_MAX];
};

struct stats {
	uint64_t pid, state;
	uint64_t started_ms, beat_ms; /* the wall clock's; the loops' of the last writing */
	uint64_t counters[NAMES_MAX];
	uint64_t closed[NAMES_MAX];   /* connections */
	uint64_t connections, queued; /* open; bytes that wait in them */
	uint64_t held, budget;	      /* bytes held for clients; how many may be */
	struct eio_stats engine;
	struct sio_stats sockets;
	uint64_t namespace_count, other_sockets; /* those that are not in the list */
	struct stats_namespace namespaces[STATS_NAMESPACES];
	uint64_t has_backends; /* false before it listens, and when no address is given */
	struct backend_links_stats backends;
	struct backend_clients_stats behind; /* the clients that they have */
	uint64_t has_broker;		     /* false before it listens, and after it left the others */
	struct broker_stats broker;
};

struct stats_page {
	_Atomic uint64_t sequence; /* odd while it is being written */
	struct stats stats;
};

/* `count` pages of zeroes that children share after a fork; NULL with errno. Free by stats_pages_free(). */
struct stats_page *stats_pages_new(unsigned count);
void stats_pages_free(struct stats_page *pages, unsigned count); /* accepts NULL */

/* For the page's one writer; whoever reads meanwhile tries again. */
void stats_write(struct stats_page *page, const struct stats *stats);
/* For an owner that is gone. */
void stats_clear(struct stats_page *page);
/* False: the owner wrote, or died while writing, at every try; `out` is then absent. */
bool stats_read(const struct stats_page *page, struct stats *out);

/* It accepts, and does not hang. `now` is of a loop's clock, which is the same in every process. */
bool stats_accepts(const struct stats *s, uint64_t now);

/* Adds a namespace to the list, or to the rest: also one with a NUL in its name, which two labels would share. */
void stats_add_namespace(struct stats *s, struct text name, unsigned sockets);

#endif
