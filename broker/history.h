/*
 * Where the history of rooms is kept: for each room its last events, each an opaque payload with an id. A form of the
 * history is one table of functions: the memory of this process (history_local.c), or a server that knows the
 * commands of Redis streams (history_link.c), which is Redis or the hub of this machine (hub_history.h).
 *
 * A key names a room. The ids of a key grow with each append. A history is opened when its owner joins the other
 * nodes and freed when it leaves them. Calls go down and never call up; answers come from the loop, once for each
 * ask.
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
#define HISTORY_ANSWER_MAX                                                                                           \
	(8 << 20) /* bytes of the payloads of one answer; entries further from the query's end are left out */
#define HISTORY_TIMEOUT_MS 5000 /* an ask without an answer fails with ERROR_TIMEOUT */
#define HISTORY_ID_MAX 41	/* bytes of an id as text: two numbers and a hyphen */

/* The id of an entry: milliseconds since 1970 by the clock of the keeper, and a number within the millisecond. */
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

/* How much is kept of one key. */
struct history_limits {
	unsigned count;	 /* 1 to HISTORY_COUNT_MAX entries; the oldest are dropped first */
	uint64_t age_ms; /* older entries are dropped; 0: any age */
};

/* Which entries a read wants. They are answered with the oldest first. */
struct history_query {
	struct history_id after;  /* only entries after this one; zeroed: from the oldest */
	struct history_id before; /* only entries before this one; zeroed: to the newest */
	unsigned count;		  /* 1 to HISTORY_COUNT_MAX */
	bool from_oldest;	  /* the first `count` of these entries; otherwise the last */
};

/* An entry of an answer, valid during the call. */
struct history_item {
	struct history_id id;
	struct text payload;
};

/* An ask under way. The caller owns the storage. */
struct history_ask {
	/*
	 * Called once. `error` is 0, ERROR_TIMEOUT, ERROR_CLOSED (the history was freed, or the server refused) or
	 * ERROR_MEMORY; then `count` is 0. For history_remove(), `count` is the number of removed entries without
	 * `items`, and for all entries of a key 1 if there were any.
	 */
	void (*on_answer)(struct history_ask *ask, int error, const struct history_item *items, unsigned count);
	void *pending; /* private to the form; NULL: not under way */
};

struct history_stats {
	uint64_t appended, read; /* entries stored by this process; entries in answers */
	uint64_t asks;		 /* reads */
	uint64_t dropped;	 /* entries that could not be stored: the queue is full or the server refused */
	uint64_t displaced;	 /* entries dropped because of the limit on bytes */
	uint64_t entries, bytes, rooms; /* kept in this process now */
	uint64_t failed;		/* asks that failed */
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

/* Stores an entry. `payload` is copied. What cannot be stored is dropped and counted. */
static inline void
history_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	history->form->append(history, key, limits, payload);
}

/* Asks for entries that are not older than limits->age_ms. */
static inline void
history_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *ask)
{
	history->form->read(history, key, limits, query, ask);
}

/* Removes the entry with this id, or with a zeroed id all entries of the key. */
static inline void
history_remove(struct history *history, struct text key, struct history_id id, struct history_ask *ask)
{
	history->form->remove(history, key, id, ask);
}

/* Forgets the ask, so that it is not answered. Does nothing if it is not under way. */
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

/* Asks under way are not answered any more. NULL is accepted. */
static inline void
history_free(struct history *history)
{
	if (history != NULL)
		history->form->free(history);
}

/* The memory of this process: at most `max_bytes`; the oldest entries of all keys are dropped first. */
struct history *history_local_new(struct loop *l, uint64_t max_bytes);

struct bus_access;
struct bus_url;
struct seal;
struct history_link_options {
	struct bus_url *server;		 /* ownership passes to the callee; left empty */
	const struct bus_access *access; /* copied; NULL: no password and no TLS */
	const char *key;		 /* prefix of the keys, usually "socket.io" */
	struct seal *seal;  /* seals the payloads; ownership passes to the callee; NULL: they are not sealed */
	uint64_t max_queue; /* bytes of commands that wait for the server; the oldest appends are dropped */
};
/* A Redis server or the hub. It connects at once, and again until it succeeds. */
struct history *history_link_new(struct loop *l, const struct history_link_options *options);

#endif
