/*
 * JSON to MessagePack. The header of a container precedes its elements, whose number is not known yet. One byte is
 * reserved for the header, which is enough for up to 15 elements. Larger containers are noted as patches. At the end,
 * the output is moved once to make room for their counts.
 */
#include "common/base/json_msgpack.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"
#include "common/base/msgpack.h"

/* A count of more than 15 to be inserted at `at`. */
struct msgpack_patch {
	size_t at;
	uint32_t count;
};

struct msgpack_writer {
	struct buffer *out;
	const struct attachments *attachments;
	struct msgpack_patch *patches;
	size_t patches_count, patches_size;
	size_t extra; /* total bytes that the patches add */
};

static void
msgpack_add_json_string(struct buffer *out, struct text quoted)
{
	bool plain = memchr(quoted.at, '\\', quoted.n) == NULL;
	size_t n = plain ? quoted.n - 2 : json_string_length(quoted);
	uint8_t *room;

	if (n > UINT32_MAX) {
		out->error = ERROR_TOO_BIG;
		return;
	}
	msgpack_add_string(out, (uint32_t)n);
	if (plain) {
		buffer_add(out, quoted.at + 1, n);
		return;
	}
	room = buffer_room(out, n);
	if (room) {
		json_string_decode(quoted, (char *)room);
		out->len += n;
	}
}

static void
msgpack_add_negative(struct buffer *out, uint64_t magnitude)
{
	uint64_t value = 0 - magnitude; /* two's complement, truncated to the width */

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

/* Reads a number of at most 18 digits and nothing else. Returns false for all others. */
static bool
msgpack_short_unsigned(struct text number, uint64_t *value)
{
	if (number.n > 18)
		return false;
	*value = 0;
	for (size_t i = 0; i < number.n; i++) {
		unsigned digit = (unsigned)(number.at[i] - '0');

		if (digit > 9)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

static void
msgpack_add_json_number(struct buffer *out, struct text number)
{
	uint64_t magnitude, bits;
	bool negative;
	double value;

	if (msgpack_short_unsigned(number, &magnitude)) {
		msgpack_add_unsigned(out, magnitude);
		return;
	}
	if (json_number_integer(number, &negative, &magnitude) && (!negative || magnitude <= UINT64_C(1) << 63)) {
		if (negative && magnitude > 0)
			msgpack_add_negative(out, magnitude);
		else
			msgpack_add_unsigned(out, magnitude);
		return;
	}
	value = json_number_double(number);
	memcpy(&bits, &value, sizeof bits);
	msgpack_add(out, MSGPACK_FLOAT_64, bits, 8);
}

static void
msgpack_add_scalar(struct buffer *out, struct text scalar)
{
	switch (*scalar.at) {
	case '"':
		msgpack_add_json_string(out, scalar);
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
		msgpack_add_json_number(out, scalar);
	}
}

static int
msgpack_patch_add(struct msgpack_writer *writer, size_t at, uint32_t count)
{
	if (writer->patches_count == writer->patches_size) {
		size_t size = writer->patches_size ? writer->patches_size * 2 : 16;
		struct msgpack_patch *patches = mem_try_realloc(writer->patches, size * sizeof *patches);

		if (!patches)
			return ERROR_MEMORY;
		writer->patches = patches;
		writer->patches_size = size;
	}
	writer->patches[writer->patches_count++] = (struct msgpack_patch){.at = at, .count = count};
	writer->extra += count <= UINT16_MAX ? 2 : 4;
	return 0;
}

/* Drops the patches noted inside a placeholder. */
static void
msgpack_patch_cut(struct msgpack_writer *writer, size_t count)
{
	while (writer->patches_count > count)
		writer->extra -= writer->patches[--writer->patches_count].count <= UINT16_MAX ? 2 : 4;
}

/*
 * Closes a container. Returns 0, ERROR_MEMORY, or ERROR_SYNTAX if the outermost container holds an illegal
 * placeholder.
 */
static int
msgpack_close_container(struct msgpack_writer *writer, struct json_level *closed, struct json_level *outer)
{
	struct buffer *out = writer->out;
	unsigned num;
	int is = writer->attachments ? json_level_placeholder(closed, writer->attachments->count, &num) : 0;

	if (is > 0) {
		const struct block *block = writer->attachments->blocks[num];

		msgpack_patch_cut(writer, closed->patches);
		out->len = closed->mark;
		msgpack_add_length(out, MSGPACK_BIN_8, block->len);
		buffer_add(out, block->data, block->len);
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
		return msgpack_patch_add(writer, closed->mark + 1, closed->count);
	}
	return 0;
}

static int
msgpack_patch_order(const void *a, const void *b)
{
	const struct msgpack_patch *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Inserts the counts. It works backwards from the end, so each byte moves once, to its final place. */
static void
msgpack_patch_apply(struct msgpack_writer *writer)
{
	struct buffer *out = writer->out;
	size_t from = out->len, to;

	if (writer->patches_count == 0 || !buffer_room(out, writer->extra))
		return;
	qsort(writer->patches, writer->patches_count, sizeof *writer->patches, msgpack_patch_order);
	out->len += writer->extra;
	to = out->len;
	for (size_t i = writer->patches_count; i-- > 0;) {
		const struct msgpack_patch *patch = &writer->patches[i];
		unsigned width = patch->count <= UINT16_MAX ? 2 : 4;
		size_t n = from - patch->at;

		from -= n;
		to -= n;
		memmove(out->data + to, out->data + from, n);
		to -= width;
		bytes_write(out->data + to, patch->count, width);
	}
}

int
json_to_msgpack(struct text json, const struct attachments *attachments, struct buffer *out)
{
	struct msgpack_writer writer = {.out = out, .attachments = attachments};
	struct json_walk walk;
	int token, error = 0;

	json_walk_init(&walk, json);
	while (!error && (token = json_walk_next(&walk)) != JSON_END) {
		if (token < 0) {
			error = token;
		} else if (token == JSON_OPEN) {
			json_walk_level(&walk)->mark = out->len;
			json_walk_level(&walk)->patches = writer.patches_count;
			buffer_add_byte(out, 0);
		} else if (token == JSON_CLOSE) {
			error = msgpack_close_container(&writer, json_walk_closed(&walk), json_walk_level(&walk));
		} else {
			msgpack_add_scalar(out, walk.token);
		}
		if (!error)
			error = buffer_error(out);
	}
	if (!error) {
		msgpack_patch_apply(&writer);
		error = buffer_error(out);
	}
	mem_free(writer.patches);
	return error;
}
