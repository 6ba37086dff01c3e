#include "broker/resp.h"

#include <hiredis.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define SLACK (1 << 20) /* bytes that may be buffered in addition to one bulk string */
/* maximum length of a status or error line; hiredis scans an incomplete line again at each read */
#define LINE_MAX_LENGTH (64 << 10)
#define LENGTH_MAX 32 /* "<digits>\r\n" */

#if HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

/* A long message that has not arrived whole. */
struct resp_long {
	struct resp reply;   /* its last item lies in the block, the others in `head` */
	struct block *block; /* the payload and its "\r\n" */
	size_t have;	     /* bytes of the block so far */
	char head[];	     /* the bytes before the payload */
};

struct resp_reader {
	struct resp_long *long_message; /* NULL: none is being collected */
	redisReader *hiredis;
	const redisReplyObjectFunctions *standard; /* hiredis's own functions */
	redisReplyObjectFunctions functions;	   /* hiredis's functions with size and framing checks */
	bool in_hiredis;			   /* hiredis holds the beginning of an answer */
	bool *freed;				   /* set to true if the reader is freed during on_reply */
	uint64_t max_bulk;
	bool (*on_reply)(void *arg, const struct resp *reply);
	void *arg;
};

/*
 * hiredis allocates an array by the count that the server claims, so the count is limited. The expected answers
 * contain no nested arrays.
 */
static void *
resp_create_array(const redisReadTask *task, array_count count)
{
	const struct resp_reader *reader = task->privdata;

	return count > RESP_ARRAY_MAX || task->parent != NULL ? NULL : reader->standard->createArray(task, count);
}

/* hiredis skips the two bytes after a bulk string without checking them. They are already in its buffer. */
static void *
resp_create_string(const redisReadTask *task, char *at, size_t n)
{
	const struct resp_reader *reader = task->privdata;

	if (task->type == REDIS_REPLY_STRING && memcmp(at + n, "\r\n", 2) != 0)
		return NULL;
	return reader->standard->createString(task, at, n);
}

struct resp_reader *
resp_reader_new(uint64_t max_bulk, bool (*on_reply)(void *arg, const struct resp *reply), void *arg)
{
	struct resp_reader *reader = mem_zalloc(sizeof *reader);

	reader->hiredis = redisReaderCreate();
	must(reader->hiredis != NULL);
	reader->standard = reader->hiredis->fn;
	reader->functions = *reader->hiredis->fn;
	reader->functions.createArray = resp_create_array;
	reader->functions.createString = resp_create_string;
	reader->hiredis->fn = &reader->functions;
	reader->hiredis->privdata = reader;
	reader->max_bulk = max_bulk;
	reader->on_reply = on_reply;
	reader->arg = arg;
	return reader;
}

static void
resp_long_free(struct resp_long *message)
{
	if (message == NULL)
		return;
	block_unref(message->block);
	mem_free(message);
}

void
resp_reader_free(struct resp_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->freed != NULL)
		*reader->freed = true;
	resp_long_free(reader->long_message);
	redisReaderFree(reader->hiredis);
	mem_free(reader);
}

/* ------------------------------------------------------------ the fast path */

/* Results of the fast path other than a length: the bytes end too early, or in a long payload, or need hiredis. */
enum { RESP_INCOMPLETE = 0, RESP_NOT_SIMPLE = -1, RESP_LONG_PAYLOAD = -2 };

/*
 * Parses decimal digits as Redis writes them and "\r\n" at `at`. Returns the offset after them (> 0), RESP_INCOMPLETE
 * or RESP_NOT_SIMPLE.
 */
static int64_t
resp_parse_length(struct text in, size_t at, uint64_t max, uint64_t *out)
{
	size_t i = at;
	uint64_t n = 0;

	for (; i < in.n && in.at[i] >= '0' && in.at[i] <= '9' && n <= max; i++)
		n = 10 * n + (uint64_t)(in.at[i] - '0');
	if (n > max || (i > at + 1 && in.at[at] == '0'))
		return RESP_NOT_SIMPLE;
	if (i == in.n || (i + 1 == in.n && in.at[i] == '\r' && i > at))
		return RESP_INCOMPLETE;
	if (i == at || in.at[i] != '\r' || in.at[i + 1] != '\n')
		return RESP_NOT_SIMPLE;
	*out = n;
	return (int64_t)i + 2;
}

