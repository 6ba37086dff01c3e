/*
 * MessagePack to JSON. The input is untrusted: every length is compared with the available bytes before use, a count
 * allocates nothing, and the open containers are a fixed stack.
 */
#include <math.h>

#include "common/base/bytes.h"
#include "common/base/date.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"

/* range of a Date in ECMAScript: 100 million days on each side of 1970 */
#define DATE_MAX_MS INT64_C(8640000000000000)

/* The kind of a value, from its first byte. */
enum msgpack_kind {
	MSGPACK_NIL,
	MSGPACK_BOOL,
	MSGPACK_UINT,
	MSGPACK_INT,
	MSGPACK_DOUBLE,
	MSGPACK_STR,
	MSGPACK_BIN,
	MSGPACK_ARRAY,
	MSGPACK_MAP,
	MSGPACK_EXT
};

struct msgpack_item {
	enum msgpack_kind kind;
	int8_t ext;
	union {
		bool boolean;
		uint64_t uint;
		int64_t sint;
		double real;
		uint32_t count;	  /* of an array or a map */
		struct text body; /* of a str, a bin or an ext */
	};
};

struct msgpack_frame {
	uint32_t left; /* elements or members still to read */
	bool map, key, first;
};

struct msgpack_reader {
	const uint8_t *at, *end;
	struct attachments *attachments;
	struct buffer *out;
	unsigned depth, max_depth;
	struct msgpack_frame frames[JSON_DEPTH_MAX];
};

/* Reads a big-endian integer of `width` bytes. Returns false if the input ends first. */
static bool
msgpack_read_uint(struct msgpack_reader *reader, unsigned width, uint64_t *value)
{
	if ((size_t)(reader->end - reader->at) < width)
		return false;
	*value = bytes_read(reader->at, width);
	reader->at += width;
	return true;
}

static int
msgpack_read_body(struct msgpack_reader *reader, struct msgpack_item *item, enum msgpack_kind kind, uint64_t n)
{
	if (n > (size_t)(reader->end - reader->at))
		return 0;
	item->kind = kind;
	item->body = text_of((const char *)reader->at, (size_t)n);
	reader->at += n;
	return 1;
}

static int
msgpack_read_ext(struct msgpack_reader *reader, struct msgpack_item *item, uint64_t n)
{
	uint64_t type;

	if (!msgpack_read_uint(reader, 1, &type))
		return 0;
	item->ext = (int8_t)type;
	return msgpack_read_body(reader, item, MSGPACK_EXT, n);
}

static int
msgpack_read_real(struct msgpack_reader *reader, struct msgpack_item *item, unsigned width)
{
	uint64_t bits;
	uint32_t bits32;
	float single;

	if (!msgpack_read_uint(reader, width, &bits))
		return 0;
	item->kind = MSGPACK_DOUBLE;
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
msgpack_read_tagged(struct msgpack_reader *reader, struct msgpack_item *item, uint8_t tag)
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
	if (!msgpack_read_uint(reader, width, &n))
		return 0;
	switch (tag) {
	case 0xc0:
		item->kind = MSGPACK_NIL;
		return 1;
	case 0xc1:
		return ERROR_SYNTAX;
	case 0xc2:
	case 0xc3:
		item->kind = MSGPACK_BOOL;
		item->boolean = tag & 1;
		return 1;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		return msgpack_read_body(reader, item, MSGPACK_BIN, n);
	case 0xc7:
	case 0xc8:
	case 0xc9:
		return msgpack_read_ext(reader, item, n);
	case 0xca:
		return msgpack_read_real(reader, item, 4);
	case 0xcb:
		return msgpack_read_real(reader, item, 8);
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		item->kind = MSGPACK_UINT;
		item->uint = n;
		return 1;
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		item->kind = MSGPACK_INT;
		item->sint = (int64_t)(n << (64 - 8 * width)) >> (64 - 8 * width); /* sign extended */
		return 1;
	case 0xd9:
	case 0xda:
	case 0xdb:
		return msgpack_read_body(reader, item, MSGPACK_STR, n);
	case 0xdc:
	case 0xdd:
	case 0xde:
	case 0xdf:
		item->kind = tag < 0xde ? MSGPACK_ARRAY : MSGPACK_MAP;
		item->count = (uint32_t)n;
		return 1;
	default: /* 0xd4 to 0xd8: fixext 1, 2, 4, 8, 16 */
		return msgpack_read_ext(reader, item, 1u << (tag - 0xd4));
	}
}

/*
 * Reads the next value: its head, and the body of str, bin and ext. Returns 1, 0 if it is truncated, or ERROR_SYNTAX.
 */
static int
msgpack_read_item(struct msgpack_reader *reader, struct msgpack_item *item)
{
	uint8_t tag;

	if (reader->at == reader->end)
		return 0;
	tag = *reader->at++;
	if (tag < 0x80) {
		item->kind = MSGPACK_UINT;
		item->uint = tag;
	} else if (tag < 0xa0) {
		item->kind = tag < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
		item->count = tag & 15;
	} else if (tag < 0xc0) {
		return msgpack_read_body(reader, item, MSGPACK_STR, tag & 31);
	} else if (tag < 0xe0) {
		return msgpack_read_tagged(reader, item, tag);
	} else {
		item->kind = MSGPACK_INT;
		item->sint = (int8_t)tag;
	}
	return 1;
}

