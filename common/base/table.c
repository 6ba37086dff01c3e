/*
 * Chained buckets, a power of two of them. A bucket is chosen by the low bits
 * of the hash, so halving the array joins the chains i and i + half.
 *
 * A small table is doubled and halved at once, a larger one in steps: for some time it has two arrays, one of n
 * buckets and one of 2n. Buckets i and i + n of the large one are in use for i < split, bucket i of the small one for
 * the others. Each addition and removal moves the split by a few buckets, up while the table grows, down while it
 * shrinks, and at either end one of the arrays goes.
 *
 *   state     event                       next
 *   settled   more nodes than buckets     growing, split 0
 *   settled   sparse                      shrinking, split n
 *   growing   addition                    split rises; at n: settled
 *   growing   sparse                      shrinking
 *   shrinking addition, removal           split falls; at 0: settled
 *   shrinking more nodes than n           growing
 *
 * A walk visits buckets in the order of their bit-reversed numbers: i and
 * i + n follow one another, and joining their chains in that order
 * leaves the order of all nodes as it was. That is why a removal during a walk may
 * shrink the table; only additions let it grow.
 */
#include "common/base/table.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"

#define TABLE_FIRST 4u		       /* buckets of the smallest table */
#define TABLE_LAST (UINT32_C(1) << 31) /* buckets of the largest */
#define TABLE_SPARSE 8u		       /* shrinks with more buckets per node than this */
#define TABLE_AT_ONCE 256u	       /* so many buckets at most are doubled at once */
#define TABLE_STEP 8u		       /* buckets that an operation moves: enough to settle before the next resize */

struct table_move {
	struct table_node **small, **large; /* t->mask + 1 buckets, and twice as many; not initialised where unused */
	uint32_t split;
	bool growing;
};

static uint8_t process_key[16];

static void
table_draw_key(void)
{
	random_bytes(process_key, sizeof process_key);
}

#define INLINE static inline __attribute__((always_inline)) /* keeps the four words in registers */

INLINE uint64_t
rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

INLINE uint64_t
read_word(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return le64toh(word);
}

/* Fewer than eight bytes. */
INLINE uint64_t
read_rest(const uint8_t *at, size_t n)
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
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
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
	uint64_t k0 = read_word(key), k1 = read_word(key + 8);
	/* the constants are "somepseudorandomlygeneratedbytes" */
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t left = n;

	for (; left >= 8; left -= 8, at += 8)
		sip_word(v, read_word(at));
	sip_word(v, (uint64_t)(n & 0xff) << 56 | read_rest(at, left));
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
	return table_hash_keyed(process_key, bytes, n);
}

void
table_init(struct table *t)
{
	*t = (struct table){0};
}

void
table_fini(struct table *t)
{
	if (t->moving) {
		mem_free(t->move->small);
		mem_free(t->move->large);
		mem_free(t->move);
	} else {
		mem_free(t->buckets);
	}
	table_init(t);
}

/* Where the chain of that hash begins. The table is not empty. */
INLINE struct table_node **
table_bucket(const struct table *t, uint32_t hash)
{
	uint32_t i = hash & t->mask;

	if (__builtin_expect(!t->moving, 1))
		return &t->buckets[i];
	return i < t->move->split ? &t->move->large[hash & (t->mask * 2 + 1)] : &t->move->small[i];
}

static struct table_node *
table_look(const struct table *t, struct text key, uint32_t hash)
{
	struct table_node *node = *table_bucket(t, hash);

	while (node && (node->hash != hash || !text_is(text_of(node->key, node->key_len), key)))
		node = node->next;
	return node;
}

struct table_node *
table_find(const struct table *t, struct text key)
{
	if (t->count == 0)
		return NULL;
	return table_look(t, key, (uint32_t)table_hash(key.at, key.n));
}

/* Bucket i of the small array into two of the large one; `n` is the size of the small one. */
static void
chain_split(struct table_node **small, struct table_node **large, uint32_t i, uint32_t n)
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

/* And back, in the order of a walk. The arrays may be the same. */
static void
chain_join(struct table_node **small, struct table_node **large, uint32_t i, uint32_t n)
{
	struct table_node **tail = &large[i];

	while (*tail)
		tail = &(*tail)->next;
	*tail = large[i + n];
	small[i] = large[i];
}

/* Small sizes only, up to 2 * TABLE_AT_ONCE buckets; larger tables grow in steps, and only where there is memory. */
static void
table_double(struct table *t)
{
	uint32_t n = t->buckets ? t->mask + 1 : 0;
	struct table_node **buckets;

	if (n == 0) {
		t->buckets = mem_zalloc(TABLE_FIRST * sizeof *t->buckets);
		t->mask = TABLE_FIRST - 1;
		return;
	}
	buckets = mem_alloc(2 * n * sizeof *buckets);
	for (uint32_t i = 0; i < n; i++)
		chain_split(t->buckets, buckets, i, n);
	mem_free(t->buckets);
	t->buckets = buckets;
	t->mask = 2 * n - 1;
}

static void
table_halve(struct table *t)
{
	uint32_t half = (t->mask + 1) / 2;

	for (uint32_t i = 0; i < half; i++)
		chain_join(t->buckets, t->buckets, i, half);
	t->buckets = mem_realloc(t->buckets, half * sizeof *t->buckets);
	t->mask = half - 1;
}

