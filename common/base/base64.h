/* Base64 with padding (RFC 4648 section 4). */
#ifndef COMMON_BASE_BASE64_H
#define COMMON_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

#define BASE64_ENCODED(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED_MAX(n) (((n) + 3) / 4 * 3)

/* Writes exactly BASE64_ENCODED(n) characters without a NUL. */
void base64_encode(const void *bytes, size_t n, char *out);

/*
 * Decodes strictly: only the standard alphabet, whole groups and correct padding are accepted; unused trailing bits
 * may be non-zero. Returns the number of bytes written to `out`, which must have room for BASE64_DECODED_MAX(in.n),
 * or ERROR_SYNTAX. `out` may be the input.
 */
int64_t base64_decode(struct text in, uint8_t *out);

/*
 * Decodes the output of lax encoders, much as Node.js does: white space anywhere (Android breaks lines after 76
 * characters and ends with a line feed), the URL alphabet, and missing padding. Any other character and a single
 * leftover character are ERROR_SYNTAX, where Node.js would skip them.
 */
int64_t base64_decode_loose(struct text in, uint8_t *out);

/* The alphabet for URLs and file names (RFC 4648 section 5), indexed by value. */
extern const char base64url_alphabet[65];

/* Returns the value of a character of that alphabet, or -1. */
int base64url_value(char c);

#endif
