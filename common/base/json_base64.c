#include "common/base/json_base64.h"

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json_walk.h"
#include "common/base/mem.h"

/* ----------------------------------------------------------------- reading */

/*
 * Progress in recognising an object with exactly one scalar member: 1 after its bracket, 2 after its key, 3 after its
 * value.
 */
struct only_member {
	unsigned seen;
	struct text key, value;
};

static void
only_member_note(struct only_member *member, int token, const struct json_walk *walk, bool object)
{
	if (token == JSON_OPEN) {
		member->seen = object ? 1 : 0;
	} else if (token == JSON_KEY && member->seen == 1) {
		member->seen = 2;
		member->key = walk->token;
	} else if (token == JSON_SCALAR && member->seen == 2) {
		member->seen = 3;
		member->value = walk->token;
	} else {
		member->seen = 0;
	}
}

static bool
only_member_is_base64(const struct only_member *member)
{
	return member->seen == 3 && *member->value.at == '"' && json_string_is(member->key, TEXT("$base64"));
}

/*
 * Decodes a Base64 string to a new attachment. The text is longer than the bytes, so it is decoded in place and then
 * copied to a block.
 */
static int
base64_attach(struct text string, struct attachments *attachments)
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
	struct json_walk walk;
	int token, rc;

	json_walk_init(&walk, json);
	while ((token = json_walk_next(&walk)) > JSON_END) {
		if (token == JSON_CLOSE && only_member_is_base64(&member)) {
			const char *open = json_walk_closed(&walk)->open;

			if (attachments->count >= max)
				return ERROR_TOO_MANY;
			if ((rc = base64_attach(member.value, attachments)) != 0)
				return rc;
			buffer_add(out, copied, (size_t)(open - copied));
			json_write_placeholder(out, attachments->count - 1);
			copied = walk.at;
		} else if (token == JSON_CLOSE) {
			placeholder |= json_walk_closed(&walk)->placeholder;
		}
		only_member_note(&member, token, &walk, token == JSON_OPEN && json_walk_level(&walk)->object);
	}
	if (token < 0)
		return token;
	if (placeholder && attachments->count != 0)
		return ERROR_EXISTS;
	buffer_add(out, copied, (size_t)(walk.end - copied));
	return buffer_error(out);
}

/* ----------------------------------------------------------------- writing */

static void
base64_write_binary(struct buffer *out, const struct block *block)
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
	struct json_walk walk;
	int token;

	if (count == 0 || !json_maybe_placeholders(json)) {
		buffer_add_text(out, json);
		return buffer_error(out);
	}
	json_walk_init(&walk, json);
	while ((token = json_walk_next(&walk)) > JSON_END) {
		struct json_level *level = json_walk_level(&walk);

		if (token == JSON_OPEN)
			level->mark = out->len + (size_t)(level->open - copied);
		if (token != JSON_CLOSE)
			continue;
		level = json_walk_closed(&walk);
		if (json_level_placeholder(level, count, &num) <= 0)
			continue;
		/* an outer placeholder replaces everything copied since it opened, inner placeholders included */
		if (copied <= level->open)
			buffer_add(out, copied, (size_t)(level->open - copied));
		else if (buffer_error(out) == 0)
			out->len = level->mark;
		base64_write_binary(out, attachments->blocks[num]);
		copied = walk.at;
	}
	if (token < 0)
		return token;
	buffer_add(out, copied, (size_t)(walk.end - copied));
	return buffer_error(out);
}
