/* What the tests of JSON and MessagePack share. */
#ifndef TESTS_UNIT_BASE_JSON_BENCH_H
#define TESTS_UNIT_BASE_JSON_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"

#define MAX 10000000

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static inline void
assert_bytes(const struct buffer *b, const void *want, size_t n)
{
	assert_int_equal(b->len, n);
	assert_memory_equal(b->data, want, n);
}

static inline void
assert_text(const struct buffer *b, const char *want)
{
	if (!text_is(buffer_text(b), text_from(want)))
		fail_msg("got %.*s, want %s", (int)b->len, b->data ? (char *)b->data : "", want);
}

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

#endif
