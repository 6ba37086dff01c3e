/* The budget alone: what counts, which holder it closes first, when it checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/io/budget.h"

#define HOLDERS 200
#define MIB (1024 * 1024)

struct holder {
	uint64_t bytes, lazy; /* `lazy` bytes are freed only at the end of the turn */
	unsigned closed;      /* its place in the order of closing */
};

struct bench {
	struct budget budget;
	struct budget_source source;
	struct holder holders[HOLDERS];
	unsigned count, closed, walks;
};

static void
each(struct budget_source *source, struct budget_search *search)
{
	struct bench *b = container_of(source, struct bench, source);

	b->walks++;
	for (unsigned i = 0; i < b->count; i++) {
		if (b->holders[i].closed == 0)
			budget_offer(search, source, &b->holders[i], b->holders[i].bytes + b->holders[i].lazy);
	}
}

static uint64_t
close_holder(struct budget_source *source, void *holder, uint64_t bytes)
{
	struct bench *b = container_of(source, struct bench, source);
	struct holder *h = holder;

	assert_int_equal(bytes, h->bytes + h->lazy);
	assert_int_equal(h->closed, 0);
	h->closed = ++b->closed;
	budget_sub(&b->budget, h->bytes);
	return h->lazy;
}

static void
start(struct bench *b, uint64_t max)
{
	*b = (struct bench){.source = {.each = each, .close = close_holder}};
	budget_init(&b->budget);
	budget_add_source(&b->budget, &b->source);
	budget_set_max(&b->budget, max);
}

static void
hold(struct bench *b, uint64_t bytes, uint64_t lazy)
{
	b->holders[b->count++] = (struct holder){.bytes = bytes, .lazy = lazy};
	budget_add(&b->budget, bytes + lazy);
}

static void
test_without_a_limit_no_holder_is_closed(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b);
	budget_add(&b, UINT64_MAX / 2);
	assert_false(budget_exceeded(&b));
}

static void
test_the_largest_go_first_until_an_eighth_is_free(void **state)
{
	struct bench b;

	(void)state;
	start(&b, 8000);
	for (unsigned i = 0; i < 10; i++)
		hold(&b, 100, 0);
	hold(&b, 2000, 0);
	hold(&b, 3000, 0);
	hold(&b, 2000, 0);
	assert_false(budget_exceeded(&b.budget)); /* 8,000 exactly */
	hold(&b, 500, 0);
	assert_true(budget_exceeded(&b.budget));
	budget_relieve(&b.budget);
	assert_int_equal(b.closed, 1);
	assert_int_equal(b.holders[11].closed, 1);
	assert_int_equal(b.budget.held, 5500);
	assert_false(budget_exceeded(&b.budget));
	hold(&b, 2600, 0);
	budget_relieve(&b.budget);
	assert_int_equal(b.closed, 2);
	assert_int_equal(b.holders[14].closed, 2);
}

static void
test_more_holders_than_one_walk_finds(void **state)
{
	struct bench b;

	(void)state;
	start(&b, 200);
	for (unsigned i = 0; i < HOLDERS; i++)
		hold(&b, 2 + i % 3, 0);
	budget_relieve(&b.budget);
	assert_true(b.budget.held <= 175);
	assert_true(b.budget.held > 170);
	/* by size: every holder that remains is at most as large as each that was closed */
	for (unsigned i = 0; i < HOLDERS; i++) {
		for (unsigned k = 0; k < HOLDERS; k++)
			assert_false(b.holders[i].closed == 0 && b.holders[k].closed != 0 &&
				     b.holders[i].bytes > b.holders[k].bytes);
	}
}

static void
test_what_is_freed_later_counts_as_free(void **state)
{
	struct bench b;

	(void)state;
	start(&b, 8000);
	for (unsigned i = 0; i < 9; i++)
		hold(&b, 0, 1000);
	budget_relieve(&b.budget);
	assert_int_equal(b.closed, 2);
	assert_int_equal(b.budget.held, 9000);
	assert_false(budget_exceeded(&b.budget));
	hold(&b, 1500, 0); /* one more holder in the same turn */
	assert_true(budget_exceeded(&b.budget));
	budget_relieve(&b.budget);
	assert_int_equal(b.closed, 3);
	assert_int_equal(b.holders[9].closed, 3);
	budget_sub(&b.budget, 2000);
	budget_settle(&b.budget);
	assert_int_equal(b.budget.limit, 8000);
}

static void
test_a_vain_search_is_not_repeated_each_time(void **state)
{
	struct bench b;

	(void)state;
	start(&b, 8000);
	budget_add(&b.budget, 9000);
	budget_relieve(&b.budget);
	assert_int_equal(b.walks, 1);
	assert_false(budget_exceeded(&b.budget));
	budget_settle(&b.budget);
	assert_false(budget_exceeded(&b.budget));
	budget_add(&b.budget, 1001); /* an eighth of the budget more */
	assert_true(budget_exceeded(&b.budget));
	budget_relieve(&b.budget);
	assert_int_equal(b.walks, 2);
	budget_sub(&b.budget, 9000);
	budget_settle(&b.budget);
	assert_int_equal(b.budget.limit, 8000);
}

static void
test_giving_up_knows_no_limit(void **state)
{
	struct bench b;

	(void)state;
	start(&b, UINT64_MAX);
	for (unsigned i = 0; i < 10; i++)
		hold(&b, 100 + i, 0);
	budget_give_up(&b.budget);
	assert_int_equal(b.closed, 2);
	assert_int_equal(b.holders[9].closed, 1);
	assert_false(budget_exceeded(&b.budget));
}

static void
test_a_shared_block_counts_once(void **state)
{
	struct block *block = block_new(1000);
	struct budget b;

	(void)state;
	budget_init(&b);
	assert_true(budget_hold(&b, block));
	for (unsigned i = 0; i < 5; i++) {
		assert_false(budget_hold(&b, block_ref(block)));
		assert_int_equal(b.held, 1000 + BLOCK_COST);
	}
	for (unsigned i = 0; i < 5; i++)
		block_unref(block);
	assert_int_equal(b.held, 1000 + BLOCK_COST);
	block_unref(block);
	assert_int_equal(b.held, 0);
}

static void
test_memory_is_given_back_by_bytes(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b);
	budget_add(&b, 500 * MIB);
	budget_note(&b);
	budget_sub(&b, 499 * MIB);
	assert_false(budget_shrunk(&b)); /* the use was high within the last interval */
	assert_true(budget_shrunk(&b));
	assert_false(budget_shrunk(&b)); /* only once */

	/* repeated bursts need their memory again */
	for (unsigned i = 0; i < 10; i++) {
		budget_add(&b, 100 * MIB);
		budget_note(&b);
		budget_sub(&b, 100 * MIB);
		assert_false(budget_shrunk(&b));
	}
	assert_true(budget_shrunk(&b));

	budget_add(&b, 10 * MIB);
	budget_note(&b);
	budget_sub(&b, 10 * MIB);
	assert_false(budget_shrunk(&b));
	assert_false(budget_shrunk(&b)); /* too little */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_limit_no_holder_is_closed),
		cmocka_unit_test(test_the_largest_go_first_until_an_eighth_is_free),
		cmocka_unit_test(test_more_holders_than_one_walk_finds),
		cmocka_unit_test(test_what_is_freed_later_counts_as_free),
		cmocka_unit_test(test_a_vain_search_is_not_repeated_each_time),
		cmocka_unit_test(test_giving_up_knows_no_limit),
		cmocka_unit_test(test_a_shared_block_counts_once),
		cmocka_unit_test(test_memory_is_given_back_by_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
