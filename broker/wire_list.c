#include "broker/wire_list.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"
#include "common/base/msgpack_item.h"

#define VALUE_MAX 4096 /* bytes of a value before the list; after a longer one, the list is not found */

static struct text
list_rest(const struct wire_list *list)
{
	return text_of(list->payload.at + list->at, list->payload.n - list->at);
}

/* Only the beginning of the rest, so that a long value is refused without being scanned. */
static struct text
list_near(const struct wire_list *list)
{
	struct text rest = list_rest(list);

	return text_of(rest.at, rest.n < VALUE_MAX ? rest.n : VALUE_MAX);
}

static bool
is_list_key(struct text key)
{
	return text_is(key, TEXT("sockets")) || text_is(key, TEXT("rooms"));
}

static void
list_note(struct wire_list *list, struct text key, struct text string)
{
	if (text_is(key, TEXT("requestId")))
		list->request_id = string;
	else if (text_is(key, TEXT("node")))
		list->node = string;
}

/* -------------------------------------------------------------------- JSON */

/* Skips white space. Returns the next character, or NUL at the end. */
static char
json_peek(struct wire_list *list)
{
	const struct text payload = list->payload;

	while (list->at < payload.n && (payload.at[list->at] == ' ' || payload.at[list->at] == '\t' ||
					       payload.at[list->at] == '\n' || payload.at[list->at] == '\r'))
		list->at++;
	return list->at < payload.n ? payload.at[list->at] : '\0';
}

static bool
json_skip(struct wire_list *list, char wanted)
{
	if (json_peek(list) != wanted)
		return false;
	list->at++;
	return true;
}

/* Takes a short value, from its first character on. Returns false if it is malformed or long. */
static bool
json_take(struct wire_list *list, struct text *value)
{
	struct text near;
	int64_t n;

	(void)json_peek(list);
	near = list_near(list);
	n = json_value_length(near, JSON_DEPTH_MAX);
	if (n <= 0 || (size_t)n == near.n)
		return false;
	*value = text_of(near.at, (size_t)n);
	list->at += (size_t)n;
	return true;
}

/* Returns the text between the quotes; TEXT_NONE if the value is not a string or contains escapes. */
static struct text
json_plain(struct text value)
{
	if (json_type(value) != JSON_STRING || memchr(value.at, '\\', value.n) != NULL)
		return TEXT_NONE;
	return text_of(value.at + 1, value.n - 2);
}

static bool
json_find(struct wire_list *list, bool nested)
{
	const unsigned inner = nested ? 2 : 1; /* depth at which the list stands */
	struct text key, value;

	if (!json_skip(list, '{'))
		return false;
	list->depth = 1;
	while (json_peek(list) == '"' && json_take(list, &key) && json_skip(list, ':')) {
		key = json_plain(key);
		if (is_list_key(key) && list->depth == inner && json_peek(list) == '[') {
			list->begin = list->at++;
			list->ended = json_skip(list, ']');
			return true;
		}
		if (nested && list->depth == 1 && text_is(key, TEXT("data"))) {
			if (!json_skip(list, '{'))
				return false;
			list->depth = 2;
			continue;
		}
		if (!json_take(list, &value) || !json_skip(list, ','))
			return false;
		if (list->depth == inner)
			list_note(list, key, json_plain(value));
	}
	return false;
}

static int
json_list_next(struct wire_list *list, size_t bytes, struct buffer *json)
{
	size_t from = list->at, end;
	int64_t n;

	do {
		n = json_value_length(list_rest(list), JSON_DEPTH_MAX - list->depth - 1);
		if (n <= 0)
			return n < 0 ? (int)n : ERROR_SYNTAX;
		end = list->at += (size_t)n;
		list->ended = json_skip(list, ']');
		if (!list->ended && !json_skip(list, ','))
			return ERROR_SYNTAX;
	} while (!list->ended && list->at - from < bytes);
	buffer_add_text(json, text_of(list->payload.at + from, end - from));
	return 0;
}

/* ------------------------------------------------------------- MessagePack */

