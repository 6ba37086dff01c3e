/*
 * Reads an answer of Redis that contains arrays within arrays (RESP 2), such as the topology of a cluster. The answer
 * is collected whole and then walked item by item, so the depth of its arrays costs neither memory nor stack.
 *
 * Answers to all other commands go through resp.h.
 */
#ifndef BROKER_RESP_TREE_H
#define BROKER_RESP_TREE_H

#include "broker/resp.h"

#define RESP_TREE_ITEMS_MAX (1 << 19)	       /* of one answer, arrays included */
#define RESP_TREE_BULK_MAX (UINT32_C(1) << 20) /* of a bulk string; host names and ids are short */

/* One item. The items of an array follow it. */
struct resp_item {
	enum resp_type type;
	struct text text; /* of a status, an error or a bulk string */
	int64_t integer;  /* an integer, the number of items of an array, or the length of a bulk string */
};

/*
 * Parses the item at the start of `in`; of an array only its head. Returns the bytes it takes, 0 if more bytes are
 * needed, or ERROR_SYNTAX or ERROR_TOO_BIG.
 */
int64_t resp_item_parse(struct resp_item *out, struct text in);
/* The same with another limit for a bulk string: `max` bytes instead of RESP_TREE_BULK_MAX. */
int64_t resp_item_parse_up_to(struct resp_item *out, struct text in, uint64_t max);
/* Parses only the head of a bulk string, whose bytes may be too many to keep. Other items are parsed whole. */
int64_t resp_item_parse_head(struct resp_item *out, struct text in);

/* How far an answer has been seen. Starts as {.open = 1}. */
struct resp_tree {
	size_t at;     /* bytes of whole items */
	uint64_t open; /* items still to come */
	uint64_t items;
};

/*
 * Continues with `in`, which holds the answer from its beginning. Returns the length of the answer once it is whole,
 * 0 if more bytes are needed, or ERROR_SYNTAX, ERROR_TOO_BIG or ERROR_TOO_MANY.
 */
int64_t resp_tree_scan(struct resp_tree *tree, struct text in);

/* Cuts the first item off `in`. Returns 0, or ERROR_SYNTAX if the bytes end or are malformed. */
int resp_tree_next(struct text *in, struct resp_item *out);
/* Cuts the first item with everything in it off `in`. Returns 0 or ERROR_SYNTAX. */
int resp_tree_skip(struct text *in);

#endif
