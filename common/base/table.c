/*
 * Chained buckets, whose number is a power of two. The low bits of the hash select a bucket, so halving the array
 * joins the chains i and i + half.
 *
 * A small table is doubled and halved at once, a larger one in steps. Meanwhile it has two arrays: a small one of n
 * buckets and a large one of 2n. For i < split, buckets i and i + n of the large array are in use; for the other i,
 * bucket i of the small one. Each addition or removal moves the split by a few buckets, up while the table grows and
 * down while it shrinks. When the split reaches an end, one array is freed.
 *
 *   state     event                       next state
 *   settled   more nodes than buckets     growing, split 0
 *   settled   sparse                      shrinking, split n
 *   growing   addition                    split rises; at n: settled
 *   growing   sparse                      shrinking
 *   shrinking addition, removal           split falls; at 0: settled
 *   shrinking more nodes than n           growing
 *
 * A walk visits the buckets in the order of their bit-reversed numbers, in which i + n follows i. Joining two chains
 * in that order does not change the order of the nodes. A removal during a walk may therefore shrink the table, while
 * only additions let it grow.
 */
#include "common/base/table.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/base/small.h"

#define TABLE_FIRST 4u		       /* buckets of the smallest table */
#define TABLE_LAST (UINT32_C(1) << 31) /* buckets of the largest table */
#define TABLE_SPARSE 8u		       /* a table with more buckets per node than this shrinks */
#define TABLE_AT_ONCE 256u	       /* maximum buckets that are doubled at once */
#define TABLE_STEP 8u		       /* buckets that an operation moves: enough to settle before the next resize */

struct table_move {
	/* table->mask + 1 buckets, and twice as many; unused ones are not initialised */
	struct table_node **small, **large;
	uint32_t split;
	bool growing;
};

static uint8_t table_process_key[16];

static void
table_draw_key(void)
{
	random_bytes(table_process_key, sizeof table_process_key);
}

#define INLINE static inline __attribute__((always_inline)) /* keeps the four state words in registers */

INLINE uint64_t
sip_rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

INLINE uint64_t
sip_read_word(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return le64toh(word);
}

/* Reads fewer than eight bytes. */
INLINE uint64_t
sip_read_rest(const uint8_t *at, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)at[i] << (8 * i);
	return word;
}

INLINE void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = sip_rotate(v[1], 13) ^ v[0];
	v[3] = sip_rotate(v[3], 16) ^ v[2];
	v[0] = sip_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = sip_rotate(v[1], 17) ^ v[2];
	v[3] = sip_rotate(v[3], 21) ^ v[0];
	v[2] = sip_rotate(v[2], 32);
}

INLINE void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

uint64_t
table_hash_keyed(const uint8_t key[16], const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint64_t k0 = sip_read_word(key), k1 = sip_read_word(key + 8);
	/* constants of SipHash: "somepseudorandomlygeneratedbytes" */
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t left = n;

	for (; left >= 8; left -= 8, at += 8)
		sip_word(v, sip_read_word(at));
	sip_word(v, (uint64_t)(n & 0xff) << 56 | sip_read_rest(at, left));
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
table_hash(const void *bytes, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, table_draw_key) == 0);
	return table_hash_keyed(table_process_key, bytes, n);
}

void
table_init(struct table *table)
{
	*table = (struct table){0};
}

void
table_fini(struct table *table)
{
	if (table->moving) {
		small_free_any(table->move->small);
		small_free_any(table->move->large);
		mem_free(table->move);
	} else {
		small_free_any(table->buckets);
	}
	table_init(table);
}

/* Returns the bucket for a hash. The table must not be empty. */
INLINE struct table_node **
table_bucket(const struct table *table, uint32_t hash)
{
	uint32_t i = hash & table->mask;

	if (__builtin_expect(!table->moving, 1))
		return &table->buckets[i];
	return i < table->move->split ? &table->move->large[hash & (table->mask * 2 + 1)] : &table->move->small[i];
}

static struct table_node *
table_look(const struct table *table, struct text key, uint32_t hash)
{
	struct table_node *node = *table_bucket(table, hash);

	while (node && (node->hash != hash || !text_is(text_of(node->key, node->key_len), key)))
		node = node->next;
	return node;
}

struct table_node *
table_find(const struct table *table, struct text key)
{
	if (table->count == 0)
		return NULL;
	return table_look(table, key, (uint32_t)table_hash(key.at, key.n));
}

/* Splits bucket i of the small array into two of the large one; `n` is the size of the small one. */
static void
table_split_chain(struct table_node **small, struct table_node **large, uint32_t i, uint32_t n)
{
	struct table_node *node = small[i], *next;

	large[i] = large[i + n] = NULL;
	for (; node; node = next) {
		struct table_node **to = &large[node->hash & (2 * n - 1)];

		next = node->next;
		node->next = *to;
		*to = node;
	}
}

/*
 * Joins two buckets of the large array into one of the small one, in the order of a walk. The arrays may be the same.
 */
static void
table_join_chain(struct table_node **small, struct table_node **large, uint32_t i, uint32_t n)
{
	struct table_node **tail = &large[i];

	while (*tail)
		tail = &(*tail)->next;
	*tail = large[i + n];
	small[i] = large[i];
}

/*
 * Doubles a small table, to 2 * TABLE_AT_ONCE buckets at most. Larger tables grow in steps, and only if memory is
 * available.
 */
static void
table_double(struct table *table)
{
	uint32_t n = table->buckets ? table->mask + 1 : 0;
	struct table_node **buckets;

	if (n == 0) {
		table->buckets = small_zalloc(TABLE_FIRST * sizeof *table->buckets);
		table->mask = TABLE_FIRST - 1;
		return;
	}
	buckets = small_alloc(2 * n * sizeof *buckets);
	for (uint32_t i = 0; i < n; i++)
		table_split_chain(table->buckets, buckets, i, n);
	small_free_any(table->buckets);
	table->buckets = buckets;
	table->mask = 2 * n - 1;
}

