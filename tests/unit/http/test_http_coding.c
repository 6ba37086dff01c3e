/* The cache of compressed files: what it keeps and what it drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "node/http/http_coding.h"
#include "tests/unit/faults.h"

/* True if the cache has an entry with this number. */
static bool
knows(struct http_packed *p, unsigned number)
{
	struct block *b = NULL;
	char tag[32];
	bool known;

	snprintf(tag, sizeof tag, "\"%u\"", number);
	known = http_packed_find(p, text_from(tag), &b);
	block_unref(b);
	return known;
}

/* Compresses `plain` into the entry with this number; true if that makes it smaller. */
static bool
make(struct http_packed *p, unsigned number, struct text plain, bool keep)
{
	struct block *b;
	char tag[32];

	snprintf(tag, sizeof tag, "\"%u\"", number);
	b = http_packed_make(p, text_from(tag), number % 2 ? HTTP_GZIP : HTTP_DEFLATE, plain, keep);
	block_unref(b);
	return b != NULL;
}

static void
test_kept(void **state)
{
	struct http_packed *p = http_packed_new();
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof text);
	assert_false(knows(p, 1));
	assert_true(make(p, 1, text_of(text, sizeof text), true));
	assert_true(knows(p, 1));
	assert_false(knows(p, 2));
	assert_true(make(p, 2, text_of(text, sizeof text), false));
	assert_false(knows(p, 2));
	/* the cache also remembers files that do not shrink, so that they are not tried again */
	assert_false(make(p, 3, TEXT("abc"), true));
	assert_true(knows(p, 3));
	http_packed_free(p);
	http_packed_free(NULL);
}

static void
test_count_limit(void **state)
{
	struct http_packed *p = http_packed_new();
	char text[200] = "";
	unsigned i;

	(void)state;
	for (i = 0; i < HTTP_PACKED_COUNT_MAX; i++)
		assert_true(make(p, i, text_of(text, sizeof text), true));
	assert_true(knows(p, 0)); /* a use: now the second entry is the oldest */
	assert_true(make(p, i, text_of(text, sizeof text), true));
	assert_true(knows(p, 0));
	assert_false(knows(p, 1));
	assert_true(knows(p, 2));
	assert_true(knows(p, i));
	http_packed_free(p);
}

static void
test_bytes_limit(void **state)
{
	struct http_packed *p = http_packed_new();
	size_t n = 1024 * 1024, half = n / 2;
	char *text = mem_zalloc(n);
	unsigned i, known = 0;

	(void)state;
	random_bytes(text, half); /* the second half makes it compressible */
	for (i = 0; i < 20; i++)
		assert_true(make(p, i, text_of(text, n), true));
	for (i = 0; i < 20; i++)
		known += knows(p, i);
	assert_true(known * half <= HTTP_PACKED_BYTES_MAX);
	assert_true((known + 1) * (half + half / 50) > HTTP_PACKED_BYTES_MAX);
	assert_true(knows(p, 19));
	assert_false(knows(p, 0));
	mem_free(text);
	http_packed_free(p);
}

/*
 * If memory was missing for an entry, it is made the next time; the cache must not remember that the file does not
 * shrink.
 */
static void
test_no_memory_is_not_remembered(void **state)
{
	static char text[50000];
	struct http_packed *p = http_packed_new();

	(void)state;
	fault_above = 10000; /* less than zlib needs, and less than a step of the output */
	assert_false(make(p, 1, text_of(text, sizeof text), true));
	fault_above = SIZE_MAX;
	assert_true(faults > 0);
	assert_false(knows(p, 1));
	assert_true(make(p, 1, text_of(text, sizeof text), true));
	assert_true(knows(p, 1));
	http_packed_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_count_limit),
		cmocka_unit_test(test_bytes_limit),
		cmocka_unit_test(test_no_memory_is_not_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
