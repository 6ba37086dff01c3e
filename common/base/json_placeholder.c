/*
 * Attachments and their placeholders. As in the decoder of Socket.IO, a placeholder is an object whose "_placeholder"
 * is true, whatever other members it has. Its contents are not examined, so an invalid placeholder inside a valid one
 * is ignored.
 */
#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"

void
attachments_init(struct attachments *attachments)
{
	*attachments = (struct attachments){0};
}

void
attachments_cut(struct attachments *attachments, unsigned count)
{
	while (attachments->count > count)
		block_unref(attachments->blocks[--attachments->count]);
}

void
attachments_fini(struct attachments *attachments)
{
	attachments_cut(attachments, 0);
	mem_free(attachments->blocks);
	attachments_init(attachments);
}

size_t
attachments_bytes(const struct attachments *attachments)
{
	size_t n = 0;

	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		n += attachments->blocks[i]->len;
	return n;
}

void
attachments_add(struct attachments *attachments, struct block *block)
{
	if (attachments->count ==
		attachments
			->size) { /* small: every reader of packets has a limit, of MSGPACK_ATTACHMENTS_MAX at most */
		attachments->size = attachments->size ? attachments->size * 2 : 4;
		attachments->blocks =
			mem_realloc(attachments->blocks, attachments->size * sizeof *attachments->blocks);
	}
	attachments->blocks[attachments->count++] = block_ref(block);
}

void
json_write_placeholder(struct buffer *out, unsigned num)
{
	buffer_add_text(out, TEXT("{\"_placeholder\":true,\"num\":"));
	buffer_add_number(out, num);
	buffer_add_byte(out, '}');
}

/* A key can be written differently only with \u escapes. */
bool
json_maybe_placeholders(struct text json)
{
	return memmem(json.at, json.n, "_placeholder", 12) || memmem(json.at, json.n, "\\u", 2);
}

bool
json_placeholder(struct text object, unsigned count, unsigned *num)
{
	struct json_level level = {.object = true};
	struct text mark = json_object_get(object, TEXT("_placeholder"));

	if (mark.n == 0 || json_type(mark) != JSON_TRUE)
		return false;
	level.placeholder = true;
	level.num = json_object_get(object, TEXT("num"));
	return json_level_placeholder(&level, count, num) > 0;
}

/* The state of a copy: `out` contains everything before `copied`. */
struct json_copy {
	struct buffer *out; /* NULL: the text is only checked, and `from` and `to` are unused */
	const struct attachments *from;
	struct attachments *to;
	unsigned count; /* number of attachments */
	const char *copied;
};

/*
 * Notes where the opening bracket will be in the output. Text is copied late and in long pieces; if the object turns
 * out to be a placeholder, the pieces copied since its bracket are removed again.
 */
static void
json_copy_open(const struct json_copy *copy, struct json_level *level)
{
	if (copy->out)
		level->mark = copy->out->len + (size_t)(level->open - copy->copied);
	if (copy->to)
		level->patches = copy->to->count;
}

/*
 * Returns the number of the block in `to`, which contains each block once. A linear search suffices: a packet has few
 * attachments.
 */
static unsigned
json_copy_attach(const struct json_copy *copy, const struct json_level *level, unsigned num)
{
	struct block *block = copy->from->blocks[num];

	attachments_cut(copy->to, (unsigned)level->patches);
	for (unsigned i = 0; i < copy->to->count; i++)
		if (copy->to->blocks[i] == block)
			return i;
	attachments_add(copy->to, block);
	return copy->to->count - 1;
}

static void
json_copy_replace(struct json_copy *copy, const struct json_level *level, const char *behind, unsigned num)
{
	if (!copy->out)
		return;
	if (copy->copied <= level->open)
		buffer_add(copy->out, copy->copied, (size_t)(level->open - copy->copied));
	else if (!copy->out->error)
		copy->out->len = level->mark;
	json_write_placeholder(copy->out, json_copy_attach(copy, level, num));
	copy->copied = behind;
}

static int
json_placeholders_walk(struct text json, struct json_copy *copy)
{
	struct json_walk walk;
	int token;

	copy->copied = json.at;
	json_walk_init(&walk, json);
	while ((token = json_walk_next(&walk)) > JSON_END) {
		if (token == JSON_OPEN) {
			json_copy_open(copy, json_walk_level(&walk));
		} else if (token == JSON_CLOSE) {
			struct json_level *closed = json_walk_closed(&walk), *outer = json_walk_level(&walk);
			unsigned num;
			int is = json_level_placeholder(closed, copy->count, &num);

			if (is > 0) {
				json_copy_replace(copy, closed, walk.at, num);
			} else if (is < 0 || closed->illegal) {
				if (!outer)
					return ERROR_SYNTAX;
				outer->illegal = true;
			}
		}
	}
	if (token < 0)
		return token;
	if (copy->out) {
		buffer_add(copy->out, copy->copied, (size_t)(walk.end - copy->copied));
		return buffer_error(copy->out);
	}
	return 0;
}

int
json_placeholders_check(struct text json, unsigned count)
{
	struct json_copy copy = {.count = count};

	return json_maybe_placeholders(json) ? json_placeholders_walk(json, &copy) : 0;
}

int
json_placeholders_copy(struct text json, const struct attachments *from, struct attachments *to, struct buffer *out)
{
	struct json_copy copy = {.out = out, .from = from, .to = to, .count = from ? from->count : 0};

	if (copy.count > 0 && json_maybe_placeholders(json))
		return json_placeholders_walk(json, &copy);
	buffer_add_text(out, json);
	return buffer_error(out);
}
