#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "common/base/mem.h"
#include "common/base/table.h"
#include "tests/unit/base/death.h"

struct thing {
	struct table_node node;
	char name[16];
	unsigned seen;
};

static struct text
name_of(struct thing *thing, unsigned i)
{
	return text_of(thing->name, (size_t)snprintf(thing->name, sizeof thing->name, "room-%u", i));
}

/* ------------------------------------------------------------------ hash */

/* OpenSSL's SipHash, set to 1 and 3 rounds. */
static uint64_t
openssl_hash(EVP_MAC *mac, const uint8_t key[16], const uint8_t *bytes, size_t n)
{
	unsigned c_rounds = 1, d_rounds = 3;
	size_t size = 8, got;
	uint8_t out[8];
	uint64_t hash = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c_rounds),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d_rounds),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);

	assert_non_null(context);
	assert_int_equal(EVP_MAC_CTX_set_params(context, params), 1);
	assert_int_equal(EVP_MAC_init(context, key, 16, NULL), 1);
	assert_int_equal(EVP_MAC_update(context, bytes, n), 1);
	assert_int_equal(EVP_MAC_final(context, out, &got, sizeof out), 1);
	assert_int_equal(got, 8);
	EVP_MAC_CTX_free(context);
	for (unsigned i = 8; i > 0; i--)
		hash = hash << 8 | out[i - 1];
	return hash;
}

static void
test_hash_is_siphash_1_3(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	uint8_t key[16], bytes[300];

	(void)state;
	assert_non_null(mac);
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)(i * 17 + 1);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		assert_true(table_hash_keyed(key, bytes, n) == openssl_hash(mac, key, bytes, n));
		key[n % 16]++;
	}
	EVP_MAC_free(mac);
}

static void
test_process_key_is_drawn_once(void **state)
{
	static const uint8_t zero[16];
	uint64_t hash = table_hash("abc", 3);

	(void)state;
	assert_true(table_hash("abc", 3) == hash);
	assert_true(table_hash("abd", 3) != hash);
	assert_true(table_hash_keyed(zero, "abc", 3) != hash);
	assert_true(table_hash(NULL, 0) == table_hash("", 0));
}

/* ----------------------------------------------------------------- table */

static void
test_empty(void **state)
{
	struct table t;
	struct table_cursor cursor = {0};

	(void)state;
	table_init(&t);
	assert_null(t.buckets);
	assert_null(table_find(&t, TEXT("a")));
	assert_null(table_next(&t, &cursor));
	assert_null(table_next(&t, &cursor));
	table_fini(&t);
}

static void
test_keys_are_bytes(void **state)
{
	struct table t;
	struct thing empty = {0}, nul = {0}, nuls = {0};

	(void)state;
	table_init(&t);
	table_add(&t, &empty.node, TEXT_NONE);
	table_add(&t, &nul.node, TEXT("\0"));
	table_add(&t, &nuls.node, TEXT("\0\0"));
	assert_ptr_equal(table_find(&t, TEXT("")), &empty.node);
	assert_ptr_equal(table_find(&t, TEXT("\0")), &nul.node);
	assert_ptr_equal(table_find(&t, TEXT("\0\0")), &nuls.node);
	assert_null(table_find(&t, TEXT("\0\0\0")));
	table_fini(&t);
}

#define MANY 5000u

static void
test_grows_finds_and_shrinks_to_nothing(void **state)
{
	struct thing *things = mem_zalloc(MANY * sizeof *things), other;
	struct table t;

	(void)state;
	table_init(&t);
	for (unsigned i = 0; i < MANY; i++) {
		table_add(&t, &things[i].node, name_of(&things[i], i));
		assert_int_equal(t.count, i + 1);
		assert_true((t.mask + 1) << t.moving >= t.count);
		assert_true(t.mask + 1 <= (t.count < 4 ? 4U : 2U * t.count));
	}
	/* far more nodes than the 4 buckets: each look-up passes other nodes of its chain or hash */
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(table_find(&t, name_of(&other, i)), &things[i].node);
	assert_null(table_find(&t, name_of(&other, MANY)));
	for (unsigned i = 0; i < MANY; i++) {
		unsigned which = i * 7919 % MANY;

		table_remove(&t, &things[which].node);
		assert_null(table_find(&t, name_of(&other, which)));
		assert_int_equal(t.count, MANY - 1 - i);
		assert_true(t.count == 0 || t.mask + 1 <= 4 || t.mask + 1 <= 8 * (t.count + 1U));
		if (i % 500 == 0)
			for (unsigned j = i + 1; j < MANY; j++)
				assert_non_null(table_find(&t, name_of(&other, j * 7919 % MANY)));
	}
	assert_null(t.buckets);
	table_add(&t, &things[0].node, name_of(&things[0], 0));
	assert_ptr_equal(table_find(&t, TEXT("room-0")), &things[0].node);
	table_fini(&t);
	mem_free(things);
}

