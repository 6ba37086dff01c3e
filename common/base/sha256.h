/* SHA-256 (FIPS 180-4), for comparing long or secret texts. */
#ifndef COMMON_BASE_SHA256_H
#define COMMON_BASE_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define SHA256_LENGTH 32

struct sha256 {
	uint8_t bytes[SHA256_LENGTH];
};

/* Returns the hash of the two texts in sequence. */
struct sha256 sha256_of(struct text first, struct text second);

/* Compares in constant time, so that timing does not show how much of a guess is right. */
bool sha256_same(const struct sha256 *a, const struct sha256 *b);

#endif
