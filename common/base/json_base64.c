#include "common/base/json_base64.h"

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"

/* ----------------------------------------------------------------- reading */

/* The last tokens: an object that has just begun, its first key, a scalar. */
struct only_member {
	unsigned seen;
	struct text key, value;
};

static void
note(struct only_member *m, int token, const struct json_walk *w, bool object)
{
	if (token == JSON_OPEN) {
		m->seen = object ? 1 : 0;
	} else if (token == JSON_KEY && m->seen == 1) {
		m->seen = 2;
		m->key = w->token;
	} else if (token == JSON_SCALAR && m->seen == 2) {
		m->seen = 3;
		m->value = w->token;
	} else {
		m->seen = 0;
	}
}

static bool
is_binary(const struct only_member *m)
{
	return m->seen == 3 && *m->value.at == '"' && json_string_is(m->key, TEXT("$base64"));
}

/* The string is longer than what it stands for, so it is decoded in the block and the block made anew. */
static int
attach(struct text string, struct attachments *attachments)
{
	char *plain = mem_try_alloc(string.n);
	struct block *block;
	int64_t n;

	if (plain == NULL)
		return ERROR_MEMORY;
	n = base64_decode(text_of(plain, json_string_decode(string, plain)), (uint8_t *)plain);
	block = n >= 0 ? block_try_copy(plain, (size_t)n) : NULL;
	mem_free(plain);
	if (block == NULL)
		return n >= 0 ? ERROR_MEMORY : (int)n;
	attachments_add(attachments, block);
	block_unref(block);
	return 0;
}

int
json_base64_read(struct text json, unsigned max, struct attachments *attachments, struct buffer *out)
{
	struct only_member member = {0};
	const char *copied = json.at;
	bool placeholder = false;
	struct json_walk w;
	int token, rc;

	json_walk_init(&w, json);
	while ((token = json_walk_next(&w)) > JSON_END) {
		if (token == JSON_CLOSE && is_binary(&member)) {
			const char *open = json_walk_closed(&w)->open;

			if (attachments->count >= max)
				return ERROR_TOO_MANY;
			if ((rc = attach(member.value, attachments)) != 0)
				return rc;
			buffer_add(out, copied, (size_t)(open - copied));
			json_write_placeholder(out, attachments->count - 1);
			copied = w.at;
		} else if (token == JSON_CLOSE) {
			placeholder |= json_walk_closed(&w)->placeholder;
		}
		note(&member, token, &w, token == JSON_OPEN && json_walk_level(&w)->object);
	}
	if (token < 0)
		return token;
	if (placeholder && attachments->count != 0)
		return ERROR_EXISTS;
	buffer_add(out, copied, (size_t)(w.end - copied));
	return buffer_error(out);
}

/* ----------------------------------------------------------------- writing */

static void
write_binary(struct buffer *out, const struct block *block)
{
	char *room;

	buffer_add_text(out, TEXT("{\"$base64\":\""));
	room = (char *)buffer_room(out, BASE64_ENCODED(block->len));
	if (room != NULL) {
		base64_encode(block->data, block->len, room);
		out->len += BASE64_ENCODED(block->len);
	}
	buffer_add_text(out, TEXT("\"}"));
}

int
json_base64_write(struct text json, const struct attachments *attachments, struct buffer *out)
{
	unsigned count = attachments != NULL ? attachments->count : 0, num;
	const char *copied = json.at;
	struct json_walk w;
	int token;

	if (count == 0 || !json_maybe_placeholders(json)) {
		buffer_add_text(out, json);
		return buffer_error(out);
	}
	json_walk_init(&w, json);
	while ((token = json_walk_next(&w)) > JSON_END) {
		struct json_level *level = json_walk_level(&w);

		if (token == JSON_OPEN)
			level->mark = out->len + (size_t)(level->open - copied);
		if (token != JSON_CLOSE)
			continue;
		level = json_walk_closed(&w);
		if (json_level_placeholder(level, count, &num) <= 0)
			continue;
		/* what was copied since it opened is taken back: a placeholder within a placeholder */
		if (copied <= level->open)
			buffer_add(out, copied, (size_t)(level->open - copied));
		else if (buffer_error(out) == 0)
			out->len = level->mark;
		write_binary(out, attachments->blocks[num]);
		copied = w.at;
	}
	if (token < 0)
		return token;
	buffer_add(out, copied, (size_t)(w.end - copied));
	return buffer_error(out);
}
