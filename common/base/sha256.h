/* SHA-256 (FIPS 180-4), for comparing what is long or secret. */
#ifndef COMMON_BASE_SHA256_H
#define COMMON_BASE_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define SHA256_LENGTH 32

struct sha256 {
	uint8_t bytes[SHA256_LENGTH];
};

/* Of the two texts one behind the other. */
struct sha256 sha256_of(struct text first, struct text second);

/* In constant time: how much of a guess is right must not show. */
bool sha256_same(const struct sha256 *a, const struct sha256 *b);

#endif
