/*
 * MessagePack to JSON. The input is hostile: a length is compared with what is there before it is used, a count only
 * makes the reader expect more, and what is open is a small fixed stack.
 */
#include <math.h>

#include "common/base/bytes.h"
#include "common/base/date.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"

#define DATE_MAX_MS INT64_C(8640000000000000) /* ECMAScript: 100 million days on each side of 1970 */

/* One value's head as read from the bytes. */
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
		uint32_t count;	  /* array, map */
		struct text body; /* str, bin, ext */
	};
};

struct msgpack_frame {
	uint32_t left; /* elements or members still to come */
	bool map, key, first;
};

struct msgpack_reader {
	const uint8_t *at, *end;
	struct attachments *attachments;
	struct buffer *out;
	unsigned depth, max_depth;
	struct msgpack_frame frames[JSON_DEPTH_MAX];
};

/* Takes a big-endian number of `width` bytes; false if the bytes end before. */
static bool
msgpack_take(struct msgpack_reader *r, unsigned width, uint64_t *value)
{
	if ((size_t)(r->end - r->at) < width)
		return false;
	*value = bytes_read(r->at, width);
	r->at += width;
	return true;
}

static int
msgpack_body(struct msgpack_reader *r, struct msgpack_item *item, enum msgpack_kind kind, uint64_t n)
{
	if (n > (size_t)(r->end - r->at))
		return 0;
	item->kind = kind;
	item->body = text_of((const char *)r->at, (size_t)n);
	r->at += n;
	return 1;
}

static int
msgpack_ext(struct msgpack_reader *r, struct msgpack_item *item, uint64_t n)
{
	uint64_t type;

	if (!msgpack_take(r, 1, &type))
		return 0;
	item->ext = (int8_t)type;
	return msgpack_body(r, item, MSGPACK_EXT, n);
}

static int
msgpack_real(struct msgpack_reader *r, struct msgpack_item *item, unsigned width)
{
	uint64_t bits;
	uint32_t bits32;
	float single;

	if (!msgpack_take(r, width, &bits))
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

/* Tags 0xc0 to 0xdf. 1, 0 when cut short, or ERROR_SYNTAX. */
static int
msgpack_tagged(struct msgpack_reader *r, struct msgpack_item *item, uint8_t tag)
{
	unsigned width = 0;
	uint64_t n = 0;

	if (tag >= 0xc4 && tag <= 0xc9) /* bin, ext: 1, 2, 4 bytes of length */
		width = 1u << (tag - 0xc4) % 3;
	else if (tag >= 0xcc && tag <= 0xd3) /* uint, int */
		width = 1u << (tag & 3);
	else if (tag >= 0xd9 && tag <= 0xdb) /* str */
		width = 1u << (tag - 0xd9);
	else if (tag >= 0xdc) /* array, map */
		width = tag & 1 ? 4 : 2;
	if (!msgpack_take(r, width, &n))
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
		return msgpack_body(r, item, MSGPACK_BIN, n);
	case 0xc7:
	case 0xc8:
	case 0xc9:
		return msgpack_ext(r, item, n);
	case 0xca:
		return msgpack_real(r, item, 4);
	case 0xcb:
		return msgpack_real(r, item, 8);
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
		return msgpack_body(r, item, MSGPACK_STR, n);
	case 0xdc:
	case 0xdd:
	case 0xde:
	case 0xdf:
		item->kind = tag < 0xde ? MSGPACK_ARRAY : MSGPACK_MAP;
		item->count = (uint32_t)n;
		return 1;
	default: /* 0xd4 to 0xd8: fixext 1, 2, 4, 8, 16 */
		return msgpack_ext(r, item, 1u << (tag - 0xd4));
	}
}

