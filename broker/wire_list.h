/*
 * Reads the list of an answer piece by piece: the sockets or rooms of {requestId, sockets: [...]}, which may be many
 * megabytes long. Pure; the bytes are untrusted.
 *
 * The rest of the answer is small. It is decoded as usual, from a copy whose list is empty: wire_list_frame().
 */
#ifndef BROKER_WIRE_LIST_H
#define BROKER_WIRE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"
#include "common/base/text.h"

struct wire_list {
	struct text payload;	/* JSON or MessagePack */
	struct text request_id; /* plain text; TEXT_NONE if it does not stand before the list */
	struct text node;	/* plain text: the member that answers; TEXT_NONE likewise */
	bool packed;		/* MessagePack */
	unsigned depth;		/* objects around the list */
	size_t begin;		/* of the list */
	size_t at;		/* the next byte to read; after the list once it has ended */
	uint32_t left;		/* MessagePack: elements still to come */
	bool ended;
};

/*
 * Finds the list near the start of a payload, which must outlive `list`. `nested`: the answer stands under the key
 * "data", as in sharded mode. Returns false if no list is found, which does not mean that the payload is malformed.
 */
bool wire_list_find(struct wire_list *list, struct text payload, bool nested);

/*
 * Appends a JSON array with the next elements: those of about `bytes` bytes of the payload, at least one. Sets
 * list->ended after the last one. Returns 0, ERROR_SYNTAX, ERROR_UTF8, ERROR_TOO_DEEP, ERROR_TOO_MANY, ERROR_TOO_BIG
 * or ERROR_MEMORY.
 */
int wire_list_next(struct wire_list *list, size_t bytes, struct buffer *json, struct attachments *attachments);

/*
 * Appends the payload with an empty list in place of the list, which has ended. Returns 0 or the buffer's error.
 */
int wire_list_frame(const struct wire_list *list, struct buffer *out);

/* Returns the number of bytes that an empty list takes: "[]", or one byte of MessagePack. */
static inline size_t
wire_list_empty_size(const struct wire_list *list)
{
	return list->packed ? 1 : 2;
}

#endif
