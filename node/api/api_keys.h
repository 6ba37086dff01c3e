/* The keys of the HTTP API. They are kept as digests and never logged. */
#ifndef NODE_API_API_KEYS_H
#define NODE_API_API_KEYS_H

#include <stdbool.h>

#include "common/base/text.h"

#define API_KEY_MIN 16
#define API_KEY_MAX 256
#define API_KEYS_MAX 100
#define API_KEYS_ERROR_MAX 256

struct api_keys;

/*
 * Reads keys from `list`, separated by commas, and from `file`, one per line; blank lines and lines that begin with
 * "#" are skipped. Both may be NULL or "". `*out` is NULL if there are no keys. Returns ERROR_SYSTEM if the file
 * cannot be read. Returns ERROR_ARGUMENT if the file has no key, if a key is not API_KEY_MIN to API_KEY_MAX visible
 * ASCII characters, or if there are more than API_KEYS_MAX. `error` is then one line, which contains no key.
 */
int api_keys_new(struct api_keys **out, const char *list, const char *file, char error[API_KEYS_ERROR_MAX]);
void api_keys_free(struct api_keys *keys); /* accepts NULL */

/* Takes the same time for every key, right or wrong. */
bool api_keys_has(const struct api_keys *keys, struct text key);

#endif