/* The next value's head with the body of strings and the like. 1, 0 when cut short, or ERROR_SYNTAX. */
static int
msgpack_item(struct msgpack_reader *r, struct msgpack_item *item)
{
	uint8_t tag;

	if (r->at == r->end)
		return 0;
	tag = *r->at++;
	if (tag < 0x80) {
		item->kind = MSGPACK_UINT;
		item->uint = tag;
	} else if (tag < 0xa0) {
		item->kind = tag < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
		item->count = tag & 15;
	} else if (tag < 0xc0) {
		return msgpack_body(r, item, MSGPACK_STR, tag & 31);
	} else if (tag < 0xe0) {
		return msgpack_tagged(r, item, tag);
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

/* A Date as JSON has it: ISO 8601 in UTC, null when it is none. Days to year, month, day in the proleptic calendar.
 */
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
	if (date.year < 0 || date.year > 9999) { /* ECMAScript's expanded years */
		sign[0] = date.year < 0 ? '-' : '+';
		buffer_printf(out, "\"%s%06lld", sign, (long long)(date.year < 0 ? -date.year : date.year));
	} else {
		buffer_printf(out, "\"%04lld", (long long)date.year);
	}
	buffer_printf(out, "-%02u-%02uT%02u:%02u:%02u.%03uZ\"", date.month, date.day, in_day / 3600000,
		in_day / 60000 % 60, in_day / 1000 % 60, in_day % 1000);
}

/* Milliseconds as JavaScript computes them: what is below one is cut off towards zero. */
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
msgpack_write_bin(struct msgpack_reader *r, struct text body)
{
	struct block *block;

	if (!r->attachments)
		return ERROR_UNSUPPORTED;
	if (r->attachments->count >= MSGPACK_ATTACHMENTS_MAX)
		return ERROR_TOO_MANY;
	if (r->depth >= r->max_depth) /* the placeholder is an object */
		return ERROR_TOO_DEEP;
	json_write_placeholder(r->out, r->attachments->count);
	block = block_try_copy(body.at, body.n);
	if (!block)
		return ERROR_MEMORY;
	attachments_add(r->attachments, block);
	block_unref(block);
	return 0;
}

/* What notepack's decoder makes of extensions, as JSON. */
static int
msgpack_write_ext(struct msgpack_reader *r, const struct msgpack_item *item)
{
	const uint8_t *body = (const uint8_t *)item->body.at;
	size_t n = item->body.n;
	uint64_t word;
	int error;

	if (item->ext == -1 && n == 4) {
		msgpack_write_timestamp(r->out, (int64_t)bytes_read(body, 4), 0);
		return 0;
	}
	if (item->ext == -1 && n == 8) { /* 30 bits of nanoseconds, 34 of seconds */
		word = bytes_read(body, 8);
		msgpack_write_timestamp(r->out, (int64_t)(word & 0x3ffffffff), (uint32_t)(word >> 34));
		return 0;
	}
	if (item->ext == -1 && n == 12) {
		msgpack_write_timestamp(r->out, (int64_t)bytes_read(body + 4, 8), (uint32_t)bytes_read(body, 4));
		return 0;
	}
	if (item->ext == 0 && n == 1) { /* undefined */
		buffer_add_text(r->out, TEXT("null"));
		return 0;
	}
	if (item->ext == 0 && n == 8) { /* notepack 2: a Date in milliseconds */
		msgpack_write_date(r->out, (int64_t)bytes_read(body, 8));
		return 0;
	}
	if (item->ext == 0) /* an ArrayBuffer */
		return msgpack_write_bin(r, item->body);
	if (r->depth >= r->max_depth)
		return ERROR_TOO_DEEP;
	buffer_add_byte(r->out, '[');
	buffer_add_number(r->out, item->ext);
	buffer_add_byte(r->out, ',');
	r->depth++;
	error = msgpack_write_bin(r, item->body);
	r->depth--;
	buffer_add_byte(r->out, ']');
	return error;
}

/* A key as JavaScript makes a property name of it. */
static int
msgpack_write_key(struct msgpack_reader *r, const struct msgpack_item *item)
{
	if (item->kind == MSGPACK_STR || item->kind == MSGPACK_BIN) {
		json_write_string(r->out, item->body);
		buffer_add_byte(r->out, ':');
		return 0;
	}
	buffer_add_byte(r->out, '"');
	switch (item->kind) {
	case MSGPACK_NIL:
		buffer_add_text(r->out, TEXT("null"));
		break;
	case MSGPACK_BOOL:
		buffer_add_text(r->out, item->boolean ? TEXT("true") : TEXT("false"));
		break;
	case MSGPACK_UINT:
		msgpack_write_uint(r->out, item->uint);
		break;
	case MSGPACK_INT:
		buffer_add_number(r->out, item->sint);
		break;
	case MSGPACK_DOUBLE:
		if (isnan(item->real))
			buffer_add_text(r->out, TEXT("NaN"));
		else if (isinf(item->real))
			buffer_add_text(r->out, item->real < 0 ? TEXT("-Infinity") : TEXT("Infinity"));
		else
			json_write_double(r->out, item->real);
		break;
	default: /* containers and extensions: no two decoders agree on a name */
		return ERROR_UNSUPPORTED;
	}
	buffer_add_text(r->out, TEXT("\":"));
	return 0;
}

static int
msgpack_open(struct msgpack_reader *r, const struct msgpack_item *item)
{
	if (r->depth >= r->max_depth)
		return ERROR_TOO_DEEP;
	buffer_add_byte(r->out, item->kind == MSGPACK_MAP ? '{' : '[');
	r->frames[r->depth++] = (struct msgpack_frame){.left = item->count,
		.map = item->kind == MSGPACK_MAP,
		.key = item->kind == MSGPACK_MAP,
		.first = true};
	return 0;
}

static int
msgpack_write(struct msgpack_reader *r, const struct msgpack_item *item)
{
	switch (item->kind) {
	case MSGPACK_NIL:
		buffer_add_text(r->out, TEXT("null"));
		return 0;
	case MSGPACK_BOOL:
		buffer_add_text(r->out, item->boolean ? TEXT("true") : TEXT("false"));
		return 0;
	case MSGPACK_UINT:
		msgpack_write_uint(r->out, item->uint);
		return 0;
	case MSGPACK_INT:
		buffer_add_number(r->out, item->sint);
		return 0;
	case MSGPACK_DOUBLE:
		json_write_double(r->out, item->real);
		return 0;
	case MSGPACK_STR:
		json_write_string(r->out, item->body);
		return 0;
	case MSGPACK_BIN:
		return msgpack_write_bin(r, item->body);
	case MSGPACK_EXT:
		return msgpack_write_ext(r, item);
	default:
		return msgpack_open(r, item);
	}
}

/* Closes what is complete, and puts the comma before what follows. */
static void
msgpack_close(struct msgpack_reader *r)
{
	while (r->depth > 0) {
		struct msgpack_frame *f = &r->frames[r->depth - 1];

		if (f->map && !f->key)
			return; /* a value follows its key */
		if (f->left > 0) {
			if (!f->first)
				buffer_add_byte(r->out, ',');
			f->first = false;
			f->left--;
			return;
		}
		buffer_add_byte(r->out, f->map ? '}' : ']');
		r->depth--;
		if (r->depth > 0 && r->frames[r->depth - 1].map)
			r->frames[r->depth - 1].key = true;
	}
}

/* 1, 0 when cut short, or an error. */
static int
msgpack_read(struct msgpack_reader *r)
{
	struct msgpack_item item;
	int result;

	do {
		struct msgpack_frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;

		result = msgpack_item(r, &item);
		if (result <= 0)
			return result;
		if (f && f->map && f->key) {
			result = msgpack_write_key(r, &item);
			f->key = false;
		} else {
			if (f && f->map && item.kind != MSGPACK_ARRAY && item.kind != MSGPACK_MAP)
				f->key = true;
			result = msgpack_write(r, &item);
		}
		if (result == 0)
			result = buffer_error(r->out);
		if (result < 0)
			return result;
		msgpack_close(r);
	} while (r->depth > 0);
	return buffer_error(r->out) ? buffer_error(r->out) : 1;
}

int64_t
msgpack_to_json(
	const uint8_t *bytes, size_t n, unsigned max_depth, struct attachments *attachments, struct buffer *out)
{
	struct msgpack_reader r;
	size_t len = out->len;
	unsigned count = attachments ? attachments->count : 0;
	int result;

	r.at = bytes;
	r.end = bytes + n;
	r.attachments = attachments;
	r.out = out;
	r.depth = 0;
	r.max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
	result = msgpack_read(&r);
	if (result > 0)
		return r.at - bytes;
	out->len = len; /* half a value is none */
	if (attachments)
		attachments_cut(attachments, count);
	return result;
}