/*
 * Parses "$<n>\r\n<n bytes>\r\n" at `at`. Returns the offset after it (> 0), RESP_INCOMPLETE, RESP_NOT_SIMPLE, or
 * RESP_LONG_PAYLOAD if the string is long and incomplete; `*out` then says where it begins and how long it is.
 */
static int64_t
resp_parse_bulk(struct text in, size_t at, uint64_t max, struct text *out)
{
	uint64_t n;
	int64_t from;

	if (at == in.n)
		return RESP_INCOMPLETE;
	from = in.at[at] == '$' ? resp_parse_length(in, at + 1, max, &n) : RESP_NOT_SIMPLE;
	if (from <= 0)
		return from;
	*out = text_of(in.at + from, n);
	if (in.n - (size_t)from < n + 2)
		return n < RESP_LONG ? RESP_INCOMPLETE : RESP_LONG_PAYLOAD;
	return memcmp(out->at + n, "\r\n", 2) == 0 ? from + (int64_t)n + 2 : RESP_NOT_SIMPLE;
}

/* The head follows the type: "*" for an array of RESP 2, ">" for a push of RESP 3. */
static const struct {
	struct text head, kind;
	unsigned rest;
} message_kinds[] = {
	{{"4\r\n$8\r\npmessage\r\n", 17}, {"pmessage", 8}, 3},
	{{"3\r\n$7\r\nmessage\r\n", 16}, {"message", 7}, 2},
	{{"3\r\n$8\r\nsmessage\r\n", 17}, {"smessage", 8}, 2},
};
#define MESSAGE_KINDS (sizeof message_kinds / sizeof *message_kinds)

/*
 * Parses a message at the start of `in`. Returns the bytes it takes, RESP_INCOMPLETE, RESP_NOT_SIMPLE, or
 * RESP_LONG_PAYLOAD if only the end of its last item is missing.
 */
static int64_t
resp_parse_message(struct text in, uint64_t max, struct resp *out)
{
	struct text start = in.at[0] == '>' || in.at[0] == '*' ? text_of(in.at + 1, in.n - 1) : TEXT_NONE;

	for (unsigned k = 0; k < MESSAGE_KINDS; k++) {
		int64_t at = (int64_t)message_kinds[k].head.n + 1;
		unsigned i;

		if (start.n < message_kinds[k].head.n && start.at != NULL &&
			text_starts(message_kinds[k].head, start))
			return RESP_INCOMPLETE;
		if (start.at == NULL || !text_starts(start, message_kinds[k].head))
			continue;
		out->items[0] = message_kinds[k].kind;
		for (i = 1; i <= message_kinds[k].rest; i++) {
			at = resp_parse_bulk(in, (size_t)at, max, &out->items[i]);
			if (at == RESP_LONG_PAYLOAD && i == message_kinds[k].rest)
				break;
			if (at <= 0)
				return at == RESP_LONG_PAYLOAD ? RESP_NOT_SIMPLE : at;
		}
		out->type = RESP_ARRAY;
		out->item_count = message_kinds[k].rest + 1;
		return at;
	}
	return RESP_NOT_SIMPLE;
}

/* Parses ":<n>\r\n", such as the answer to a PUBLISH. An incomplete, negative or very large one is left to hiredis.
 */
static int64_t
resp_parse_integer(struct text in, struct resp *out)
{
	uint64_t n;
	int64_t taken = in.at[0] == ':' ? resp_parse_length(in, 1, INT64_MAX / 10, &n) : RESP_NOT_SIMPLE;

	if (taken <= 0)
		return RESP_NOT_SIMPLE;
	out->type = RESP_INTEGER;
	out->integer = (int64_t)n;
	return taken;
}

