/*
 * Walks the tokens of a checked text in order and keeps what the converters need about the open containers: the
 * number of elements, and whether an object is a placeholder for an attachment. Private to the files that convert
 * JSON.
 */
#ifndef COMMON_BASE_JSON_WALK_H
#define COMMON_BASE_JSON_WALK_H

#include "common/base/json.h"

enum json_token { JSON_END, JSON_OPEN, JSON_CLOSE, JSON_KEY, JSON_SCALAR };

enum json_member { JSON_MEMBER_OTHER, JSON_MEMBER_PLACEHOLDER, JSON_MEMBER_NUM };

struct json_level {
	const char *open;     /* its opening bracket */
	size_t mark, patches; /* private to the caller of json_walk_next() */
	struct text num;      /* value of "num" */
	uint32_t count;	      /* elements or members so far */
	bool object;
	bool value_next; /* in an object: the key was read, its value comes next */
	/* "_placeholder" is true; if the key occurs twice, the last one counts, as in JSON.parse */
	bool placeholder;
	bool illegal;	/* contains a placeholder that cannot be resolved */
	uint8_t member; /* enum json_member: meaning of the value after this key */
};

struct json_walk {
	const char *at, *end;
	unsigned depth;
	struct text token; /* text of a JSON_KEY or JSON_SCALAR */
	struct json_level levels[JSON_DEPTH_MAX];
};

/* Starts a walk. Levels are filled when they open, so their 30 KB are not cleared. */
void json_walk_init(struct json_walk *walk, struct text checked);

/*
 * Returns the next token, or ERROR_TOO_DEEP. After JSON_OPEN, json_walk_level() is the container that opened; after
 * JSON_CLOSE, json_walk_closed() is the one that closed.
 */
int json_walk_next(struct json_walk *walk);

/* Returns the innermost open container, or NULL at the top level. */
static inline struct json_level *
json_walk_level(struct json_walk *walk)
{
	return walk->depth ? &walk->levels[walk->depth - 1] : NULL;
}

/* Returns the container that closed. Valid after JSON_CLOSE. */
static inline struct json_level *
json_walk_closed(struct json_walk *walk)
{
	return &walk->levels[walk->depth];
}

/*
 * Examines a closed level. Returns 1 and sets `*num` if it is a placeholder for one of `count` attachments,
 * ERROR_SYNTAX if its number is invalid, or 0 if it is not a placeholder.
 */
int json_level_placeholder(const struct json_level *level, unsigned count, unsigned *num);

#endif
