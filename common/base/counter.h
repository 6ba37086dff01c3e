/*
 * The counters of a loop: one array for all layers, each of which declares its counters in its own table (names.h).
 * Increments are plain, since a loop runs in one thread.
 */
#ifndef COMMON_BASE_COUNTER_H
#define COMMON_BASE_COUNTER_H

#include <stdint.h>

#include "common/base/names.h"

struct counters {
	uint64_t value[NAMES_MAX];
};

static inline void
counter_add(struct counters *counters, unsigned which, uint64_t n)
{
	counters->value[which] += n;
}

#endif