/* Keys tell nodes with the same hash apart. */
static void
test_collisions_of_the_whole_hash(void **state)
{
	struct thing *things = mem_zalloc(200 * sizeof *things), other;
	struct table t;

	(void)state;
	table_init(&t);
	for (unsigned i = 0; i < 200; i++)
		table_add(&t, &things[i].node, name_of(&things[i], i));
	/* all other nodes move to the chain of number 7, with its hash */
	for (unsigned i = 0; i < 200; i++) {
		struct table_node *node = &things[i].node;
		struct table_node **at = &t.buckets[node->hash & t.mask], **to;

		if (i == 7)
			continue;
		while (*at != node)
			at = &(*at)->next;
		*at = node->next;
		node->hash = things[7].node.hash;
		to = &t.buckets[node->hash & t.mask];
		node->next = *to;
		*to = node;
	}
	assert_ptr_equal(table_find(&t, name_of(&other, 7)), &things[7].node);
	for (unsigned i = 0; i < 200; i++)
		if (i != 7)
			table_remove(&t, &things[i].node);
	assert_int_equal(t.count, 1);
	assert_ptr_equal(table_find(&t, name_of(&other, 7)), &things[7].node);
	table_remove(&t, &things[7].node);
	assert_null(t.buckets);
	mem_free(things);
}

static void
test_walk_sees_each_once(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		struct thing *things = mem_zalloc((n + 1) * sizeof *things);
		struct table_cursor cursor = {0};
		struct table_node *node;
		struct table t;
		unsigned seen = 0;

		table_init(&t);
		for (unsigned i = 0; i < n; i++)
			table_add(&t, &things[i].node, name_of(&things[i], i));
		while ((node = table_next(&t, &cursor))) {
			assert_int_equal(((struct thing *)node)->seen++, 0);
			seen++;
		}
		assert_int_equal(seen, n);
		assert_null(table_next(&t, &cursor));
		table_fini(&t);
		mem_free(things);
	}
}

/* Walks and removes: all nodes, or all but each `keep`-th. The table shrinks meanwhile. */
static void
walk_removing(unsigned n, unsigned keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;
	struct table t;
	unsigned seen = 0, kept = 0;

	table_init(&t);
	for (unsigned i = 0; i < n; i++) {
		struct thing *thing = mem_zalloc(sizeof *thing);

		table_add(&t, &thing->node, name_of(thing, i));
	}
	while ((node = table_next(&t, &cursor))) {
		struct thing *thing = (struct thing *)node;

		assert_int_equal(thing->seen++, 0);
		if (keep && ++seen % keep == 0) {
			kept++;
			continue;
		}
		seen += keep == 0;
		table_remove(&t, node);
		mem_free(thing);
	}
	assert_int_equal(seen, n);
	assert_int_equal(t.count, kept);
	cursor = (struct table_cursor){0};
	while ((node = table_next(&t, &cursor))) {
		assert_int_equal(((struct thing *)node)->seen, 1);
		table_remove(&t, node);
		mem_free(node);
		kept--;
	}
	assert_int_equal(kept, 0);
	assert_null(t.buckets);
}

static void
test_walk_with_removal(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		walk_removing(n, 0);
		walk_removing(n, 2);
		walk_removing(n, 17);
	}
	walk_removing(20000, 0);
	walk_removing(20000, 100);
	walk_removing(20000, 5000);
}

/* Counts the nodes whose successor differs from `next`, and updates `next`. */
static unsigned
count_moved(const struct thing *things, struct table_node **next, unsigned n)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < n; i++) {
		moved += things[i].node.next != next[i];
		next[i] = things[i].node.next;
	}
	return moved;
}

