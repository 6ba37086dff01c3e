/*
 * A hash table from byte-string keys to pointers. Keys from the network are
 * hostile: the hash is SipHash-1-3 under a random per-process key. Intrusive:
 * the stored thing embeds a struct table_node, whose key points into the
 * thing itself, so an insertion allocates nothing but the bucket array.
 * Grows and shrinks with its content, in steps: no operation moves more than
 * a few buckets of a large table. An empty table owns no memory.
 */
#ifndef COMMON_BASE_TABLE_H
#define COMMON_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

struct table_node {
	struct table_node *next;
	const char *key;
	uint32_t key_len;
	uint32_t hash;
};

struct table_move;

struct table {
	union {
		struct table_node **buckets;
		struct table_move *move; /* while `moving` */
	};
	uint32_t mask; /* buckets - 1 */
	uint32_t count : 31;
	uint32_t moving : 1; /* grows or shrinks: nodes are in two arrays */
};

#define TABLE_MAX ((UINT32_C(1) << 31) - 1) /* nodes */

/* Empty; allocates nothing yet. */
void table_init(struct table *t);

/* Frees the bucket array; the nodes are the caller's. */
void table_fini(struct table *t);

/* The node with that key, or NULL. */
struct table_node *table_find(const struct table *t, struct text key);

/* Puts `node` under `key`, whose bytes must outlive the entry. The key must not be there yet (must). */
void table_add(struct table *t, struct table_node *node, struct text key);

/* Takes out a node that is in the table (must). */
void table_remove(struct table *t, struct table_node *node);

/*
 * Walks all nodes; `*cursor` starts as { 0 }. Returns NULL at the end. The
 * node just returned may be removed and freed; adding, or removing others,
 * during a walk is not allowed.
 */
struct table_cursor {
	struct table_node *next; /* what the next call returns */
	bool started;
};
struct table_node *table_next(const struct table *t, struct table_cursor *cursor);

/* SipHash-1-3 of the bytes under the process's random key. */
uint64_t table_hash(const void *bytes, size_t n);

/* The same under a given key, so that tests can compare with other implementations. */
uint64_t table_hash_keyed(const uint8_t key[16], const void *bytes, size_t n);

#endif
