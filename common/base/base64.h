/* Base64 (RFC 4648 section 4), padded. */
#ifndef COMMON_BASE_BASE64_H
#define COMMON_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

#define BASE64_ENCODED(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED_MAX(n) (((n) + 3) / 4 * 3)

/* Writes exactly BASE64_ENCODED(n) characters, no NUL. */
void base64_encode(const void *bytes, size_t n, char *out);

/*
 * Strict about alphabet, length and padding; trailing bits need not be zero. Returns the number of bytes written to
 * `out` (room for BASE64_DECODED_MAX), or ERROR_SYNTAX. `out` may be the input.
 */
int64_t base64_decode(struct text in, uint8_t *out);

/*
 * The same for what encoders in the field write, as Node.js reads it: with line breaks and blanks anywhere (Android
 * breaks lines of 76 characters and ends with a line feed), in the alphabet for URLs, and with padding cut short.
 * Any other character, and a single one that is left over, is ERROR_SYNTAX, where Node.js would skip it.
 */
int64_t base64_decode_loose(struct text in, uint8_t *out);

/* The alphabet for URLs and file names (RFC 4648 section 5): the character of each value. */
extern const char base64url_alphabet[65];

/* The value of a character of that alphabet, or -1. */
int base64url_value(char c);

#endif
