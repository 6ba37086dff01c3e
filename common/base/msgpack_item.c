/* The input is untrusted: every length is compared with the available bytes before use. */
#include "common/base/msgpack_item.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/error.h"

/* Reads a big-endian integer of `width` bytes. Returns false if the input ends first. */
static bool
msgpack_read_uint(struct msgpack_input *in, unsigned width, uint64_t *value)
{
	if ((size_t)(in->end - in->at) < width)
		return false;
	*value = bytes_read(in->at, width);
	in->at += width;
	return true;
}

static int
msgpack_read_body(struct msgpack_input *in, struct msgpack_item *item, enum msgpack_kind kind, uint64_t n)
{
	if (n > (size_t)(in->end - in->at))
		return 0;
	item->kind = kind;
	item->body = text_of((const char *)in->at, (size_t)n);
	in->at += n;
	return 1;
}

static int
msgpack_read_ext(struct msgpack_input *in, struct msgpack_item *item, uint64_t n)
{
	uint64_t type;

	if (!msgpack_read_uint(in, 1, &type))
		return 0;
	item->ext = (int8_t)type;
	return msgpack_read_body(in, item, MSGPACK_KIND_EXT, n);
}

static int
msgpack_read_real(struct msgpack_input *in, struct msgpack_item *item, unsigned width)
{
	uint64_t bits;
	uint32_t bits32;
	float single;

	if (!msgpack_read_uint(in, width, &bits))
		return 0;
	item->kind = MSGPACK_KIND_DOUBLE;
	if (width == 8) {
		memcpy(&item->real, &bits, sizeof bits);
	} else {
		bits32 = (uint32_t)bits;
		memcpy(&single, &bits32, sizeof single);
		item->real = single;
	}
	return 1;
}

/* Reads a value with a tag from 0xc0 to 0xdf. Returns 1, 0 if it is truncated, or ERROR_SYNTAX. */
static int
msgpack_read_tagged(struct msgpack_input *in, struct msgpack_item *item, uint8_t tag)
{
	unsigned width = 0;
	uint64_t n = 0;

	if (tag >= 0xc4 && tag <= 0xc9) /* bin, ext: a length of 1, 2 or 4 bytes */
		width = 1u << (tag - 0xc4) % 3;
	else if (tag >= 0xcc && tag <= 0xd3) /* uint, int */
		width = 1u << (tag & 3);
	else if (tag >= 0xd9 && tag <= 0xdb) /* str */
		width = 1u << (tag - 0xd9);
	else if (tag >= 0xdc) /* array, map */
		width = tag & 1 ? 4 : 2;
	if (!msgpack_read_uint(in, width, &n))
		return 0;
	switch (tag) {
	case 0xc0:
		item->kind = MSGPACK_KIND_NIL;
		return 1;
	case 0xc1:
		return ERROR_SYNTAX;
	case 0xc2:
	case 0xc3:
		item->kind = MSGPACK_KIND_BOOL;
		item->boolean = tag & 1;
		return 1;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		return msgpack_read_body(in, item, MSGPACK_KIND_BIN, n);
	case 0xc7:
	case 0xc8:
	case 0xc9:
		item->fixed = false;
		return msgpack_read_ext(in, item, n);
	case 0xca:
		return msgpack_read_real(in, item, 4);
	case 0xcb:
		return msgpack_read_real(in, item, 8);
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		item->kind = MSGPACK_KIND_UINT;
		item->uint = n;
		return 1;
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		item->kind = MSGPACK_KIND_INT;
		item->sint = (int64_t)(n << (64 - 8 * width)) >> (64 - 8 * width); /* sign extended */
		return 1;
	case 0xd9:
	case 0xda:
	case 0xdb:
		return msgpack_read_body(in, item, MSGPACK_KIND_STR, n);
	case 0xdc:
	case 0xdd:
	case 0xde:
	case 0xdf:
		item->kind = tag < 0xde ? MSGPACK_KIND_ARRAY : MSGPACK_KIND_MAP;
		item->count = (uint32_t)n;
		return 1;
	default: /* 0xd4 to 0xd8: fixext 1, 2, 4, 8, 16 */
		item->fixed = true;
		return msgpack_read_ext(in, item, 1u << (tag - 0xd4));
	}
}

int
msgpack_item_read(struct msgpack_input *in, struct msgpack_item *item)
{
	uint8_t tag;

	if (in->at == in->end)
		return 0;
	tag = *in->at++;
	if (tag < 0x80) {
		item->kind = MSGPACK_KIND_UINT;
		item->uint = tag;
	} else if (tag < 0xa0) {
		item->kind = tag < 0x90 ? MSGPACK_KIND_MAP : MSGPACK_KIND_ARRAY;
		item->count = tag & 15;
	} else if (tag < 0xc0) {
		return msgpack_read_body(in, item, MSGPACK_KIND_STR, tag & 31);
	} else if (tag < 0xe0) {
		return msgpack_read_tagged(in, item, tag);
	} else {
		item->kind = MSGPACK_KIND_INT;
		item->sint = (int8_t)tag;
	}
	return 1;
}

int
msgpack_item_skip(struct msgpack_input *in)
{
	struct msgpack_item item;
	uint64_t left = 1; /* values still to read; each takes at least a byte, so the input bounds the loop */

	for (; left > 0; left--) {
		int rc = msgpack_item_read(in, &item);

		if (rc <= 0)
			return rc;
		if (item.kind == MSGPACK_KIND_ARRAY)
			left += item.count;
		else if (item.kind == MSGPACK_KIND_MAP)
			left += 2 * (uint64_t)item.count;
	}
	return 1;
}
