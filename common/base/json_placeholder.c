/*
 * Attachments and the placeholders that stand for them. What is a placeholder follows the original's decoder: an
 * object whose "_placeholder" is true, whatever else it holds; what it holds is not looked at, so a bad placeholder
 * within a good one does no harm.
 */
#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"

void
attachments_init(struct attachments *a)
{
	*a = (struct attachments){0};
}

void
attachments_cut(struct attachments *a, unsigned count)
{
	while (a->count > count)
		block_unref(a->blocks[--a->count]);
}

void
attachments_fini(struct attachments *a)
{
	attachments_cut(a, 0);
	mem_free(a->blocks);
	attachments_init(a);
}

size_t
attachments_bytes(const struct attachments *a)
{
	size_t n = 0;

	for (unsigned i = 0; a != NULL && i < a->count; i++)
		n += a->blocks[i]->len;
	return n;
}

void
attachments_add(struct attachments *a, struct block *block)
{
	if (a->count ==
		a->size) { /* small: every reader of packets has a limit, none beyond MSGPACK_ATTACHMENTS_MAX */
		a->size = a->size ? a->size * 2 : 4;
		a->blocks = mem_realloc(a->blocks, a->size * sizeof *a->blocks);
	}
	a->blocks[a->count++] = block_ref(block);
}

void
json_write_placeholder(struct buffer *out, unsigned num)
{
	buffer_add_text(out, TEXT("{\"_placeholder\":true,\"num\":"));
	buffer_add_number(out, num);
	buffer_add_byte(out, '}');
}

/* Only \u can spell one of the key's letters otherwise. */
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

/* Where the copy stands: `out` has everything before `copied`. */
struct json_copy {
	struct buffer *out; /* NULL: only checked, and so the next two */
	const struct attachments *from;
	struct attachments *to;
	unsigned count; /* attachments there are */
	const char *copied;
};

/*
 * At the bracket: where it will be in the output. Text is copied late, in long pieces, but a placeholder must be able
 * to take back pieces that were copied since it opened.
 */
static void
json_copy_open(const struct json_copy *s, struct json_level *level)
{
	if (s->out)
		level->mark = s->out->len + (size_t)(level->open - s->copied);
	if (s->to)
		level->patches = s->to->count;
}

/* The number of the block in `to`, where each block is once: a packet's attachments are few. */
static unsigned
json_copy_attach(const struct json_copy *s, const struct json_level *level, unsigned num)
{
	struct block *block = s->from->blocks[num];

	attachments_cut(s->to, (unsigned)level->patches);
	for (unsigned i = 0; i < s->to->count; i++)
		if (s->to->blocks[i] == block)
			return i;
	attachments_add(s->to, block);
	return s->to->count - 1;
}

static void
json_copy_replace(struct json_copy *s, const struct json_level *level, const char *behind, unsigned num)
{
	if (!s->out)
		return;
	if (s->copied <= level->open)
		buffer_add(s->out, s->copied, (size_t)(level->open - s->copied));
	else if (!s->out->error)
		s->out->len = level->mark;
	json_write_placeholder(s->out, json_copy_attach(s, level, num));
	s->copied = behind;
}

static int
json_placeholders_walk(struct text json, struct json_copy *s)
{
	struct json_walk w;
	int token;

	s->copied = json.at;
	json_walk_init(&w, json);
	while ((token = json_walk_next(&w)) > JSON_END) {
		if (token == JSON_OPEN) {
			json_copy_open(s, json_walk_level(&w));
		} else if (token == JSON_CLOSE) {
			struct json_level *closed = json_walk_closed(&w), *outer = json_walk_level(&w);
			unsigned num;
			int is = json_level_placeholder(closed, s->count, &num);

			if (is > 0) {
				json_copy_replace(s, closed, w.at, num);
			} else if (is < 0 || closed->illegal) {
				if (!outer)
					return ERROR_SYNTAX;
				outer->illegal = true;
			}
		}
	}
	if (token < 0)
		return token;
	if (s->out) {
		buffer_add(s->out, s->copied, (size_t)(w.end - s->copied));
		return buffer_error(s->out);
	}
	return 0;
}

int
json_placeholders_check(struct text json, unsigned count)
{
	struct json_copy s = {.count = count};

	return json_maybe_placeholders(json) ? json_placeholders_walk(json, &s) : 0;
}

int
json_placeholders_copy(struct text json, const struct attachments *from, struct attachments *to, struct buffer *out)
{
	struct json_copy s = {.out = out, .from = from, .to = to, .count = from ? from->count : 0};

	if (s.count > 0 && json_maybe_placeholders(json))
		return json_placeholders_walk(json, &s);
	buffer_add_text(out, json);
	return buffer_error(out);
}
