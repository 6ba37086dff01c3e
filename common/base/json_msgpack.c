/*
 * JSON to MessagePack. A container's header comes before its elements are counted: one byte is kept for it, enough
 * for 15 elements; larger ones are noted, and at the end all of the output moves once to make room for their counts.
 */
#include "common/base/json_msgpack.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"
#include "common/base/msgpack.h"

/* A count of more than 15 that has to be put in at `at`. */
struct msgpack_patch {
	size_t at;
	uint32_t count;
};

struct msgpack_writer {
	struct buffer *out;
	const struct attachments *attachments;
	struct msgpack_patch *patches;
	size_t patches_count, patches_size;
	size_t extra; /* bytes that the patches take */
};

static void
msgpack_string(struct buffer *out, struct text quoted)
{
	size_t n = json_string_length(quoted);
	uint8_t *room;

	if (n > UINT32_MAX) {
		out->error = ERROR_TOO_BIG;
		return;
	}
	msgpack_add_string(out, (uint32_t)n);
	room = buffer_room(out, n);
	if (room) {
		json_string_decode(quoted, (char *)room);
		out->len += n;
	}
}

static void
msgpack_unsigned(struct buffer *out, uint64_t value)
{
	if (value < 0x80)
		buffer_add_byte(out, (uint8_t)value);
	else if (value <= UINT8_MAX)
		msgpack_add(out, MSGPACK_UINT_8, value, 1);
	else if (value <= UINT16_MAX)
		msgpack_add(out, MSGPACK_UINT_8 + 1, value, 2);
	else if (value <= UINT32_MAX)
		msgpack_add(out, MSGPACK_UINT_8 + 2, value, 4);
	else
		msgpack_add(out, MSGPACK_UINT_8 + 3, value, 8);
}

static void
msgpack_negative(struct buffer *out, uint64_t magnitude)
{
	uint64_t value = 0 - magnitude; /* two's complement, cut to the width */

	if (magnitude <= 32)
		buffer_add_byte(out, (uint8_t)value);
	else if (magnitude <= UINT64_C(1) << 7)
		msgpack_add(out, MSGPACK_INT_8, value, 1);
	else if (magnitude <= UINT64_C(1) << 15)
		msgpack_add(out, MSGPACK_INT_8 + 1, value, 2);
	else if (magnitude <= UINT64_C(1) << 31)
		msgpack_add(out, MSGPACK_INT_8 + 2, value, 4);
	else
		msgpack_add(out, MSGPACK_INT_8 + 3, value, 8);
}

static void
msgpack_number(struct buffer *out, struct text number)
{
	uint64_t magnitude, bits;
	bool negative;
	double value;

	if (json_number_integer(number, &negative, &magnitude) && (!negative || magnitude <= UINT64_C(1) << 63)) {
		if (negative && magnitude > 0)
			msgpack_negative(out, magnitude);
		else
			msgpack_unsigned(out, magnitude);
		return;
	}
	value = json_number_double(number);
	memcpy(&bits, &value, sizeof bits);
	msgpack_add(out, MSGPACK_FLOAT_64, bits, 8);
}

static void
msgpack_scalar(struct buffer *out, struct text scalar)
{
	switch (*scalar.at) {
	case '"':
		msgpack_string(out, scalar);
		break;
	case 'n':
		buffer_add_byte(out, MSGPACK_NIL);
		break;
	case 'f':
		buffer_add_byte(out, MSGPACK_FALSE);
		break;
	case 't':
		buffer_add_byte(out, MSGPACK_TRUE);
		break;
	default:
		msgpack_number(out, scalar);
	}
}

static int
msgpack_patch_add(struct msgpack_writer *w, size_t at, uint32_t count)
{
	if (w->patches_count == w->patches_size) {
		size_t size = w->patches_size ? w->patches_size * 2 : 16;
		struct msgpack_patch *patches = mem_try_realloc(w->patches, size * sizeof *patches);

		if (!patches)
			return ERROR_MEMORY;
		w->patches = patches;
		w->patches_size = size;
	}
	w->patches[w->patches_count++] = (struct msgpack_patch){.at = at, .count = count};
	w->extra += count <= UINT16_MAX ? 2 : 4;
	return 0;
}

/* Forgets what was noted inside a placeholder. */
static void
msgpack_patch_cut(struct msgpack_writer *w, size_t count)
{
	while (w->patches_count > count)
		w->extra -= w->patches[--w->patches_count].count <= UINT16_MAX ? 2 : 4;
}

/* 0, or ERROR_SYNTAX for an outermost value with an illegal placeholder. */
static int
msgpack_close(struct msgpack_writer *w, struct json_level *closed, struct json_level *outer)
{
	struct buffer *out = w->out;
	unsigned num;
	int is = w->attachments ? json_level_placeholder(closed, w->attachments->count, &num) : 0;

	if (is > 0) {
		const struct block *b = w->attachments->blocks[num];

		msgpack_patch_cut(w, closed->patches);
		out->len = closed->mark;
		msgpack_add_length(out, MSGPACK_BIN_8, b->len);
		buffer_add(out, b->data, b->len);
		return 0;
	}
	if (is < 0 || closed->illegal) {
		if (!outer)
			return ERROR_SYNTAX;
		outer->illegal = true;
	}
	if (closed->count <= MSGPACK_FIX_COUNT_MAX) {
		out->data[closed->mark] =
			(uint8_t)((closed->object ? MSGPACK_FIXMAP : MSGPACK_FIXARRAY) | closed->count);
	} else {
		out->data[closed->mark] = (uint8_t)((closed->object ? MSGPACK_MAP_16 : MSGPACK_ARRAY_16) +
						    (closed->count > UINT16_MAX));
		return msgpack_patch_add(w, closed->mark + 1, closed->count);
	}
	return 0;
}

static int
msgpack_patch_order(const void *a, const void *b)
{
	const struct msgpack_patch *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* From the end backwards every byte moves once, to its final place. */
static void
msgpack_patch_apply(struct msgpack_writer *w)
{
	struct buffer *out = w->out;
	size_t from = out->len, to;

	if (w->patches_count == 0 || !buffer_room(out, w->extra))
		return;
	qsort(w->patches, w->patches_count, sizeof *w->patches, msgpack_patch_order);
	out->len += w->extra;
	to = out->len;
	for (size_t i = w->patches_count; i-- > 0;) {
		const struct msgpack_patch *p = &w->patches[i];
		unsigned width = p->count <= UINT16_MAX ? 2 : 4;
		size_t n = from - p->at;

		from -= n;
		to -= n;
		memmove(out->data + to, out->data + from, n);
		to -= width;
		bytes_write(out->data + to, p->count, width);
	}
}

int
json_to_msgpack(struct text json, const struct attachments *attachments, struct buffer *out)
{
	struct msgpack_writer w = {.out = out, .attachments = attachments};
	struct json_walk walk;
	int token, error = 0;

	json_walk_init(&walk, json);
	while (!error && (token = json_walk_next(&walk)) != JSON_END) {
		if (token < 0) {
			error = token;
		} else if (token == JSON_OPEN) {
			json_walk_level(&walk)->mark = out->len;
			json_walk_level(&walk)->patches = w.patches_count;
			buffer_add_byte(out, 0);
		} else if (token == JSON_CLOSE) {
			error = msgpack_close(&w, json_walk_closed(&walk), json_walk_level(&walk));
		} else {
			msgpack_scalar(out, walk.token);
		}
		if (!error)
			error = buffer_error(out);
	}
	if (!error) {
		msgpack_patch_apply(&w);
		error = buffer_error(out);
	}
	mem_free(w.patches);
	return error;
}
