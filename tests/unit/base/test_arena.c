#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/arena.h"

#define OBJECTS 3000u

static void
test_objects_keep_their_place(void **state)
{
	static unsigned char *at[OBJECTS];
	struct arena arena = {0};

	(void)state;
	for (unsigned i = 0; i < OBJECTS; i++) {
		at[i] = arena_alloc(&arena, i % 200);
		assert_non_null(at[i]);
		assert_int_equal((uintptr_t)at[i] % _Alignof(max_align_t), 0);
		memset(at[i], (int)(i % 251), i % 200);
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		for (unsigned n = 0; n < i % 200; n++)
			assert_int_equal(at[i][n], i % 251);
	}
	arena_fini(&arena);
	assert_null(arena.chunks);
}

static void
test_large_objects(void **state)
{
	struct arena arena = {0};
	char *large, *small;

	(void)state;
	small = arena_alloc(&arena, 1);
	large = arena_alloc(&arena, 3 * ARENA_CHUNK_MAX);
	assert_non_null(large);
	memset(large, 1, 3 * ARENA_CHUNK_MAX);
	*small = 2;
	assert_int_equal(large[0], 1);
	assert_non_null(arena_alloc(&arena, 1)); /* after a large chunk the size does not grow further */
	assert_int_equal(arena.chunk, ARENA_CHUNK_MAX);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX / 2 + 1));
	arena_fini(&arena);
	assert_non_null(arena_alloc(&arena, 1)); /* usable again */
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_keep_their_place),
		cmocka_unit_test(test_large_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