static void
msgpack_write_uint(struct buffer *out, uint64_t value)
{
	if (value > INT64_MAX) {
		buffer_add_number(out, (int64_t)(value / 10));
		value %= 10;
	}
	buffer_add_number(out, (int64_t)value);
}

/* Appends a Date as JSON.stringify does: ISO 8601 in UTC, or null if it is out of range. */
static void
msgpack_write_date(struct buffer *out, int64_t ms)
{
	int64_t days, rest;
	unsigned in_day;
	struct date date;
	char sign[8] = "";

	if (ms > DATE_MAX_MS || ms < -DATE_MAX_MS) {
		buffer_add_text(out, TEXT("null"));
		return;
	}
	days = ms / 86400000;
	rest = ms % 86400000;
	if (rest < 0) {
		rest += 86400000;
		days--;
	}
	in_day = (unsigned)rest;
	date = date_of_day(days);
	if (date.year < 0 || date.year > 9999) { /* expanded years of ECMAScript */
		sign[0] = date.year < 0 ? '-' : '+';
		buffer_printf(out, "\"%s%06lld", sign, (long long)(date.year < 0 ? -date.year : date.year));
	} else {
		buffer_printf(out, "\"%04lld", (long long)date.year);
	}
	buffer_printf(out, "-%02u-%02uT%02u:%02u:%02u.%03uZ\"", date.month, date.day, in_day / 3600000,
		in_day / 60000 % 60, in_day / 1000 % 60, in_day % 1000);
}

/* Appends a timestamp. Like JavaScript, it truncates fractions of a millisecond towards zero. */
static void
msgpack_write_timestamp(struct buffer *out, int64_t seconds, uint32_t nanoseconds)
{
	int64_t ms;

	if (seconds > DATE_MAX_MS / 1000 || seconds < -DATE_MAX_MS / 1000 - 5) {
		buffer_add_text(out, TEXT("null"));
		return;
	}
	ms = seconds * 1000 + nanoseconds / 1000000;
	if (ms < 0 && nanoseconds % 1000000 > 0)
		ms++;
	msgpack_write_date(out, ms);
}

static int
msgpack_write_bin(struct msgpack_reader *reader, struct text body)
{
	struct block *block;

	if (!reader->attachments)
		return ERROR_UNSUPPORTED;
	if (reader->attachments->count >= MSGPACK_ATTACHMENTS_MAX)
		return ERROR_TOO_MANY;
	if (reader->depth >= reader->max_depth) /* the placeholder itself is one level of nesting */
		return ERROR_TOO_DEEP;
	json_write_placeholder(reader->out, reader->attachments->count);
	block = block_try_copy(body.at, body.n);
	if (!block)
		return ERROR_MEMORY;
	attachments_add(reader->attachments, block);
	block_unref(block);
	return 0;
}

/* Appends an extension value in the form that the decoder of notepack returns. */
static int
msgpack_write_ext(struct msgpack_reader *reader, const struct msgpack_item *item)
{
	const uint8_t *body = (const uint8_t *)item->body.at;
	size_t n = item->body.n;
	uint64_t word;
	int error;

	if (item->ext == -1 && n == 4) {
		msgpack_write_timestamp(reader->out, (int64_t)bytes_read(body, 4), 0);
		return 0;
	}
	if (item->ext == -1 && n == 8) { /* 30 bits of nanoseconds and 34 of seconds */
		word = bytes_read(body, 8);
		msgpack_write_timestamp(reader->out, (int64_t)(word & 0x3ffffffff), (uint32_t)(word >> 34));
		return 0;
	}
	if (item->ext == -1 && n == 12) {
		msgpack_write_timestamp(reader->out, (int64_t)bytes_read(body + 4, 8), (uint32_t)bytes_read(body, 4));
		return 0;
	}
	if (item->ext == 0 && n == 1) { /* undefined */
		buffer_add_text(reader->out, TEXT("null"));
		return 0;
	}
	if (item->ext == 0 && n == 8) { /* Date of notepack 2, in milliseconds */
		msgpack_write_date(reader->out, (int64_t)bytes_read(body, 8));
		return 0;
	}
	if (item->ext == 0) /* an ArrayBuffer */
		return msgpack_write_bin(reader, item->body);
	if (reader->depth >= reader->max_depth)
		return ERROR_TOO_DEEP;
	buffer_add_byte(reader->out, '[');
	buffer_add_number(reader->out, item->ext);
	buffer_add_byte(reader->out, ',');
	reader->depth++;
	error = msgpack_write_bin(reader, item->body);
	reader->depth--;
	buffer_add_byte(reader->out, ']');
	return error;
}

