#include "common/base/json_walk.h"

#include "common/base/error.h"
#include "common/base/must.h"

void
json_walk_init(struct json_walk *w, struct text checked)
{
	w->at = checked.at;
	w->end = checked.at + checked.n;
	w->depth = 0;
	w->token = TEXT_NONE;
}

/* Counts a value that begins in `level` and keeps it if it decides about a placeholder. */
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
	if (json_string_is(key, TEXT("_placeholder")))
		level->member = JSON_MEMBER_PLACEHOLDER;
	else if (json_string_is(key, TEXT("num")))
		level->member = JSON_MEMBER_NUM;
}

static int
json_walk_open(struct json_walk *w, struct json_level *outer)
{
	if (w->depth == JSON_DEPTH_MAX)
		return ERROR_TOO_DEEP;
	if (outer)
		json_level_value(outer, text_of(w->at, 1));
	w->levels[w->depth++] = (struct json_level){.open = w->at, .object = *w->at == '{'};
	w->at++;
	return JSON_OPEN;
}

int
json_walk_next(struct json_walk *w)
{
	struct json_level *level = json_walk_level(w);

	while (w->at < w->end && ((uint8_t)*w->at <= ' ' || *w->at == ',' || *w->at == ':'))
		w->at++;
	if (w->at == w->end)
		return JSON_END;
	if ((*w->at | 0x20) == '{') /* also '[' */
		return json_walk_open(w, level);
	if ((*w->at | 0x20) == '}') {
		must(level != NULL); /* the text was not checked */
		w->at++;
		w->depth--;
		return JSON_CLOSE;
	}
	w->token = json_scalar(text_of(w->at, (size_t)(w->end - w->at)));
	w->at += w->token.n;
	if (level && level->object && !level->value_next) {
		json_level_key(level, w->token);
		return JSON_KEY;
	}
	if (level)
		json_level_value(level, w->token);
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
