/*
 * The store of the history of rooms: for each room its last events, each an opaque payload with an id. A form of the
 * store is a table of functions. One form is the memory of this process (history_local.c). The other is a server
 * with the commands of Redis streams (history_link.c): Redis, or the hub of this machine (hub_history.h).
 *
 * A key names a room. The ids of a key grow with each append. The owner makes the store when it joins the other
 * nodes, and frees it when it leaves them. Calls go down and never call up; each ask is answered once, from the
 * loop.
 */
#ifndef BROKER_HISTORY_H
#define BROKER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/text.h"
#include "common/io/loop.h"

#define HISTORY_COUNT_MAX 1000		/* entries of one key, and of one answer */
#define HISTORY_PAYLOAD_MAX (64 * 1024) /* bytes of one payload; the caller checks it */
#define HISTORY_ANSWER_MAX (8 << 20)	/* bytes of the payloads of one answer; entries beyond it are left out */
#define HISTORY_TIMEOUT_MS 5000		/* an ask without an answer fails with ERROR_TIMEOUT */
#define HISTORY_ID_MAX 41		/* characters of an id: two numbers and a hyphen */

/*
 * The id of an entry: milliseconds since 1970 by the clock of the server that keeps it, and a number within the
 * millisecond.
 */
struct history_id {
	uint64_t ms, seq;
};

static inline int
history_id_compare(struct history_id a, struct history_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* Writes an id as text with a final NUL. Returns its length. */
size_t history_id_write(struct history_id id, char out[HISTORY_ID_MAX + 1]);
/* Reads an id. Returns false if the text is not one. */
bool history_id_read(struct text text, struct history_id *out);

/* The limits of one key. */
struct history_limits {
	unsigned count;	 /* 1 to HISTORY_COUNT_MAX entries; the oldest are dropped first */
	uint64_t age_ms; /* older entries are dropped; 0: any age */
};

/* The entries that a read wants. The answer has the oldest first. */
struct history_query {
	struct history_id after;  /* only entries after this one; zeroed: from the oldest */
	struct history_id before; /* only entries before this one; zeroed: to the newest */
	unsigned count;		  /* 1 to HISTORY_COUNT_MAX */
	uint32_t max_bytes;	  /* of the payloads, at most HISTORY_ANSWER_MAX; 0: HISTORY_ANSWER_MAX */
	bool from_oldest;	  /* the first `count` of these entries; otherwise the last */
};

static inline size_t
history_max_bytes(const struct history_query *query)
{
	return query->max_bytes > 0 && query->max_bytes < HISTORY_ANSWER_MAX ? query->max_bytes : HISTORY_ANSWER_MAX;
}

/* An entry of an answer, valid during the call. */
struct history_item {
	struct history_id id;
	struct text payload;
};

/* An ask that waits for its answer. The caller owns the storage. */
struct history_ask {
	/*
	 * Called once. `error` is 0, ERROR_TIMEOUT, ERROR_UNSUPPORTED (the server refused the command; the log says
	 * why), ERROR_CLOSED (its answer was malformed) or ERROR_MEMORY; after an error, `count` is 0. After
	 * history_remove(), `items` is NULL and `count` is the number of removed entries; if all entries of a key
	 * were removed, a form may report 1 for any number.
	 */
	void (*on_answer)(struct history_ask *ask, int error, const struct history_item *items, unsigned count);
	void *pending; /* private to the form; NULL: not waiting */
};

struct history_stats {
	uint64_t appended, read;	/* entries stored by this process; entries in answers */
	uint64_t asks;			/* reads */
	uint64_t dropped;		/* entries that were not stored: the queue was full, or the server refused */
	uint64_t displaced;		/* entries dropped because of the limit on bytes */
	uint64_t entries, bytes, rooms; /* kept in this process now */
	uint64_t failed;		/* failed asks */
};

struct history;
struct history_form {
	void (*append)(
		struct history *history, struct text key, const struct history_limits *limits, struct text payload);
	void (*read)(struct history *history, struct text key, const struct history_limits *limits,
		const struct history_query *query, struct history_ask *ask);
	/* `id` zeroed: all entries of the key */
	void (*remove)(struct history *history, struct text key, struct history_id id, struct history_ask *ask);
	void (*cancel)(struct history *history, struct history_ask *ask);
	void (*stats)(const struct history *history, struct history_stats *out);
	void (*free)(struct history *history);
};

/* The head of every form's struct. */
struct history {
	const struct history_form *form;
	struct loop *loop;
};

/* Stores an entry. Copies `payload`. An entry that cannot be stored is dropped and counted. */
static inline void
history_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	history->form->append(history, key, limits, payload);
}

/* Asks for entries. Entries older than limits->age_ms are left out. */
static inline void
history_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *ask)
{
	history->form->read(history, key, limits, query, ask);
}

/* Removes the entry with this id, or all entries of the key if the id is zeroed. */
static inline void
history_remove(struct history *history, struct text key, struct history_id id, struct history_ask *ask)
{
	history->form->remove(history, key, id, ask);
}

/* Forgets the ask, so that it is not answered. Does nothing if the ask is not waiting. */
static inline void
history_cancel(struct history *history, struct history_ask *ask)
{
	if (ask->pending != NULL)
		history->form->cancel(history, ask);
}

static inline void
history_stats(const struct history *history, struct history_stats *out)
{
	history->form->stats(history, out);
}

/* Frees the store. Waiting asks are not answered. Accepts NULL. */
static inline void
history_free(struct history *history)
{
	if (history != NULL)
		history->form->free(history);
}

/*
 * Makes a store in the memory of this process, with at most `max_bytes`. Beyond them, drops the oldest entries of
 * all keys.
 */
struct history *history_local_new(struct loop *l, uint64_t max_bytes);

struct bus_access;
struct bus_url;
struct seal;
struct history_link_options {
	struct bus_url *server;		 /* the callee takes it over and leaves it empty */
	const struct bus_access *access; /* copied; NULL: no password and no TLS */
	const char *key;		 /* prefix of the keys, usually "socket.io" */
	struct seal *seal;		 /* seals the payloads; the callee takes it over; NULL: not sealed */
	uint64_t max_queue;		 /* bytes of waiting appends; beyond them, the oldest are dropped */
};
/* Makes a store at a Redis server or the hub. Connects at once, and repeats that until it succeeds. */
struct history *history_link_new(struct loop *l, const struct history_link_options *options);

#endif
