#include "broker/resp_tree.h"

#include <string.h>

#include "common/base/error.h"

#define NUMBER_MAX 24		   /* bytes of a number with its line end */
#define LINE_MAX_LENGTH (16 << 10) /* of a status or an error */

/* Parses "<digits>\r\n" or "-<digits>\r\n". Returns the bytes it takes, 0 or ERROR_SYNTAX. */
static int64_t
tree_parse_number(struct text in, int64_t *out)
{
	size_t first = in.n > 0 && in.at[0] == '-', i = first;
	int64_t n = 0;

	for (; i < in.n && i < first + 18 && in.at[i] >= '0' && in.at[i] <= '9'; i++)
		n = 10 * n + (in.at[i] - '0');
	if (i + 1 >= in.n && i < NUMBER_MAX && (i == in.n || in.at[i] == '\r'))
		return 0;
	if (i == first || i + 1 >= in.n || in.at[i] != '\r' || in.at[i + 1] != '\n')
		return ERROR_SYNTAX;
	*out = first > 0 ? -n : n;
	return (int64_t)i + 2;
}

static int64_t
tree_parse_line(struct text in, struct text *out)
{
	const char *end = in.n > 0 ? memchr(in.at, '\n', in.n) : NULL;

	if (end == NULL)
		return in.n > LINE_MAX_LENGTH ? ERROR_TOO_BIG : 0;
	if (end == in.at || end[-1] != '\r')
		return ERROR_SYNTAX;
	*out = text_of(in.at, (size_t)(end - in.at) - 1);
	return end - in.at + 1;
}

/* Parses what follows the number of a bulk string's head. */
static int64_t
tree_parse_bulk(struct text in, int64_t n, uint64_t max, struct text *out)
{
	if ((uint64_t)n > max)
		return ERROR_TOO_BIG;
	if (in.n < (size_t)n + 2)
		return 0;
	*out = text_of(in.at, (size_t)n);
	return memcmp(in.at + n, "\r\n", 2) == 0 ? n + 2 : ERROR_SYNTAX;
}

int64_t
resp_item_parse_head(struct resp_item *out, struct text in)
{
	struct text rest = text_of(in.at + 1, in.n - (in.n > 0));
	int64_t head;

	*out = (struct resp_item){.type = RESP_NIL};
	if (in.n == 0)
		return 0;
	if (in.at[0] == '+' || in.at[0] == '-') {
		out->type = in.at[0] == '+' ? RESP_STATUS : RESP_ERROR;
		head = tree_parse_line(rest, &out->text);
		return head > 0 ? head + 1 : head;
	}
	if (in.at[0] != ':' && in.at[0] != '$' && in.at[0] != '*')
		return ERROR_SYNTAX;
	head = tree_parse_number(rest, &out->integer);
	if (head <= 0)
		return head;
	head++;
	if (in.at[0] == ':') {
		out->type = RESP_INTEGER;
		return head;
	}
	if (out->integer < 0)
		return out->integer == -1 ? head : ERROR_SYNTAX;
	if (in.at[0] == '*') {
		out->type = RESP_ARRAY;
		return out->integer <= RESP_TREE_ITEMS_MAX ? head : ERROR_TOO_BIG;
	}
	out->type = RESP_BULK;
	return head;
}

int64_t
resp_item_parse_up_to(struct resp_item *out, struct text in, uint64_t max)
{
	int64_t head = resp_item_parse_head(out, in), body;

	if (head <= 0 || out->type != RESP_BULK)
		return head;
	body = tree_parse_bulk(text_of(in.at + head, in.n - (size_t)head), out->integer, max, &out->text);
	return body > 0 ? head + body : body;
}

int64_t
resp_item_parse(struct resp_item *out, struct text in)
{
	return resp_item_parse_up_to(out, in, RESP_TREE_BULK_MAX);
}

int64_t
resp_tree_scan(struct resp_tree *tree, struct text in)
{
	while (tree->open > 0) {
		struct resp_item item;
		int64_t n = resp_item_parse(&item, text_of(in.at + tree->at, in.n - tree->at));

		if (n <= 0)
			return n;
		if (++tree->items > RESP_TREE_ITEMS_MAX)
			return ERROR_TOO_MANY;
		tree->at += (size_t)n;
		tree->open--;
		if (item.type == RESP_ARRAY)
			tree->open += (uint64_t)item.integer;
	}
	return (int64_t)tree->at;
}

int
resp_tree_next(struct text *in, struct resp_item *out)
{
	int64_t n = resp_item_parse(out, *in);

	if (n <= 0)
		return ERROR_SYNTAX;
	*in = text_of(in->at + n, in->n - (size_t)n);
	return 0;
}

int
resp_tree_skip(struct text *in)
{
	struct resp_tree tree = {.open = 1};
	int64_t n = resp_tree_scan(&tree, *in);

	if (n <= 0)
		return ERROR_SYNTAX;
	*in = text_of(in->at + n, in->n - (size_t)n);
	return 0;
}