static struct msgpack_input
packed_input(struct text bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.at;

	return (struct msgpack_input){at, at + bytes.n};
}

/* Reads one item of the frame. Returns false if it is malformed or long. */
static bool
packed_take(struct wire_list *list, struct msgpack_item *item)
{
	struct msgpack_input in = packed_input(list_near(list));

	if (msgpack_item_read(&in, item) != 1)
		return false;
	list->at = (size_t)((const char *)in.at - list->payload.at);
	return true;
}

static bool
packed_skip(struct wire_list *list)
{
	struct msgpack_input in = packed_input(list_near(list));

	if (msgpack_item_skip(&in) != 1)
		return false;
	list->at = (size_t)((const char *)in.at - list->payload.at);
	return true;
}

/* Skips the value of a key, and notes it if it is a string. */
static bool
packed_note(struct wire_list *list, struct text key)
{
	size_t at = list->at;
	struct msgpack_item item;

	if (!packed_take(list, &item))
		return false;
	if (item.kind == MSGPACK_KIND_STR) {
		list_note(list, key, item.body);
		return true;
	}
	list->at = at;
	return packed_skip(list);
}

static bool
packed_find(struct wire_list *list, bool nested)
{
	const unsigned inner = nested ? 2 : 1; /* depth at which the list stands */
	struct msgpack_item item;
	uint32_t members;

	if (!packed_take(list, &item) || item.kind != MSGPACK_KIND_MAP)
		return false;
	list->depth = 1;
	members = item.count;
	while (members-- > 0 && packed_take(list, &item) && item.kind == MSGPACK_KIND_STR) {
		struct text key = item.body;
		size_t begin = list->at;

		if (is_list_key(key) && list->depth == inner) {
			if (!packed_take(list, &item) || item.kind != MSGPACK_KIND_ARRAY)
				return false;
			list->begin = begin;
			list->left = item.count;
			list->ended = item.count == 0;
			return true;
		}
		if (nested && list->depth == 1 && text_is(key, TEXT("data"))) {
			if (!packed_take(list, &item) || item.kind != MSGPACK_KIND_MAP)
				return false;
			list->depth = 2;
			members = item.count;
		} else if (list->depth == inner ? !packed_note(list, key) : !packed_skip(list)) {
			return false;
		}
	}
	return false;
}

static int
packed_list_next(struct wire_list *list, size_t bytes, struct buffer *json, struct attachments *attachments)
{
	size_t from = list->at;

	do {
		struct text rest = list_rest(list);
		int64_t n;

		if (list->at != from)
			buffer_add_byte(json, ',');
		n = msgpack_to_json(
			(const uint8_t *)rest.at, rest.n, JSON_DEPTH_MAX - list->depth - 1, attachments, json);
		if (n <= 0)
			return n < 0 ? (int)n : ERROR_SYNTAX;
		list->at += (size_t)n;
		list->ended = --list->left == 0;
	} while (!list->ended && list->at - from < bytes);
	return 0;
}

/* ------------------------------------------------------------------- either */

bool
wire_list_find(struct wire_list *list, struct text payload, bool nested)
{
	*list = (struct wire_list){.payload = payload};
	list->packed = payload.n > 0 && payload.at[0] != '{';
	return list->packed ? packed_find(list, nested) : json_find(list, nested);
}

int
wire_list_next(struct wire_list *list, size_t bytes, struct buffer *json, struct attachments *attachments)
{
	int rc = 0;

	buffer_add_byte(json, '[');
	if (!list->ended)
		rc = list->packed ? packed_list_next(list, bytes, json, attachments)
				  : json_list_next(list, bytes, json);
	buffer_add_byte(json, ']');
	return rc < 0 ? rc : buffer_error(json);
}

int
wire_list_frame(const struct wire_list *list, struct buffer *out)
{
	buffer_add_text(out, text_of(list->payload.at, list->begin));
	if (list->packed)
		buffer_add_byte(out, MSGPACK_FIXARRAY);
	else
		buffer_add_text(out, TEXT("[]"));
	buffer_add_text(out, list_rest(list));
	return buffer_error(out);
}
