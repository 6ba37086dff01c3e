/*
 * Chained buckets, a power of two of them. A bucket is chosen by the low bits
 * of the hash, so halving the array joins the chains i and i + half.
 *
 * A walk visits buckets in the order of their bit-reversed numbers: i and
 * i + half follow one another, and joining their chains in that order
 * leaves the order of all nodes as it was. That is why a removal during a walk may
 * shrink the table.
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
	mem_free(t->buckets);
	table_init(t);
}

static struct table_node *
table_look(const struct table *t, struct text key, uint32_t hash)
{
	struct table_node *node = t->buckets[hash & t->mask];

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

static void
table_double(struct table *t)
{
	uint32_t old_size = t->buckets ? t->mask + 1 : 0;
	uint32_t size = old_size ? old_size * 2 : TABLE_FIRST;
	struct table_node **buckets = mem_zalloc(size * sizeof *buckets), *node, *next;

	for (uint32_t i = 0; i < old_size; i++) {
		for (node = t->buckets[i]; node; node = next) {
			struct table_node **to = &buckets[node->hash & (size - 1)];

			next = node->next;
			node->next = *to;
			*to = node;
		}
	}
	mem_free(t->buckets);
	t->buckets = buckets;
	t->mask = size - 1;
}

static void
table_halve(struct table *t)
{
	uint32_t half = (t->mask + 1) / 2;

	for (uint32_t i = 0; i < half; i++) {
		struct table_node **tail = &t->buckets[i];

		while (*tail)
			tail = &(*tail)->next;
		*tail = t->buckets[i + half];
	}
	t->buckets = mem_realloc(t->buckets, half * sizeof *t->buckets);
	t->mask = half - 1;
}

void
table_add(struct table *t, struct table_node *node, struct text key)
{
	uint32_t hash = (uint32_t)table_hash(key.at, key.n);

	must(key.n <= UINT32_MAX && t->count < UINT32_MAX);
	must(t->count == 0 || !table_look(t, key, hash));
	if (!t->buckets || (t->count > t->mask && t->mask + 1 < TABLE_LAST))
		table_double(t);
	node->key = key.at;
	node->key_len = (uint32_t)key.n;
	node->hash = hash;
	node->next = t->buckets[hash & t->mask];
	t->buckets[hash & t->mask] = node;
	t->count++;
}

void
table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at;

	must(t->count > 0);
	at = &t->buckets[node->hash & t->mask];
	while (*at && *at != node)
		at = &(*at)->next;
	must(*at == node);
	*at = node->next;
	node->next = NULL;
	t->count--;
	if (t->count == 0)
		table_fini(t);
	else if (t->mask + 1 > TABLE_FIRST && t->count < (t->mask + 1) / TABLE_SPARSE)
		table_halve(t);
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

/* The first node from bucket i on; NULL when the order ends before one is found. */
static struct table_node *
table_from(const struct table *t, uint32_t i)
{
	do {
		if (t->buckets[i])
			return t->buckets[i];
		i = bucket_after(i, t->mask);
	} while (i != 0);
	return NULL;
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
	if (node->next) {
		cursor->next = node->next;
	} else {
		uint32_t after = bucket_after(node->hash & t->mask, t->mask);

		cursor->next = after != 0 ? table_from(t, after) : NULL;
	}
	return node;
}