/* Begins to grow from n buckets, or to shrink to n. Without the memory for it the table stays as it is. */
static void
move_begin(struct table *t, uint32_t n, bool growing)
{
	struct table_node **other = mem_try_alloc((growing ? 2 : 1) * (size_t)n * sizeof *other);
	struct table_move *move;

	if (!other)
		return;
	move = mem_alloc(sizeof *move);
	move->small = growing ? t->buckets : other;
	move->large = growing ? other : t->buckets;
	move->split = growing ? 0 : n;
	move->growing = growing;
	t->move = move;
	t->mask = n - 1;
	t->moving = true;
}

static void
move_end(struct table *t)
{
	struct table_move *move = t->move;

	if (move->growing)
		t->mask = t->mask * 2 + 1;
	t->moving = false;
	t->buckets = move->growing ? move->large : move->small;
	mem_free(move->growing ? move->small : move->large);
	mem_free(move);
}

static void
move_step(struct table *t)
{
	struct table_move *move = t->move;
	uint32_t n = t->mask + 1;

	for (unsigned i = 0; i < TABLE_STEP && move->split != (move->growing ? n : 0); i++) {
		if (move->growing) {
			chain_split(move->small, move->large, move->split, n);
			move->split++;
		} else {
			move->split--;
			chain_join(move->small, move->large, move->split, n);
		}
	}
	if (move->split == (move->growing ? n : 0))
		move_end(t);
}

/* Before a node is added. */
static void
table_make_room(struct table *t)
{
	bool full = t->count > t->mask;

	if (t->moving) {
		t->move->growing |= full;
		move_step(t);
	} else if (!t->buckets || (full && t->mask < TABLE_AT_ONCE)) {
		table_double(t);
	} else if (full && t->mask + 1 < TABLE_LAST) {
		move_begin(t, t->mask + 1, true);
	}
}

/* After one was removed, and others are left. Nothing here splits a chain, since a walk may be under way. */
static void
table_give_room(struct table *t)
{
	uint32_t size = (t->mask + 1) << t->moving;
	bool sparse = size > TABLE_FIRST && t->count < size / TABLE_SPARSE;

	if (t->moving)
		t->move->growing &= !sparse;
	else if (sparse && size <= TABLE_AT_ONCE)
		table_halve(t);
	else if (sparse)
		move_begin(t, size / 2, false);
	if (t->moving && !t->move->growing)
		move_step(t);
}

void
table_add(struct table *t, struct table_node *node, struct text key)
{
	uint32_t hash = (uint32_t)table_hash(key.at, key.n);
	struct table_node **bucket;

	must(key.n <= UINT32_MAX && t->count < TABLE_MAX);
	must(t->count == 0 || !table_look(t, key, hash));
	if (!t->buckets || t->moving || t->count > t->mask)
		table_make_room(t);
	node->key = key.at;
	node->key_len = (uint32_t)key.n;
	node->hash = hash;
	bucket = table_bucket(t, hash);
	node->next = *bucket;
	*bucket = node;
	t->count++;
}

void
table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at;

	must(t->count > 0);
	at = table_bucket(t, node->hash);
	while (*at && *at != node)
		at = &(*at)->next;
	must(*at == node);
	*at = node->next;
	node->next = NULL;
	t->count--;
	if (t->count == 0)
		table_fini(t);
	else if (t->moving || t->count < (t->mask + 1) / TABLE_SPARSE)
		table_give_room(t);
}

/* The bucket after i in the order of reversed bits; 0 after the last. */
static uint32_t
bucket_after(uint32_t i, uint32_t mask)
{
	uint32_t bit = mask / 2 + 1; /* mask's highest */

	while (i & bit) {
		i ^= bit;
		bit >>= 1;
	}
	return i | bit;
}

/* The first node from bucket i of t->mask + 1 on; NULL when the order ends before one is found. */
static struct table_node *
table_from(const struct table *t, uint32_t i)
{
	do {
		struct table_node *node = *table_bucket(t, i);

		if (!node && t->moving && i < t->move->split)
			node = t->move->large[i + t->mask + 1];
		if (node)
			return node;
		i = bucket_after(i, t->mask);
	} while (i != 0);
	return NULL;
}

/* The node behind that one. */
static struct table_node *
table_after(const struct table *t, const struct table_node *node)
{
	uint32_t n = t->mask + 1, i = node->hash & t->mask, after = bucket_after(i, t->mask);

	if (node->next)
		return node->next;
	if (t->moving && i < t->move->split && !(node->hash & n) && t->move->large[i + n])
		return t->move->large[i + n];
	return after != 0 ? table_from(t, after) : NULL;
}

struct table_node *
table_next(const struct table *t, struct table_cursor *cursor)
{
	struct table_node *node = cursor->next;

	if (!cursor->started) {
		cursor->started = true;
		node = t->count > 0 ? table_from(t, 0) : NULL;
	}
	cursor->next = NULL;
	if (!node)
		return NULL;
	/* Looked up now, because the caller may free this node before the next call. */
	cursor->next = table_after(t, node);
	return node;
}
