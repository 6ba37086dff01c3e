/* The input is untrusted: every length is compared with the available bytes before use, and a count allocates
 * nothing. */
#include "common/base/msgpack_plain.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/json.h"
#include "common/base/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define SHORT_TEXT 64 /* bytes; longer strings are left to utf8_valid() */

/* The kind of value that a tag from 0xc0 to 0xdf begins. PLAIN_REFUSED: the value is not plain. */
enum plain_kind { PLAIN_REFUSED, PLAIN_SCALAR, PLAIN_FLOAT, PLAIN_STR, PLAIN_BIN, PLAIN_ARRAY, PLAIN_MAP };

struct plain_head {
	uint8_t kind;  /* enum plain_kind */
	uint8_t width; /* bytes of the scalar, or of the length or count */
};

/* Indexed by the low five bits of the tag. */
static const struct plain_head heads[32] = {
	[0x00] = {PLAIN_SCALAR, 0}, /* nil */
	[0x02] = {PLAIN_SCALAR, 0}, /* false, true */
	[0x03] = {PLAIN_SCALAR, 0},
	[0x04] = {PLAIN_BIN, 1},
	[0x05] = {PLAIN_BIN, 2},
	[0x06] = {PLAIN_BIN, 4},
	[0x0a] = {PLAIN_FLOAT, 4},
	[0x0b] = {PLAIN_FLOAT, 8},
	[0x0c] = {PLAIN_SCALAR, 1}, /* uint */
	[0x0d] = {PLAIN_SCALAR, 2},
	[0x0e] = {PLAIN_SCALAR, 4},
	[0x0f] = {PLAIN_SCALAR, 8},
	[0x10] = {PLAIN_SCALAR, 1}, /* int */
	[0x11] = {PLAIN_SCALAR, 2},
	[0x12] = {PLAIN_SCALAR, 4},
	[0x13] = {PLAIN_SCALAR, 8},
	[0x19] = {PLAIN_STR, 1},
	[0x1a] = {PLAIN_STR, 2},
	[0x1b] = {PLAIN_STR, 4},
	[0x1c] = {PLAIN_ARRAY, 2},
	[0x1d] = {PLAIN_ARRAY, 4},
	[0x1e] = {PLAIN_MAP, 2},
	[0x1f] = {PLAIN_MAP, 4},
};

/*
 * The open containers. Each has a level: twice the number of items still to come, plus 1 for a map. A map with n
 * pairs has 2n items.
 */
struct plain_walk {
	const uint8_t *at, *end;
	uint64_t level; /* of the innermost container */
	unsigned depth, max_depth, bins;
	uint64_t outer[JSON_DEPTH_MAX]; /* levels of the containers around it */
};

/*
 * Returns true if the string is valid UTF-8. Most strings are short and ASCII. Such a string is read in words of
 * eight or four bytes; the last word may overlap the previous one.
 */
static inline bool
plain_text_valid(const uint8_t *at, size_t n)
{
	uint64_t word, all = 0;
	uint32_t half[2];

	if (n > SHORT_TEXT)
		return utf8_valid(at, n);
	if (n >= 8) {
		for (size_t i = 0; i < n - 8; i += 8) {
			memcpy(&word, at + i, 8);
			all |= word;
		}
		memcpy(&word, at + n - 8, 8);
		all |= word;
	} else if (n >= 4) {
		memcpy(&half[0], at, 4);
		memcpy(&half[1], at + n - 4, 4);
		all = half[0] | half[1];
	} else {
		for (size_t i = 0; i < n; i++)
			all |= at[i];
	}
	return (all & HIGH_BITS) == 0 || utf8_valid(at, n);
}

/* Skips a string of `n` bytes. Returns false if it is truncated, not UTF-8, or a forbidden key. */
static inline bool
plain_string(struct plain_walk *walk, uint64_t n, bool key)
{
	const uint8_t *at = walk->at;

	if (n > (size_t)(walk->end - at) || !plain_text_valid(at, (size_t)n))
		return false;
	walk->at += n;
	return !key || n != strlen("_placeholder") || memcmp(at, "_placeholder", (size_t)n) != 0;
}

/* Opens an array of `count` elements or a map of `count` pairs. */
static bool
plain_open(struct plain_walk *walk, uint64_t count, bool map)
{
	/* each item takes at least one byte */
	if (walk->depth >= walk->max_depth || count > (size_t)(walk->end - walk->at))
		return false;
	walk->outer[walk->depth++] = walk->level;
	walk->level = map ? 4 * count + 1 : 2 * count;
	return true;
}

/* Skips a binary value. In a JSON packet, its placeholder is an object, which counts as a level of nesting. */
static bool
plain_bin(struct plain_walk *walk, uint64_t n)
{
	if (walk->depth >= walk->max_depth || n > (size_t)(walk->end - walk->at))
		return false;
	walk->at += n;
	walk->bins++;
	return true;
}

/* Returns true for a finite float. JSON cannot express infinity and NaN, whose exponents have all bits set. */
static bool
plain_float_finite(const uint8_t *at, unsigned width)
{
	uint8_t low = width == 8 ? 0xf0 : 0x80;

	return (at[0] & 0x7f) != 0x7f || (at[1] & low) != low;
}

/* Skips a value with a tag from 0xc0 to 0xdf. Only a string may be the key of a map. */
static bool
plain_tagged(struct plain_walk *walk, struct plain_head head, bool key)
{
	const uint8_t *body = walk->at;

	if ((key && head.kind != PLAIN_STR) || (size_t)(walk->end - body) < head.width)
		return false;
	walk->at += head.width;
	switch (head.kind) {
	case PLAIN_SCALAR:
		return true;
	case PLAIN_FLOAT:
		return plain_float_finite(body, head.width);
	case PLAIN_STR:
		return plain_string(walk, bytes_read(body, head.width), key);
	case PLAIN_BIN:
		return plain_bin(walk, bytes_read(body, head.width));
	case PLAIN_ARRAY:
	case PLAIN_MAP:
		return plain_open(walk, bytes_read(body, head.width), head.kind == PLAIN_MAP);
	default:
		return false;
	}
}

/* Skips one value; of a container, only the head. The container's items are then the next values. */
static inline bool
plain_next(struct plain_walk *walk)
{
	bool key = (walk->level & 3) == 1; /* in a map, with an even number of items left */
	uint8_t tag;

	if (walk->at == walk->end)
		return false;
	tag = *walk->at++;
	walk->level -= 2;
	if (tag >= 0xa0 && tag < 0xc0)
		return plain_string(walk, tag & 31, key);
	if (tag >= 0xc0 && tag < 0xe0)
		return plain_tagged(walk, heads[tag - 0xc0], key);
	if (key)
		return false;
	return tag < 0x80 || tag >= 0xe0 || plain_open(walk, tag & 15, tag < 0x90);
}

bool
msgpack_plain(struct msgpack_input *in, unsigned max_depth, unsigned *bins)
{
	struct plain_walk walk;

	walk.at = in->at;
	walk.end = in->end;
	walk.level = 2;
	walk.depth = 0;
	walk.max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
	walk.bins = 0;
	for (;;) {
		while (walk.level < 2) {
			if (walk.depth == 0) {
				in->at = walk.at;
				*bins += walk.bins;
				return true;
			}
			walk.level = walk.outer[--walk.depth];
		}
		if (!plain_next(&walk))
			return false;
	}
}
