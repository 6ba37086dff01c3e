/* Files with test data. Include it after cmocka.h. */
#ifndef TESTS_UNIT_BASE_DATA_FILE_H
#define TESTS_UNIT_BASE_DATA_FILE_H

#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/text.h"

#define DATA "tests/data/"

/* Returns the content of a file. The caller frees it by mem_free(). */
static inline struct text
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *at;
	long n;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	rewind(f);
	at = mem_alloc((size_t)n);
	assert_int_equal(fread(at, 1, (size_t)n, f), n);
	fclose(f);
	return text_of(at, (size_t)n);
}

#endif
