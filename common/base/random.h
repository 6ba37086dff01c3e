/* Unguessable bytes (OpenSSL's generator, drawn in bulk so that one id is not one call). */
#ifndef COMMON_BASE_RANDOM_H
#define COMMON_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n); /* aborts if the generator fails */

/* n base64url characters of 6 random bits each, no NUL. */
void random_id(char *out, size_t n);

/* Uniform in 0..bound-1; bound > 0. */
uint32_t random_below(uint32_t bound);

#endif