static void
table_halve(struct table *table)
{
	uint32_t half = (table->mask + 1) / 2;

	for (uint32_t i = 0; i < half; i++)
		table_join_chain(table->buckets, table->buckets, i, half);
	table->buckets = mem_realloc(table->buckets, half * sizeof *table->buckets);
	table->mask = half - 1;
}

/* Starts to grow from `n` buckets, or to shrink to `n`. If memory is short, the table stays as it is. */
static void
table_move_begin(struct table *table, uint32_t n, bool growing)
{
	struct table_node **other = mem_try_alloc((growing ? 2 : 1) * (size_t)n * sizeof *other);
	struct table_move *move;

	if (!other)
		return;
	move = mem_alloc(sizeof *move);
	move->small = growing ? table->buckets : other;
	move->large = growing ? other : table->buckets;
	move->split = growing ? 0 : n;
	move->growing = growing;
	table->move = move;
	table->mask = n - 1;
	table->moving = true;
}

static void
table_move_end(struct table *table)
{
	struct table_move *move = table->move;

	if (move->growing)
		table->mask = table->mask * 2 + 1;
	table->moving = false;
	table->buckets = move->growing ? move->large : move->small;
	small_free_any(move->growing ? move->small : move->large);
	mem_free(move);
}

static void
table_move_step(struct table *table)
{
	struct table_move *move = table->move;
	uint32_t n = table->mask + 1;

	for (unsigned i = 0; i < TABLE_STEP && move->split != (move->growing ? n : 0); i++) {
		if (move->growing) {
			table_split_chain(move->small, move->large, move->split, n);
			move->split++;
		} else {
			move->split--;
			table_join_chain(move->small, move->large, move->split, n);
		}
	}
	if (move->split == (move->growing ? n : 0))
		table_move_end(table);
}

/* Called before a node is added. */
static void
table_make_room(struct table *table)
{
	bool full = table->count > table->mask;

	if (table->moving) {
		table->move->growing |= full;
		table_move_step(table);
	} else if (!table->buckets || (full && table->mask < TABLE_AT_ONCE)) {
		table_double(table);
	} else if (full && table->mask + 1 < TABLE_LAST) {
		table_move_begin(table, table->mask + 1, true);
	}
}

/*
 * Called after a node was removed and others are left. It must not split a chain, because a walk may be in progress.
 */
static void
table_give_room(struct table *table)
{
	uint32_t size = (table->mask + 1) << table->moving;
	bool sparse = size > TABLE_FIRST && table->count < size / TABLE_SPARSE;

	if (table->moving)
		table->move->growing &= !sparse;
	else if (sparse && size <= TABLE_AT_ONCE)
		table_halve(table);
	else if (sparse)
		table_move_begin(table, size / 2, false);
	if (table->moving && !table->move->growing)
		table_move_step(table);
}

void
table_add(struct table *table, struct table_node *node, struct text key)
{
	uint32_t hash = (uint32_t)table_hash(key.at, key.n);
	struct table_node **bucket;

	must(key.n <= UINT32_MAX && table->count < TABLE_MAX);
	must(table->count == 0 || !table_look(table, key, hash));
	if (!table->buckets || table->moving || table->count > table->mask)
		table_make_room(table);
	node->key = key.at;
	node->key_len = (uint32_t)key.n;
	node->hash = hash;
	bucket = table_bucket(table, hash);
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

void
table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at;

	must(table->count > 0);
	at = table_bucket(table, node->hash);
	while (*at && *at != node)
		at = &(*at)->next;
	must(*at == node);
	*at = node->next;
	node->next = NULL;
	table->count--;
	if (table->count == 0)
		table_fini(table);
	else if (table->moving || table->count < (table->mask + 1) / TABLE_SPARSE)
		table_give_room(table);
}

/* Returns the bucket after `i` in bit-reversed order, or 0 after the last. */
static uint32_t
table_bucket_after(uint32_t i, uint32_t mask)
{
	uint32_t bit = mask / 2 + 1; /* highest bit of `mask` */

	while (i & bit) {
		i ^= bit;
		bit >>= 1;
	}
	return i | bit;
}

/* Returns the first node from bucket `i` of table->mask + 1 on, or NULL if the rest is empty. */
static struct table_node *
table_from(const struct table *table, uint32_t i)
{
	do {
		struct table_node *node = *table_bucket(table, i);

		if (!node && table->moving && i < table->move->split)
			node = table->move->large[i + table->mask + 1];
		if (node)
			return node;
		i = table_bucket_after(i, table->mask);
	} while (i != 0);
	return NULL;
}

/* Returns the node after `node` in the order of a walk. */
static struct table_node *
table_after(const struct table *table, const struct table_node *node)
{
	uint32_t n = table->mask + 1, i = node->hash & table->mask, after = table_bucket_after(i, table->mask);

	if (node->next)
		return node->next;
	if (table->moving && i < table->move->split && !(node->hash & n) && table->move->large[i + n])
		return table->move->large[i + n];
	return after != 0 ? table_from(table, after) : NULL;
}

struct table_node *
table_next(const struct table *table, struct table_cursor *cursor)
{
	struct table_node *node = cursor->next;

	if (!cursor->started) {
		cursor->started = true;
		node = table->count > 0 ? table_from(table, 0) : NULL;
	}
	cursor->next = NULL;
	if (!node)
		return NULL;
	/* Find the next node now, because the caller may free this one before the next call. */
	cursor->next = table_after(table, node);
	return node;
}
