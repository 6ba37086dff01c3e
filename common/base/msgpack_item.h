/*
 * Reads MessagePack values one after the other:
 * https://github.com/msgpack/msgpack/blob/master/spec.md. Containers are read as their heads only; their elements
 * follow as values of their own.
 */
#ifndef COMMON_BASE_MSGPACK_ITEM_H
#define COMMON_BASE_MSGPACK_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

enum msgpack_kind {
	MSGPACK_KIND_NIL,
	MSGPACK_KIND_BOOL,
	MSGPACK_KIND_UINT,
	MSGPACK_KIND_INT,
	MSGPACK_KIND_DOUBLE,
	MSGPACK_KIND_STR,
	MSGPACK_KIND_BIN,
	MSGPACK_KIND_ARRAY,
	MSGPACK_KIND_MAP,
	MSGPACK_KIND_EXT
};

struct msgpack_item {
	enum msgpack_kind kind;
	int8_t ext; /* type of an ext */
	bool fixed; /* of an ext: written as fixext, which notepack 2 uses for undefined and Date only */
	union {
		bool boolean;
		uint64_t uint;
		int64_t sint;
		double real;
		uint32_t count;	  /* of an array or a map */
		struct text body; /* of a str, a bin or an ext; points into the input */
	};
};

/* The bytes that are still to be read. */
struct msgpack_input {
	const uint8_t *at, *end;
};

/*
 * Reads the next value: its head, and the body of str, bin and ext. Returns 1, 0 if it is truncated, or ERROR_SYNTAX.
 */
int msgpack_item_read(struct msgpack_input *in, struct msgpack_item *item);

/*
 * Skips the next value with all its elements. The function does not recurse, so it accepts any depth. The return
 * values are those of msgpack_item_read().
 */
int msgpack_item_skip(struct msgpack_input *in);

/* Returns true for the form in which notepack 2 writes JavaScript's undefined: a fixext of type 0 with one byte. */
static inline bool
msgpack_item_undefined(const struct msgpack_item *item)
{
	return item->kind == MSGPACK_KIND_EXT && item->ext == 0 && item->fixed && item->body.n == 1;
}

#endif
