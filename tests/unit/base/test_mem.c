#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/asan.h"
#include "common/base/mem.h"
#include "tests/unit/base/death.h"

static void
test_sizes_of_nothing(void **state)
{
	void *at = mem_alloc(0), *zeroed = mem_zalloc(0), *grown = mem_realloc(NULL, 0);
	void *copy = mem_copy(NULL, 0);
	char *text = mem_text(NULL, 0);

	(void)state;
	assert_non_null(at);
	assert_non_null(zeroed);
	assert_non_null(grown);
	assert_non_null(copy);
	assert_string_equal(text, "");
	mem_free(at);
	mem_free(zeroed);
	mem_free(grown);
	mem_free(copy);
	mem_free(text);
	mem_free(NULL);
}

static void
test_contents(void **state)
{
	unsigned char *zeroed = mem_zalloc(100);
	char *copy = mem_copy("abc", 3), *text = mem_text("a\0bcd", 4);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(zeroed[i], 0);
	copy = mem_realloc(copy, 1000);
	assert_memory_equal(copy, "abc", 3);
	assert_memory_equal(text, "a\0bc", 5);
	mem_free(zeroed);
	mem_free(copy);
	mem_free(text);
}

static volatile size_t absurd = SIZE_MAX / 2;

static void
test_trying_answers_null(void **state)
{
	char *copy = mem_copy("abc", 4);

	(void)state;
#ifndef WITH_ASAN /* a large allocation ends an ASan program */
	assert_null(mem_try_alloc(absurd));
	assert_null(mem_try_realloc(copy, absurd));
#endif
	assert_string_equal(copy, "abc");
	copy = mem_try_realloc(copy, 1000);
	assert_string_equal(copy, "abc");
	mem_free(copy);
	copy = mem_try_alloc(0);
	assert_non_null(copy);
	mem_free(copy);
}

static void
exhaust_alloc(void)
{
	mem_free(mem_alloc(absurd));
}

static void
exhaust_zalloc(void)
{
	mem_free(mem_zalloc(absurd));
}

static void
exhaust_realloc(void)
{
	mem_free(mem_realloc(NULL, absurd));
}

static void
exhaust_text(void)
{
	mem_free(mem_text("", absurd * 2 + 1));
}

#ifndef WITH_ASAN /* needs more address space than ASan leaves */
/* Large requests are refused at the limit. Small ones succeed from the reserve, which logs a warning. */
static void
live_on_the_reserve(void)
{
	struct rlimit limit;
	void *held;

	if (getrlimit(RLIMIT_AS, &limit) != 0 || !mem_reserve() || mem_is_short())
		_exit(1);
	limit.rlim_cur = 256 << 20;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		_exit(2);
	for (size_t size = 1 << 20; size >= 64; size /= 2) {
		while ((held = mem_try_alloc(size)) != NULL)
			memset(held, 1, 1);
	}
	for (unsigned i = 0; i < 1000; i++)
		memset(mem_alloc(100), 1, 100);
	_exit(mem_is_short() && !mem_reserve() ? 0 : 3);
}

/* Returns 1 if the last page of the heap is resident, 0 if not, 2 if that cannot be told. */
static int
end_is_resident(void)
{
	unsigned char resident = 0;
	char *end = sbrk(0);

	if (((uintptr_t)end & 4095) != 0 || mincore(end - 4096, 4096, &resident) != 0)
		return 2;
	return resident & 1;
}

/* Allocates until the heap has grown. Nobody has used its last page yet. Ends if a tool's allocator needs no heap. */
static void
grow_the_heap(void)
{
	const char *end = sbrk(0);

	for (int i = 0; sbrk(0) == end; i++) {
		if (i == 16 * 1024)
			_exit(77);
		memset(mem_alloc(1000), 1, 1000);
	}
}

static void
watch_the_heap_grow(void)
{
	grow_the_heap();
	if (end_is_resident() != 0) /* the C library may ask for more than it needs, or a tool may replace it */
		_exit(77);
	mem_use_heap();
#ifdef MADV_POPULATE_WRITE
	if (madvise(sbrk(0), 0, MADV_POPULATE_WRITE) != 0) /* Linux before 5.14 */
		_exit(77);
#endif
	for (int i = 0; i < 3; i++) {
		grow_the_heap();
		if (end_is_resident() != 1)
			_exit(1);
	}
	_exit(0);
}

static void
test_pages_of_the_heap_come_together(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		watch_the_heap_grow();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_small_requests_have_a_reserve(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		live_on_the_reserve();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static void
test_exhaustion_aborts_and_says_so(void **state)
{
	char said[512];

	(void)state;
	assert_true(aborts(exhaust_text, said, sizeof said));
	assert_non_null(strstr(said, "out of memory"));
#ifdef WITH_ASAN
	/* ASan's allocator ends the process itself */
	(void)exhaust_alloc, (void)exhaust_zalloc, (void)exhaust_realloc;
#else
	assert_true(aborts(exhaust_alloc, said, sizeof said));
	assert_non_null(strstr(said, "out of memory"));
	assert_true(aborts(exhaust_zalloc, said, sizeof said));
	assert_non_null(strstr(said, "out of memory"));
	assert_true(aborts(exhaust_realloc, said, sizeof said));
	assert_non_null(strstr(said, "out of memory"));
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_of_nothing),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_trying_answers_null),
#ifndef WITH_ASAN
		cmocka_unit_test(test_pages_of_the_heap_come_together),
		cmocka_unit_test(test_small_requests_have_a_reserve),
#endif
		cmocka_unit_test(test_exhaustion_aborts_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
