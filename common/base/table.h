/*
 * A hash table with byte strings as keys. Keys may come from the network, so the hash is SipHash-1-3 with a random
 * key per process. The table is intrusive: an entry embeds a struct table_node, whose key points into the entry, and
 * an insertion allocates only the bucket array. The table grows and shrinks with its content in steps: no operation
 * on a large table moves more than a few buckets. An empty table owns no memory.
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
		struct table_move *move; /* if `moving` */
	};
	uint32_t mask; /* number of buckets - 1 */
	uint32_t count : 31;
	uint32_t moving : 1; /* growing or shrinking: the nodes are in two arrays */
};

#define TABLE_MAX ((UINT32_C(1) << 31) - 1) /* maximum nodes */

/* Initialises an empty table. Nothing is allocated yet. */
void table_init(struct table *table);

/* Frees the bucket array. The nodes belong to the caller. */
void table_fini(struct table *table);

/* Returns the node with that key, or NULL. */
struct table_node *table_find(const struct table *table, struct text key);

/* Adds `node` under `key`, whose bytes must outlive the entry. The key must not exist yet (checked by must()). */
void table_add(struct table *table, struct table_node *node, struct text key);

/* Removes a node, which must be in the table (checked by must()). */
void table_remove(struct table *table, struct table_node *node);

/*
 * Walks all nodes. `*cursor` starts as { 0 }. Returns NULL at the end. The caller may remove and free the node just
 * returned, but must not add nodes or remove others during the walk.
 */
struct table_cursor {
	struct table_node *next; /* node that the next call returns */
	bool started;
};
struct table_node *table_next(const struct table *table, struct table_cursor *cursor);

/* Returns the SipHash-1-3 of the bytes with the process's random key. */
uint64_t table_hash(const void *bytes, size_t n);

/* Like table_hash() with a given key, so that tests can compare with other implementations. */
uint64_t table_hash_keyed(const uint8_t key[16], const void *bytes, size_t n);

#endif