/* Parses "+<text>\r\n", the answer to a command of a transaction. An incomplete one is left to hiredis. */
static int64_t
resp_parse_status(struct text in, struct resp *out)
{
	const char *end = in.at[0] == '+' ? memmem(in.at, in.n < LENGTH_MAX ? in.n : LENGTH_MAX, "\r\n", 2) : NULL;

	if (end == NULL)
		return RESP_NOT_SIMPLE;
	out->type = RESP_STATUS;
	out->text = text_of(in.at + 1, (size_t)(end - in.at) - 1);
	return end + 2 - in.at;
}

/* Parses the results of a transaction: an array of bulk strings and integers. An incomplete one is left to hiredis.
 */
static int64_t
resp_parse_results(struct text in, uint64_t max, struct resp *out)
{
	uint64_t count;
	int64_t at = in.at[0] == '*' ? resp_parse_length(in, 1, RESP_ARRAY_MAX, &count) : RESP_NOT_SIMPLE;

	if (at <= 0)
		return RESP_NOT_SIMPLE;
	for (uint64_t i = 0; i < count; i++) {
		struct text rest = text_of(in.at + at, in.n - (size_t)at), bulk;
		struct resp integer;
		int64_t taken = rest.n > 0 ? resp_parse_integer(rest, &integer) : RESP_NOT_SIMPLE;

		if (taken > 0) {
			out->integer = integer.integer;
			at += taken;
			continue;
		}
		at = resp_parse_bulk(in, (size_t)at, max, &bulk);
		if (at <= 0)
			return RESP_NOT_SIMPLE;
		if (i < RESP_ITEMS_MAX)
			out->items[i] = bulk;
	}
	out->type = RESP_ARRAY;
	out->item_count = (unsigned)count;
	return at;
}

/*
 * Skips the value at `at`, or only its head if the value is a map, an array or a set: `*items` then grows by the
 * number of its items. Returns the offset after it (> 0), RESP_INCOMPLETE or RESP_NOT_SIMPLE.
 */
static int64_t
resp_skip_value(struct text in, size_t at, uint64_t *items)
{
	char type = at < in.n ? in.at[at] : '\0';
	const char *end;
	uint64_t n;
	int64_t from;

	if (at >= in.n)
		return RESP_INCOMPLETE;
	switch (type) {
	case '+':
	case '-':
	case ':':
	case '_':
	case '#':
	case ',':
		end = memmem(in.at + at, in.n - at, "\r\n", 2);
		return end != NULL ? end + 2 - in.at : RESP_INCOMPLETE;
	case '$':
	case '*':
	case '~':
	case '%':
		from = resp_parse_length(in, at + 1, RESP_LEFT_MAX, &n);
		if (from <= 0)
			return from;
		if (type == '$')
			return from + (int64_t)n + 2;
		*items += type == '%' ? 2 * n : n;
		return from;
	default:
		return RESP_NOT_SIMPLE;
	}
}

/* Skips the map at the start of `in`, the answer to HELLO. Its contents are not used. */
static int64_t
resp_skip_map(struct text in, struct resp *out)
{
	uint64_t items = 1;
	int64_t at = 0;

	if (in.at[0] != '%')
		return RESP_NOT_SIMPLE;
	for (; items > 0; items--) {
		at = resp_skip_value(in, (size_t)at, &items);
		if (at <= 0)
			return at;
	}
	out->type = RESP_MAP;
	return at <= (int64_t)in.n ? at : RESP_INCOMPLETE;
}

/* ------------------------------------------------------------ the slow path */

static struct text
text_of_reply(const redisReply *reply)
{
	return text_of(reply->str, (size_t)reply->len);
}

