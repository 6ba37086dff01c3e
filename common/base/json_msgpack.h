/*
 * Converts JSON text to MessagePack and back, each in one pass and without a tree. Binary values accompany JSON as
 * attachments: the text contains {"_placeholder":true,"num":i}, and the bytes are the i-th attachment (Socket.IO
 * protocol v5, "binary").
 */
#ifndef COMMON_BASE_JSON_MSGPACK_H
#define COMMON_BASE_JSON_MSGPACK_H

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/text.h"

/* The attachments of a text. The list holds a reference to each block. */
struct attachments {
	struct block **blocks;
	unsigned count, size;
};

void attachments_init(struct attachments *attachments);
void attachments_fini(struct attachments *attachments);			    /* drops all references */
void attachments_add(struct attachments *attachments, struct block *block); /* takes its own reference */
void attachments_cut(struct attachments *attachments, unsigned count);	    /* drops all but the first `count` */
size_t attachments_bytes(const struct attachments *attachments); /* total bytes of all blocks; accepts NULL */

/*
 * Maximum binary values that msgpack_to_json() accepts in one message. An empty one takes 2 bytes in MessagePack but
 * a whole block in memory.
 */
#define MSGPACK_ATTACHMENTS_MAX 1024

/*
 * Appends checked JSON as MessagePack, encoded as notepack 3 does: smallest integers; float64 for fractions and for
 * integers beyond int64/uint64; minimal lengths. Placeholders become bin values; if `attachments` is NULL, they are
 * plain objects. Duplicate keys are all kept. Returns 0, ERROR_TOO_DEEP, ERROR_SYNTAX for an illegal placeholder,
 * ERROR_MEMORY, or out's error.
 */
int json_to_msgpack(struct text json, const struct attachments *attachments, struct buffer *out);

/*
 * Appends one MessagePack value as JSON. Returns the bytes read (> 0), 0 if the value is truncated, or an error.
 * After 0 or an error, `out` and `attachments` are unchanged.
 *
 *   bin                             a placeholder and an attachment (`attachments` NULL: ERROR_UNSUPPORTED)
 *   nil, NaN, infinities            null
 *   ext -1                          ISO 8601 string
 *   fixext of type 0: 8 bytes       ISO 8601 string (notepack 2's Date)
 *   fixext of type 0: 1 byte        null (notepack 2's undefined)
 *   any other ext of type 0         binary (ArrayBuffer)
 *   other ext                       [type,binary], as the decoder of notepack returns
 *   keys that are not strings       the property name in JavaScript; containers and ext: ERROR_UNSUPPORTED
 *   uint64, int64                   all digits are kept
 *
 * The input is untrusted: the depth is limited, every length is compared with the available bytes before anything is
 * allocated, and more than MSGPACK_ATTACHMENTS_MAX attachments are ERROR_TOO_MANY.
 */
int64_t msgpack_to_json(
	const uint8_t *bytes, size_t n, unsigned max_depth, struct attachments *attachments, struct buffer *out);

/* Appends the placeholder of attachment `num`. */
void json_write_placeholder(struct buffer *out, unsigned num);

/* Returns false if a checked text certainly contains no placeholder. Fast. */
bool json_maybe_placeholders(struct text json);

/* Returns true and sets `*num` if a checked object is a placeholder for one of `count` attachments. */
bool json_placeholder(struct text object, unsigned count, unsigned *num);

/*
 * Checks every placeholder of a checked text against `count` attachments. Returns 0, ERROR_TOO_DEEP, or ERROR_SYNTAX
 * if a "num" is not an integer in 0..count-1 ("illegal attachments" in Socket.IO).
 */
int json_placeholders_check(struct text json, unsigned count);

/*
 * Copies a checked text from one packet to another. The attachments that the text uses are added to `to`, each once,
 * and its placeholders are renumbered. If `from` is NULL or empty, objects that look like placeholders are plain
 * objects. Returns 0, ERROR_SYNTAX, ERROR_TOO_DEEP or out's error.
 */
int json_placeholders_copy(
	struct text json, const struct attachments *from, struct attachments *to, struct buffer *out);

#endif
