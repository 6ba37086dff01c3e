/*
 * Binary values in plain JSON: {"$base64":"AAEC"} replaces a placeholder and its attachment, for programs that only
 * handle JSON. Pure, one pass.
 */
#ifndef COMMON_BASE_JSON_BASE64_H
#define COMMON_BASE_JSON_BASE64_H

#include "common/base/json_msgpack.h"

/*
 * Appends a checked text in which each object whose only member is "$base64" with a string becomes a placeholder and
 * an attachment. At most `max` attachments are made.
 *
 * Returns 0; ERROR_SYNTAX if a string is not padded Base64 (RFC 4648 section 4); ERROR_EXISTS if there are binary
 * values and also an object with "_placeholder":true, which the receiver would mistake for one; ERROR_TOO_MANY;
 * ERROR_TOO_DEEP; ERROR_MEMORY; or out's error. After an error the contents of `out` and `attachments` are undefined.
 */
int json_base64_read(struct text json, unsigned max, struct attachments *attachments, struct buffer *out);

/*
 * The reverse: each placeholder for one of the attachments (NULL counts as an empty list) becomes {"$base64":"..."}.
 * Returns 0, ERROR_TOO_DEEP or out's error.
 */
int json_base64_write(struct text json, const struct attachments *attachments, struct buffer *out);

#endif
