/* Recorded messages in tests/data/wire: lines of name, channel and the bytes in hexadecimal, separated by tabs. */
#ifndef TESTS_UNIT_BROKER_VECTORS_H
#define TESTS_UNIT_BROKER_VECTORS_H

#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"

#define VECTOR_MAX 16384

struct vector {
	char name[64], channel[128];
	uint8_t bytes[VECTOR_MAX];
	size_t n;
};

static struct vector v;

static inline bool
next_vector(FILE *f)
{
	static char line[2 * VECTOR_MAX + 256];
	char *channel, *hex;

	if (fgets(line, sizeof line, f) == NULL)
		return false;
	channel = strchr(line, '\t');
	assert_non_null(channel);
	*channel++ = '\0';
	hex = strchr(channel, '\t');
	assert_non_null(hex);
	*hex++ = '\0';
	snprintf(v.name, sizeof v.name, "%.63s", line);
	snprintf(v.channel, sizeof v.channel, "%.127s", channel);
	for (v.n = 0; hex[2 * v.n] > ' '; v.n++) {
		char digits[3] = {hex[2 * v.n], hex[2 * v.n + 1], '\0'};

		v.bytes[v.n] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static inline struct text
vector_of(const char *file, const char *name)
{
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	while (next_vector(f)) {
		if (strcmp(v.name, name) == 0) {
			fclose(f);
			return text_of((const char *)v.bytes, v.n);
		}
	}
	fail_msg("no vector \"%s\"", name);
	return TEXT_NONE;
}

#endif
