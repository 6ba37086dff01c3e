#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/base/table.h"

static void
test_every_size_is_filled_exactly(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3000; n += n < 40 ? 1 : 97) {
		uint8_t *bytes = mem_alloc(n + 1), *used = mem_zalloc(n + 1);

		bytes[n] = 0x5a;
		/* a byte that is 0 in all 8 draws was not written (or by chance, 1 in 2^64) */
		for (unsigned draw = 0; draw < 8; draw++) {
			random_bytes(bytes, n);
			for (size_t i = 0; i < n; i++)
				used[i] |= bytes[i];
		}
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(used[i], 0);
		assert_int_equal(bytes[n], 0x5a);
		mem_free(bytes);
		mem_free(used);
	}
}

struct id {
	struct table_node node;
	char text[20];
};

#define IDS 100000u

static void
test_ids_are_unique_and_use_the_whole_alphabet_at_each_place(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct id *ids = mem_alloc(IDS * sizeof *ids);
	unsigned(*seen)[256] = mem_zalloc(20 * sizeof *seen);
	struct table t;

	(void)state;
	table_init(&t);
	for (unsigned i = 0; i < IDS; i++) {
		random_id(ids[i].text, 20);
		for (unsigned at = 0; at < 20; at++)
			seen[at][(uint8_t)ids[i].text[at]]++;
		assert_null(table_find(&t, text_of(ids[i].text, 20)));
		table_add(&t, &ids[i].node, text_of(ids[i].text, 20));
	}
	for (unsigned at = 0; at < 20; at++) {
		for (int c = 0; c < 256; c++) {
			/* 1562 are expected; the standard deviation is 39 */
			if (c != 0 && strchr(alphabet, c))
				assert_in_range(seen[at][c], 1562 - 7 * 39, 1562 + 7 * 39);
			else
				assert_int_equal(seen[at][c], 0);
		}
	}
	table_fini(&t);
	mem_free(seen);
	mem_free(ids);
}

static void
test_below_is_uniform(void **state)
{
	unsigned seen[7] = {0}, low = 0;

	(void)state;
	for (unsigned i = 0; i < 70000; i++) {
		uint32_t n = random_below(7);

		assert_in_range(n, 0, 6);
		seen[n]++;
	}
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(seen[i], 10000 - 700, 10000 + 700);
	/* a plain remainder would put every second draw into the lowest third */
	for (unsigned i = 0; i < 30000; i++)
		low += random_below(UINT32_C(3) << 30) < UINT32_C(1) << 30;
	assert_in_range(low, 10000 - 600, 10000 + 600);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(random_below(1), 0);
}

static void
test_a_forked_child_draws_other_bytes(void **state)
{
	static const uint8_t nothing[32];
	uint8_t first, ours[32], theirs[32];
	int ends[2], status;
	pid_t child;

	(void)state;
	random_bytes(&first, 1); /* leaves the pool partly used */
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		random_bytes(theirs, sizeof theirs);
		_exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
	random_bytes(ours, sizeof ours);
	assert_memory_not_equal(ours, theirs, sizeof ours);
	assert_memory_not_equal(theirs, nothing, sizeof theirs); /* not the zeros of a wiped pool either */
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size_is_filled_exactly),
		cmocka_unit_test(test_ids_are_unique_and_use_the_whole_alphabet_at_each_place),
		cmocka_unit_test(test_below_is_uniform),
		cmocka_unit_test(test_a_forked_child_draws_other_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
