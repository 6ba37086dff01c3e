#include "common/base/json_walk.h"

#include "common/base/error.h"
#include "common/base/must.h"

void
json_walk_init(struct json_walk *walk, struct text checked)
{
	walk->at = checked.at;
	walk->end = checked.at + checked.n;
	walk->depth = 0;
	walk->token = TEXT_NONE;
}

/* Counts a value of `level` and stores it if it belongs to a placeholder. */
static void
json_level_value(struct json_level *level, struct text value)
{
	level->count++;
	level->value_next = false;
	if (level->member == JSON_MEMBER_PLACEHOLDER)
		level->placeholder = *value.at == 't';
	else if (level->member == JSON_MEMBER_NUM)
		level->num = value;
	level->member = JSON_MEMBER_OTHER;
}

static void
json_level_key(struct json_level *level, struct text key)
{
	level->value_next = true;
	if (key.at[1] != '_' && key.at[1] != 'n' &&
		key.at[1] != '\\') /* neither name, nor an escape of its first letter */
		return;
	if (json_string_is(key, TEXT("_placeholder")))
		level->member = JSON_MEMBER_PLACEHOLDER;
	else if (json_string_is(key, TEXT("num")))
		level->member = JSON_MEMBER_NUM;
}

static int
json_walk_open(struct json_walk *walk, struct json_level *outer)
{
	if (walk->depth == JSON_DEPTH_MAX)
		return ERROR_TOO_DEEP;
	if (outer)
		json_level_value(outer, text_of(walk->at, 1));
	walk->levels[walk->depth++] = (struct json_level){.open = walk->at, .object = *walk->at == '{'};
	walk->at++;
	return JSON_OPEN;
}

int
json_walk_next(struct json_walk *walk)
{
	struct json_level *level = json_walk_level(walk);

	while (walk->at < walk->end && ((uint8_t)*walk->at <= ' ' || *walk->at == ',' || *walk->at == ':'))
		walk->at++;
	if (walk->at == walk->end)
		return JSON_END;
	if ((*walk->at | 0x20) == '{') /* or '[' */
		return json_walk_open(walk, level);
	if ((*walk->at | 0x20) == '}') {
		must(level != NULL); /* otherwise the text was not checked */
		walk->at++;
		walk->depth--;
		return JSON_CLOSE;
	}
	walk->token = json_scalar(text_of(walk->at, (size_t)(walk->end - walk->at)));
	walk->at += walk->token.n;
	if (level && level->object && !level->value_next) {
		json_level_key(level, walk->token);
		return JSON_KEY;
	}
	if (level)
		json_level_value(level, walk->token);
	return JSON_SCALAR;
}

int
json_level_placeholder(const struct json_level *level, unsigned count, unsigned *num)
{
	int64_t value;

	if (!level->placeholder)
		return 0;
	if (level->num.n == 0 || json_type(level->num) != JSON_NUMBER || !json_number_int(level->num, &value) ||
		value < 0 || value >= count)
		return ERROR_SYNTAX;
	*num = (unsigned)value;
	return 1;
}