#define MOVED_MAX 60 /* far more than the few buckets that an operation moves can contain */

static void
test_no_operation_moves_many(void **state)
{
	struct thing *things = mem_zalloc(MANY * sizeof *things);
	struct table_node **next = mem_zalloc(MANY * sizeof(struct table_node *));
	unsigned all = 0;
	struct table t;

	(void)state;
	table_init(&t);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned moved;

		table_add(&t, &things[i].node, name_of(&things[i], i));
		moved = count_moved(things, next, MANY);
		all += moved;
		if (i >= 600) /* a small table moves all nodes at once */
			assert_true(moved <= MOVED_MAX);
	}
	assert_true(all > MANY); /* all nodes did move */
	for (unsigned i = 0; i < MANY - 64; i++) {
		table_remove(&t, &things[i].node);
		assert_true(count_moved(things, next, MANY) <= MOVED_MAX);
	}
	assert_true(t.mask + 1 <= 512);
	table_fini(&t);
	mem_free(next);
	mem_free(things);
}

/* A walk that removes some of the nodes, so that the table may start or finish to shrink. */
static void
walk_model(struct table *t, const struct thing *things, bool *in, unsigned round, unsigned removes)
{
	struct table_cursor cursor = {0};
	unsigned seen = 0, expected = t->count;
	struct table_node *node;

	while ((node = table_next(t, &cursor))) {
		struct thing *thing = (struct thing *)node;

		assert_int_equal(thing->seen, round);
		thing->seen++;
		seen++;
		if ((seen * 7 & 0xff) < removes) {
			in[thing - things] = false;
			table_remove(t, node);
		}
	}
	assert_int_equal(seen, expected);
}

/* Random additions, removals, look-ups and walks while the table grows and shrinks. */
static void
test_random_operations_against_a_model(void **state)
{
	struct thing *things = mem_zalloc(MANY * sizeof *things), other;
	bool *in = mem_zalloc(MANY * sizeof *in);
	uint32_t seed = 1;
	struct table t;

	(void)state;
	table_init(&t);
	for (unsigned round = 0; round < 300; round++) {
		unsigned bias = round / 30 % 2 ? 20 : 80; /* alternately mostly removals and mostly additions */

		for (unsigned step = 0; step < 300; step++) {
			unsigned i = (seed = seed * 1664525 + 1013904223) >> 8, count = t.count;
			bool add = i / MANY % 100 < bias;

			i %= MANY;
			if (add && !in[i])
				table_add(&t, &things[i].node, name_of(&things[i], i));
			else if (!add && in[i])
				table_remove(&t, &things[i].node);
			assert_int_equal(t.count, count + add - in[i]);
			in[i] = add;
			i = (i + 7) % MANY;
			assert_ptr_equal(table_find(&t, name_of(&other, i)), in[i] ? &things[i].node : NULL);
		}
		walk_model(&t, things, in, round, round % 3 ? seed >> 24 : 0);
		for (unsigned i = 0; i < MANY; i++)
			things[i].seen = round + 1;
	}
	table_fini(&t);
	mem_free(in);
	mem_free(things);
}

static void
add_twice(void)
{
	struct table t;
	struct thing a, b;

	table_init(&t);
	table_add(&t, &a.node, name_of(&a, 1));
	table_add(&t, &b.node, name_of(&b, 1));
}

static void
remove_stranger(void)
{
	struct table t;
	struct thing a, b = {0};

	table_init(&t);
	table_add(&t, &a.node, name_of(&a, 1));
	b.node = a.node;
	table_remove(&t, &b.node);
}

static void
test_misuse_aborts(void **state)
{
	char said[256];

	(void)state;
	assert_true(aborts(add_twice, said, sizeof said));
	assert_true(aborts(remove_stranger, said, sizeof said));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_is_siphash_1_3),
		cmocka_unit_test(test_process_key_is_drawn_once),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_keys_are_bytes),
		cmocka_unit_test(test_grows_finds_and_shrinks_to_nothing),
		cmocka_unit_test(test_collisions_of_the_whole_hash),
		cmocka_unit_test(test_walk_sees_each_once),
		cmocka_unit_test(test_walk_with_removal),
		cmocka_unit_test(test_no_operation_moves_many),
		cmocka_unit_test(test_random_operations_against_a_model),
		cmocka_unit_test(test_misuse_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