/* Appends a key, converted to a property name as JavaScript does. */
static int
msgpack_write_key(struct msgpack_reader *reader, const struct msgpack_item *item)
{
	if (item->kind == MSGPACK_STR || item->kind == MSGPACK_BIN) {
		json_write_string(reader->out, item->body);
		buffer_add_byte(reader->out, ':');
		return 0;
	}
	buffer_add_byte(reader->out, '"');
	switch (item->kind) {
	case MSGPACK_NIL:
		buffer_add_text(reader->out, TEXT("null"));
		break;
	case MSGPACK_BOOL:
		buffer_add_text(reader->out, item->boolean ? TEXT("true") : TEXT("false"));
		break;
	case MSGPACK_UINT:
		msgpack_write_uint(reader->out, item->uint);
		break;
	case MSGPACK_INT:
		buffer_add_number(reader->out, item->sint);
		break;
	case MSGPACK_DOUBLE:
		if (isnan(item->real))
			buffer_add_text(reader->out, TEXT("NaN"));
		else if (isinf(item->real))
			buffer_add_text(reader->out, item->real < 0 ? TEXT("-Infinity") : TEXT("Infinity"));
		else
			json_write_double(reader->out, item->real);
		break;
	default: /* containers and extensions: decoders disagree about the name */
		return ERROR_UNSUPPORTED;
	}
	buffer_add_text(reader->out, TEXT("\":"));
	return 0;
}

static int
msgpack_write_open(struct msgpack_reader *reader, const struct msgpack_item *item)
{
	if (reader->depth >= reader->max_depth)
		return ERROR_TOO_DEEP;
	buffer_add_byte(reader->out, item->kind == MSGPACK_MAP ? '{' : '[');
	reader->frames[reader->depth++] = (struct msgpack_frame){.left = item->count,
		.map = item->kind == MSGPACK_MAP,
		.key = item->kind == MSGPACK_MAP,
		.first = true};
	return 0;
}

static int
msgpack_write_item(struct msgpack_reader *reader, const struct msgpack_item *item)
{
	switch (item->kind) {
	case MSGPACK_NIL:
		buffer_add_text(reader->out, TEXT("null"));
		return 0;
	case MSGPACK_BOOL:
		buffer_add_text(reader->out, item->boolean ? TEXT("true") : TEXT("false"));
		return 0;
	case MSGPACK_UINT:
		msgpack_write_uint(reader->out, item->uint);
		return 0;
	case MSGPACK_INT:
		buffer_add_number(reader->out, item->sint);
		return 0;
	case MSGPACK_DOUBLE:
		json_write_double(reader->out, item->real);
		return 0;
	case MSGPACK_STR:
		json_write_string(reader->out, item->body);
		return 0;
	case MSGPACK_BIN:
		return msgpack_write_bin(reader, item->body);
	case MSGPACK_EXT:
		return msgpack_write_ext(reader, item);
	default:
		return msgpack_write_open(reader, item);
	}
}

/* Closes complete containers, and appends the comma before the next element. */
static void
msgpack_write_ends(struct msgpack_reader *reader)
{
	while (reader->depth > 0) {
		struct msgpack_frame *frame = &reader->frames[reader->depth - 1];

		if (frame->map && !frame->key)
			return; /* the value of this key comes next */
		if (frame->left > 0) {
			if (!frame->first)
				buffer_add_byte(reader->out, ',');
			frame->first = false;
			frame->left--;
			return;
		}
		buffer_add_byte(reader->out, frame->map ? '}' : ']');
		reader->depth--;
		if (reader->depth > 0 && reader->frames[reader->depth - 1].map)
			reader->frames[reader->depth - 1].key = true;
	}
}

/* Converts one value. Returns 1, 0 if it is truncated, or an error. */
static int
msgpack_read_value(struct msgpack_reader *reader)
{
	struct msgpack_item item;
	int result;

	do {
		struct msgpack_frame *frame = reader->depth ? &reader->frames[reader->depth - 1] : NULL;

		result = msgpack_read_item(reader, &item);
		if (result <= 0)
			return result;
		if (frame && frame->map && frame->key) {
			result = msgpack_write_key(reader, &item);
			frame->key = false;
		} else {
			if (frame && frame->map && item.kind != MSGPACK_ARRAY && item.kind != MSGPACK_MAP)
				frame->key = true;
			result = msgpack_write_item(reader, &item);
		}
		if (result == 0)
			result = buffer_error(reader->out);
		if (result < 0)
			return result;
		msgpack_write_ends(reader);
	} while (reader->depth > 0);
	return buffer_error(reader->out) ? buffer_error(reader->out) : 1;
}

int64_t
msgpack_to_json(
	const uint8_t *bytes, size_t n, unsigned max_depth, struct attachments *attachments, struct buffer *out)
{
	struct msgpack_reader reader;
	size_t len = out->len;
	unsigned count = attachments ? attachments->count : 0;
	int result;

	reader.at = bytes;
	reader.end = bytes + n;
	reader.attachments = attachments;
	reader.out = out;
	reader.depth = 0;
	reader.max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
	result = msgpack_read_value(&reader);
	if (result > 0)
		return reader.at - bytes;
	out->len = len; /* discard a partial value */
	if (attachments)
		attachments_cut(attachments, count);
	return result;
}