static int
resp_convert(const redisReply *reply, struct resp *out)
{
	memset(out, 0, sizeof *out);
	switch (reply->type) {
	case REDIS_REPLY_STATUS:
	case REDIS_REPLY_ERROR:
		out->type = reply->type == REDIS_REPLY_STATUS ? RESP_STATUS : RESP_ERROR;
		out->text = text_of_reply(reply);
		return 0;
	case REDIS_REPLY_STRING:
		out->type = RESP_BULK;
		out->text = text_of_reply(reply);
		return 0;
	case REDIS_REPLY_NIL:
		out->type = RESP_NIL;
		return 0;
	case REDIS_REPLY_INTEGER:
		out->type = RESP_INTEGER;
		out->integer = reply->integer;
		return 0;
	case REDIS_REPLY_ARRAY:
		out->type = RESP_ARRAY;
		out->item_count = (unsigned)reply->elements;
		for (unsigned i = 0; i < out->item_count; i++) {
			const redisReply *item = reply->element[i];

			if (item->type == REDIS_REPLY_STRING && i < RESP_ITEMS_MAX)
				out->items[i] = text_of_reply(item);
			else if (item->type == REDIS_REPLY_INTEGER)
				out->integer = item->integer;
			else if (item->type == REDIS_REPLY_ERROR && out->text.at == NULL)
				out->text = text_of_reply(item);
			else if (item->type != REDIS_REPLY_STRING && item->type != REDIS_REPLY_ERROR &&
				 item->type != REDIS_REPLY_NIL)
				return ERROR_UNSUPPORTED;
		}
		return 0;
	default:
		return ERROR_UNSUPPORTED;
	}
}

static int
resp_deliver(struct resp_reader *reader, const struct resp *reply)
{
	bool freed = false, go_on;

	reader->freed = &freed;
	go_on = reader->on_reply(reader->arg, reply);
	if (freed)
		return ERROR_CLOSED;
	reader->freed = NULL;
	return go_on ? 0 : ERROR_CLOSED;
}

/* Checks an incomplete answer: a bulk string within the limit or a line that may still end is acceptable. */
static int
resp_check_rest(const struct resp_reader *reader)
{
	/* hiredis has consumed the type byte; of the incomplete answers, only a bulk string has a complete line */
	struct text rest =
		text_of(reader->hiredis->buf + reader->hiredis->pos, reader->hiredis->len - reader->hiredis->pos);
	uint64_t length;

	if (rest.n > 0 && memmem(rest.at, rest.n < LENGTH_MAX ? rest.n : LENGTH_MAX, "\r\n", 2) != NULL)
		return resp_parse_length(rest, 0, reader->max_bulk, &length) > 0 ? 0 : ERROR_TOO_BIG;
	return rest.n <= LINE_MAX_LENGTH ? 0 : ERROR_TOO_BIG;
}

