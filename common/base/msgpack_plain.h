/*
 * Finds out whether MessagePack from a peer can be passed on byte by byte. Plain values are well-formed, mean the
 * same to every decoder, and mean the same as the JSON text that msgpack_to_json() makes of them.
 */
#ifndef COMMON_BASE_MSGPACK_PLAIN_H
#define COMMON_BASE_MSGPACK_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/msgpack_item.h"

/* A sequence of plain values. The bytes are borrowed. */
struct msgpack_values {
	const uint8_t *at; /* NULL: no values */
	size_t n;	   /* bytes */
	unsigned count;
	unsigned bins; /* number of binary values in the whole message, of which these values may be a part */
};

/*
 * Skips one value with all its elements, and adds its binary values to `*bins`. Returns false if it is not plain;
 * then `in` and `*bins` are undefined. Plain are
 *
 *   nil, booleans, integers, finite floats, bin
 *   strings of valid UTF-8
 *   arrays of plain values
 *   maps of such strings to plain values, without the key "_placeholder", which means an attachment in JSON
 *
 * nested at most as deeply as msgpack_to_json() accepts with the same `max_depth`. Extensions are not plain: decoders
 * disagree about them. The input is untrusted. A caller that needs the error of a malformed value gets it from
 * msgpack_to_json().
 */
bool msgpack_plain(struct msgpack_input *in, unsigned max_depth, unsigned *bins);

#endif
