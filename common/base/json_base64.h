/*
 * Binary values in plain JSON: {"$base64":"AAEC"} in place of a placeholder and its attachment, for those who have
 * nothing but JSON. Pure, one pass.
 */
#ifndef COMMON_BASE_JSON_BASE64_H
#define COMMON_BASE_JSON_BASE64_H

#include "common/base/json_msgpack.h"

/*
 * Appends a checked text, each object whose only member is "$base64" with a string becoming a placeholder and an
 * attachment, `max` of them at most. 0; ERROR_SYNTAX: a string is not padded Base64 (RFC 4648 section 4);
 * ERROR_EXISTS: there are binary values, and an object with "_placeholder":true that the receiver would take for one;
 * ERROR_TOO_MANY; ERROR_TOO_DEEP; ERROR_MEMORY; out's error. After an error `out` and `attachments` hold anything.
 */
int json_base64_read(struct text json, unsigned max, struct attachments *attachments, struct buffer *out);

/* The other way: every placeholder for one of the attachments (NULL: none) becomes {"$base64":"..."}. 0, or an error
 * of ERROR_TOO_DEEP and out's. */
int json_base64_write(struct text json, const struct attachments *attachments, struct buffer *out);

#endif