/* Feeds hiredis and delivers the complete answers. */
static int
resp_feed_hiredis(struct resp_reader *reader, const uint8_t *bytes, size_t n)
{
	if (reader->hiredis->len - reader->hiredis->pos + n > reader->max_bulk + SLACK)
		return ERROR_TOO_BIG;
	if (redisReaderFeed(reader->hiredis, (const char *)bytes, n) != REDIS_OK)
		return ERROR_SYNTAX;
	while (reader->hiredis->pos < reader->hiredis->len) {
		void *reply = NULL;
		struct resp out;
		int rc;

		if (!reader->in_hiredis &&
			reader->hiredis->buf[reader->hiredis->pos] == '>') /* an answer's first byte */
			reader->hiredis->buf[reader->hiredis->pos] = '*';
		reader->in_hiredis = false;
		if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK)
			return ERROR_SYNTAX;
		if (reply == NULL) {
			reader->in_hiredis = true;
			return resp_check_rest(reader);
		}
		rc = resp_convert(reply, &out);
		if (rc == 0)
			rc = resp_deliver(reader, &out);
		freeReplyObject(reply);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ----------------------------------------------------------- long messages */

/*
 * Begins to collect a message of which `in` holds all but the end of the payload. Returns false if memory is short:
 * hiredis then gets the message, and its failure ends the connection.
 */
static bool
resp_long_begin(struct resp_reader *reader, struct text in, const struct resp *reply)
{
	struct text *items, payload = reply->items[reply->item_count - 1];
	size_t head = (size_t)(payload.at - in.at);
	struct block *block = block_try_new(payload.n + 2);
	struct resp_long *message = block != NULL ? mem_try_alloc(sizeof *message + head) : NULL;

	if (message == NULL) {
		block_unref(block);
		return false;
	}
	*message = (struct resp_long){.reply = *reply, .block = block, .have = in.n - head};
	memcpy(message->head, in.at, head);
	memcpy(block->data, payload.at, message->have);
	items = message->reply.items;
	for (unsigned i = 1; i + 1 < reply->item_count; i++)
		items[i].at = message->head + (items[i].at - in.at);
	items[reply->item_count - 1].at = (const char *)block->data;
	message->reply.block = block;
	reader->long_message = message;
	return true;
}

/* Collects bytes of the long message, and delivers it when it is whole. Returns 0 or an error. */
static int
resp_long_feed(struct resp_reader *reader, struct text *rest)
{
	struct resp_long *message = reader->long_message;
	struct block *block = message->block;
	size_t n = block->len - message->have;
	int rc;

	if (n > rest->n)
		n = rest->n;
	memcpy(block->data + message->have, rest->at, n);
	message->have += n;
	*rest = text_of(rest->at + n, rest->n - n);
	if (message->have < block->len)
		return 0;
	reader->long_message = NULL;
	rc = memcmp(block->data + block->len - 2, "\r\n", 2) == 0 ? resp_deliver(reader, &message->reply)
								  : ERROR_SYNTAX;
	resp_long_free(message);
	return rc;
}

int64_t
resp_reader_feed(struct resp_reader *reader, const uint8_t *bytes, size_t n)
{
	struct text rest = text_of((const char *)bytes, n);
	int rc = 0;

	while (rc == 0 && rest.n > 0 && !reader->in_hiredis) {
		struct resp reply = {.item_count = 0};
		int64_t taken;

		if (reader->long_message != NULL) {
			rc = resp_long_feed(reader, &rest);
			continue;
		}
		taken = resp_parse_message(rest, reader->max_bulk, &reply);
		if (taken == RESP_LONG_PAYLOAD && resp_long_begin(reader, rest, &reply))
			return (int64_t)n;
		if (taken == RESP_NOT_SIMPLE)
			taken = resp_parse_integer(rest, &reply);
		if (taken == RESP_NOT_SIMPLE)
			taken = resp_parse_status(rest, &reply);
		if (taken == RESP_NOT_SIMPLE)
			taken = resp_parse_results(rest, reader->max_bulk, &reply);
		if (taken == RESP_NOT_SIMPLE)
			taken = resp_skip_map(rest, &reply);
		if (taken == RESP_INCOMPLETE && rest.n < RESP_LEFT_MAX)
			return (int64_t)(n - rest.n);
		if (taken <= 0)
			break;
		rest = text_of(rest.at + taken, rest.n - (size_t)taken);
		rc = resp_deliver(reader, &reply);
	}
	if (rc == 0 && rest.n > 0)
		rc = resp_feed_hiredis(reader, (const uint8_t *)rest.at, rest.n);
	return rc < 0 ? rc : (int64_t)n;
}

/* ---------------------------------------------------------------- commands */

static size_t
decimal_digits(size_t n)
{
	size_t count = 1;

	while (n >= 10) {
		n /= 10;
		count++;
	}
	return count;
}

struct block *
resp_command(unsigned count, const struct text *args)
{
	size_t size = 1 + decimal_digits(count) + 2;
	struct block *block;
	char *at;

	for (unsigned i = 0; i < count; i++)
		size += 1 + decimal_digits(args[i].n) + 2 + args[i].n + 2;
	block = block_try_new(size);
	if (block == NULL)
		return NULL;
	/* each snprintf() writes a NUL that the next byte overwrites; a line end follows the last one */
	at = (char *)block->data;
	at += snprintf(at, size, "*%u\r", count);
	*at++ = '\n';
	for (unsigned i = 0; i < count; i++) {
		at += snprintf(at, size, "$%zu\r", args[i].n);
		*at++ = '\n';
		if (args[i].n > 0)
			at = mempcpy(at, args[i].at, args[i].n);
		at = mempcpy(at, "\r\n", 2);
	}
	must(at == (char *)block->data + size);
	return block;
}
