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
#include "common/base/msgpack_item.h"

/* range of a Date in ECMAScript: 100 million days on each side of 1970 */
#define DATE_MAX_MS INT64_C(8640000000000000)

struct msgpack_frame {
	uint32_t left; /* elements or members still to read */
	bool map, key, first;
};

struct msgpack_reader {
	struct msgpack_input in;
	struct attachments *attachments;
	struct buffer *out;
	unsigned depth, max_depth;
	struct msgpack_frame frames[JSON_DEPTH_MAX];
};

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
	if (msgpack_item_undefined(item)) {
		buffer_add_text(reader->out, TEXT("null"));
		return 0;
	}
	if (item->ext == 0 && item->fixed && n == 8) { /* Date of notepack 2, in milliseconds */
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
	if (item->kind == MSGPACK_KIND_STR || item->kind == MSGPACK_KIND_BIN) {
		json_write_string(reader->out, item->body);
		buffer_add_byte(reader->out, ':');
		return 0;
	}
	buffer_add_byte(reader->out, '"');
	switch (item->kind) {
	case MSGPACK_KIND_NIL:
		buffer_add_text(reader->out, TEXT("null"));
		break;
	case MSGPACK_KIND_BOOL:
		buffer_add_text(reader->out, item->boolean ? TEXT("true") : TEXT("false"));
		break;
	case MSGPACK_KIND_UINT:
		msgpack_write_uint(reader->out, item->uint);
		break;
	case MSGPACK_KIND_INT:
		buffer_add_number(reader->out, item->sint);
		break;
	case MSGPACK_KIND_DOUBLE:
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
	buffer_add_byte(reader->out, item->kind == MSGPACK_KIND_MAP ? '{' : '[');
	reader->frames[reader->depth++] = (struct msgpack_frame){.left = item->count,
		.map = item->kind == MSGPACK_KIND_MAP,
		.key = item->kind == MSGPACK_KIND_MAP,
		.first = true};
	return 0;
}

static int
msgpack_write_item(struct msgpack_reader *reader, const struct msgpack_item *item)
{
	switch (item->kind) {
	case MSGPACK_KIND_NIL:
		buffer_add_text(reader->out, TEXT("null"));
		return 0;
	case MSGPACK_KIND_BOOL:
		buffer_add_text(reader->out, item->boolean ? TEXT("true") : TEXT("false"));
		return 0;
	case MSGPACK_KIND_UINT:
		msgpack_write_uint(reader->out, item->uint);
		return 0;
	case MSGPACK_KIND_INT:
		buffer_add_number(reader->out, item->sint);
		return 0;
	case MSGPACK_KIND_DOUBLE:
		json_write_double(reader->out, item->real);
		return 0;
	case MSGPACK_KIND_STR:
		json_write_string(reader->out, item->body);
		return 0;
	case MSGPACK_KIND_BIN:
		return msgpack_write_bin(reader, item->body);
	case MSGPACK_KIND_EXT:
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

		result = msgpack_item_read(&reader->in, &item);
		if (result <= 0)
			return result;
		if (frame && frame->map && frame->key) {
			result = msgpack_write_key(reader, &item);
			frame->key = false;
		} else {
			if (frame && frame->map && item.kind != MSGPACK_KIND_ARRAY && item.kind != MSGPACK_KIND_MAP)
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

	reader.in = (struct msgpack_input){bytes, bytes + n};
	reader.attachments = attachments;
	reader.out = out;
	reader.depth = 0;
	reader.max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
	result = msgpack_read_value(&reader);
	if (result > 0)
		return reader.in.at - bytes;
	out->len = len; /* discard a partial value */
	if (attachments)
		attachments_cut(attachments, count);
	return result;
}
