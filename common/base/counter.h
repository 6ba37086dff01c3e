/*
 * What a loop counts: one array for the counters of all layers, which declare theirs in tables of their own
 * (names.h). Plain increments, no atomics: a loop has one thread.
 */
#ifndef COMMON_BASE_COUNTER_H
#define COMMON_BASE_COUNTER_H

#include <stdint.h>

#include "common/base/names.h"

struct counters {
	uint64_t value[NAMES_MAX];
};

static inline void
counter_add(struct counters *c, unsigned which, uint64_t n)
{
	c->value[which] += n;
}

#endif
