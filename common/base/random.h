/*
 * Cryptographically secure random bytes. They come from OpenSSL's generator in bulk, so that an id does not cost a
 * call to the generator.
 */
#ifndef COMMON_BASE_RANDOM_H
#define COMMON_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n); /* aborts if the generator fails */

/* Writes `n` base64url characters with 6 random bits each, without a NUL. */
void random_id(char *out, size_t n);

/* Returns a uniform number in 0..bound-1; `bound` must not be 0 (checked by must()). */
uint32_t random_below(uint32_t bound);

#endif
