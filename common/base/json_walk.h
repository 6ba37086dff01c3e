/*
 * Every token of a checked text in order, with what must be known of the containers around it: the number of elements
 * and whether an object is a placeholder for an attachment. Private to the files that turn JSON into something else.
 */
#ifndef COMMON_BASE_JSON_WALK_H
#define COMMON_BASE_JSON_WALK_H

#include "common/base/json.h"

enum json_token { JSON_END, JSON_OPEN, JSON_CLOSE, JSON_KEY, JSON_SCALAR };

enum json_member { JSON_MEMBER_OTHER, JSON_MEMBER_PLACEHOLDER, JSON_MEMBER_NUM };

struct json_level {
	const char *open;     /* its bracket */
	size_t mark, patches; /* for the walker's user */
	struct text num;      /* the value of "num" */
	uint32_t count;	      /* elements or members so far */
	bool object;
	bool value_next;  /* in an object: the key was seen */
	bool placeholder; /* "_placeholder" is true; of several the last counts, as for JSON.parse */
	bool illegal;	  /* a placeholder inside cannot be resolved */
	uint8_t member;	  /* enum json_member: what the value after this key is */
};

struct json_walk {
	const char *at, *end;
	unsigned depth;
	struct text token; /* KEY, SCALAR: its text */
	struct json_level levels[JSON_DEPTH_MAX];
};

/* The levels are filled as they open: nothing of the 30 KB is cleared. */
void json_walk_init(struct json_walk *w, struct text checked);

/* The next token, or ERROR_TOO_DEEP. The level of JSON_OPEN is json_walk_level(); that of JSON_CLOSE is just above
 * it.
 */
int json_walk_next(struct json_walk *w);

/* The innermost open container; NULL outside all. */
static inline struct json_level *
json_walk_level(struct json_walk *w)
{
	return w->depth ? &w->levels[w->depth - 1] : NULL;
}

/* After JSON_CLOSE: the container that closed. */
static inline struct json_level *
json_walk_closed(struct json_walk *w)
{
	return &w->levels[w->depth];
}

/* A closed level: 1 and *num if it stands for an attachment below `count`, ERROR_SYNTAX for a bad number, 0 if it is
 * no placeholder. */
int json_level_placeholder(const struct json_level *level, unsigned count, unsigned *num);

#endif
