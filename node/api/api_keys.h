/* The keys that open the HTTP API. They are kept as digests and never logged. */
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
 * Those of `list`, between commas, and of `file`, one in a line, where blank lines and lines that begin with "#" are
 * passed over; both may be NULL or "". `out` is NULL when there are neither. ERROR_ARGUMENT with one line in
 * `error`, which names no key: a file that cannot be read or has none, a key of another length than API_KEY_MIN to
 * API_KEY_MAX or with other characters than visible ASCII, more than API_KEYS_MAX.
 */
int api_keys_new(struct api_keys **out, const char *list, const char *file, char error[API_KEYS_ERROR_MAX]);
void api_keys_free(struct api_keys *k); /* accepts NULL */

/* Takes the same time whichever key it is, and however much of it is right. */
bool api_keys_has(const struct api_keys *k, struct text key);

#endif
