/*
 * JSON text to MessagePack bytes and back, each in one pass with no tree
 * between. Binary values travel beside JSON as attachments: in the text stands
 * {"_placeholder":true,"num":i}, the bytes are the i-th attachment (Socket.IO protocol v5, "binary").
 */
#ifndef COMMON_BASE_JSON_MSGPACK_H
#define COMMON_BASE_JSON_MSGPACK_H

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/text.h"

/* The attachments of a text. The blocks are counted references held by the list. */
struct attachments {
	struct block **blocks;
	unsigned count, size;
};
void attachments_init(struct attachments *a);
void attachments_fini(struct attachments *a);			  /* drops the references */
void attachments_add(struct attachments *a, struct block *block); /* takes a reference of its own */
void attachments_cut(struct attachments *a, unsigned count);	  /* keeps the first `count` */
size_t attachments_bytes(const struct attachments *a);		  /* of all blocks; accepts NULL */

/* Binary values that msgpack_to_json() takes from one message: an empty one is 2 bytes there and a block here. */
#define MSGPACK_ATTACHMENTS_MAX 1024

/*
 * Appends checked JSON as MessagePack, as notepack 3 encodes it: smallest ints, float64 for fractions and for
 * integers beyond int64/uint64, minimal lengths, placeholders replaced by bin (`attachments` NULL: placeholders are
 * plain objects). Of duplicate keys all are kept. 0, ERROR_TOO_DEEP, ERROR_SYNTAX for an illegal placeholder; out's
 * error on overflow.
 */
int json_to_msgpack(struct text json, const struct attachments *attachments, struct buffer *out);

/*
 * Appends one MessagePack value as JSON and returns the bytes read (> 0), 0 if it is truncated, or an error. bin
 * becomes a placeholder and an attachment (`attachments` NULL: ERROR_UNSUPPORTED). nil, NaN, infinities: null.
 * Timestamp ext -1 and notepack's legacy Date: ISO string; ext 0 fixext1: null; ext 0 of other lengths: binary
 * (ArrayBuffer); other ext: [type,binary] as the original's decoder yields. Keys that are no strings are written as
 * JavaScript names them; containers and ext as keys are ERROR_UNSUPPORTED. uint64 and int64 keep all their digits.
 * Hostile input: bounded depth, lengths checked against what is there before anything is allocated; more than
 * MSGPACK_ATTACHMENTS_MAX attachments are ERROR_TOO_MANY. After 0 or an error, `out` and `attachments` hold what they
 * held before.
 */
int64_t msgpack_to_json(
	const uint8_t *bytes, size_t n, unsigned max_depth, struct attachments *attachments, struct buffer *out);

/* Appends the placeholder of attachment `num`. */
void json_write_placeholder(struct buffer *out, unsigned num);

/* A quick look: false if the checked text surely has no placeholder. */
bool json_maybe_placeholders(struct text json);

/* True if the checked object is a placeholder for one of `count` attachments: then *num says which. */
bool json_placeholder(struct text object, unsigned count, unsigned *num);

/*
 * Checks every placeholder in a checked text against `count` attachments: "num" must be an integer in 0..count-1,
 * else ERROR_SYNTAX ("illegal attachments").
 */
int json_placeholders_check(struct text json, unsigned count);

/*
 * Copies a checked text out of one packet into another: the attachments it uses are added to `to`, each once, and its
 * placeholders numbered for that. `from` NULL or empty: what looks like a placeholder is a plain object. 0,
 * ERROR_SYNTAX, ERROR_TOO_DEEP, or out's error.
 */
int json_placeholders_copy(
	struct text json, const struct attachments *from, struct attachments *to, struct buffer *out);

#endif
