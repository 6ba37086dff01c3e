#include "broker/resp.h"

#include <hiredis.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define SLACK (1 << 20)		   /* what may stand in the buffer beside one bulk string */
#define LINE_MAX_LENGTH (64 << 10) /* of a status or an error; hiredis looks for its end anew at each read */
#define LENGTH_MAX 32		   /* "<digits>\r\n" */

#if HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

struct resp_reader {
	redisReader *slow;
	const redisReplyObjectFunctions *standard; /* hiredis' own */
	redisReplyObjectFunctions functions;	   /* the same, with an eye on sizes and ends */
	bool in_slow;				   /* the slow reader holds the begin of an answer */
	bool *freed;				   /* told when the reader is freed in a call */
	uint64_t max_bulk;
	bool (*on_reply)(void *arg, const struct resp *reply);
	void *arg;
};

/* An array is allocated by the count that it claims. None of the answers known here has one within another. */
static void *
limited_array(const redisReadTask *task, array_count count)
{
	const struct resp_reader *r = task->privdata;

	return count > RESP_ITEMS_MAX || task->parent != NULL ? NULL : r->standard->createArray(task, count);
}

/* hiredis skips the two bytes behind a bulk string, which lie in its buffer by now, unseen. */
static void *
framed_string(const redisReadTask *task, char *at, size_t n)
{
	const struct resp_reader *r = task->privdata;

	if (task->type == REDIS_REPLY_STRING && memcmp(at + n, "\r\n", 2) != 0)
		return NULL;
	return r->standard->createString(task, at, n);
}

struct resp_reader *
resp_reader_new(uint64_t max_bulk, bool (*on_reply)(void *arg, const struct resp *reply), void *arg)
{
	struct resp_reader *r = mem_zalloc(sizeof *r);

	r->slow = redisReaderCreate();
	must(r->slow != NULL);
	r->standard = r->slow->fn;
	r->functions = *r->slow->fn;
	r->functions.createArray = limited_array;
	r->functions.createString = framed_string;
	r->slow->fn = &r->functions;
	r->slow->privdata = r;
	r->max_bulk = max_bulk;
	r->on_reply = on_reply;
	r->arg = arg;
	return r;
}

void
resp_reader_free(struct resp_reader *r)
{
	if (r == NULL)
		return;
	if (r->freed != NULL)
		*r->freed = true;
	redisReaderFree(r->slow);
	mem_free(r);
}

/* ------------------------------------------------------------ the fast path */

/* What the fast path makes of the bytes in front of it, instead of a length. */
enum { CUT = 0, OTHER = -1 };

/* Decimal digits as Redis writes them and "\r\n" at `at`; > 0: where what follows begins. */
static int64_t
take_length(struct text in, size_t at, uint64_t max, uint64_t *out)
{
	size_t i = at;
	uint64_t n = 0;

	for (; i < in.n && in.at[i] >= '0' && in.at[i] <= '9' && n <= max; i++)
		n = 10 * n + (uint64_t)(in.at[i] - '0');
	if (n > max || (i > at + 1 && in.at[at] == '0'))
		return OTHER;
	if (i == in.n || (i + 1 == in.n && in.at[i] == '\r' && i > at))
		return CUT;
	if (i == at || in.at[i] != '\r' || in.at[i + 1] != '\n')
		return OTHER;
	*out = n;
	return (int64_t)i + 2;
}

/* "$<n>\r\n<n bytes>\r\n" at `at`; > 0: where what follows begins. */
static int64_t
take_bulk(struct text in, size_t at, uint64_t max, struct text *out)
{
	uint64_t n;
	int64_t from;

	if (at == in.n)
		return CUT;
	from = in.at[at] == '$' ? take_length(in, at + 1, max, &n) : OTHER;
	if (from <= 0)
		return from;
	if (in.n - (size_t)from < n + 2)
		return CUT;
	*out = text_of(in.at + from, n);
	return memcmp(out->at + n, "\r\n", 2) == 0 ? from + (int64_t)n + 2 : OTHER;
}

static const struct {
	struct text head, kind;
	unsigned rest;
} kinds[] = {
	{{"*4\r\n$8\r\npmessage\r\n", 18}, {"pmessage", 8}, 3},
	{{"*3\r\n$7\r\nmessage\r\n", 17}, {"message", 7}, 2},
};

/* A message at the front of `in`: the bytes it takes, CUT or OTHER. */
static int64_t
take_message(struct text in, uint64_t max, struct resp *out)
{
	for (unsigned k = 0; k < 2; k++) {
		int64_t at = (int64_t)kinds[k].head.n;
		unsigned i;

		if (in.n < kinds[k].head.n && text_starts(kinds[k].head, in))
			return CUT;
		if (!text_starts(in, kinds[k].head))
			continue;
		out->items[0] = kinds[k].kind;
		for (i = 1; i <= kinds[k].rest; i++) {
			at = take_bulk(in, (size_t)at, max, &out->items[i]);
			if (at <= 0)
				return at;
		}
		out->type = RESP_ARRAY;
		out->item_count = i;
		return at;
	}
	return OTHER;
}

/* ":<n>\r\n", what a PUBLISH is answered with. Where it is cut it is not worth waiting for. */
static int64_t
take_integer(struct text in, struct resp *out)
{
	uint64_t n;
	int64_t taken = in.at[0] == ':' ? take_length(in, 1, UINT32_MAX, &n) : OTHER;

	if (taken <= 0)
		return OTHER;
	out->type = RESP_INTEGER;
	out->integer = (int64_t)n;
	return taken;
}

/* ------------------------------------------------------------ the slow path */

static struct text
text_of_reply(const redisReply *reply)
{
	return text_of(reply->str, (size_t)reply->len);
}

static int
convert(const redisReply *reply, struct resp *out)
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
	case REDIS_REPLY_INTEGER:
		out->type = RESP_INTEGER;
		out->integer = reply->integer;
		return 0;
	case REDIS_REPLY_ARRAY:
		out->type = RESP_ARRAY;
		out->item_count = (unsigned)reply->elements;
		for (unsigned i = 0; i < out->item_count; i++) {
			const redisReply *item = reply->element[i];

			if (item->type == REDIS_REPLY_STRING)
				out->items[i] = text_of_reply(item);
			else if (item->type == REDIS_REPLY_INTEGER)
				out->integer = item->integer;
			else if (item->type != REDIS_REPLY_NIL)
				return ERROR_UNSUPPORTED;
		}
		return 0;
	default:
		return ERROR_UNSUPPORTED;
	}
}

static int
give(struct resp_reader *r, const struct resp *reply)
{
	bool freed = false, go_on;

	r->freed = &freed;
	go_on = r->on_reply(r->arg, reply);
	if (freed)
		return ERROR_CLOSED;
	r->freed = NULL;
	return go_on ? 0 : ERROR_CLOSED;
}

/* What is not whole yet: a bulk string that may be so long, or a line that may still end. */
static int
check_rest(const struct resp_reader *r)
{
	/* the byte that tells the type has been taken; of what is cut, only a bulk string has a whole line */
	struct text rest = text_of(r->slow->buf + r->slow->pos, r->slow->len - r->slow->pos);
	uint64_t length;

	if (rest.n > 0 && memmem(rest.at, rest.n < LENGTH_MAX ? rest.n : LENGTH_MAX, "\r\n", 2) != NULL)
		return take_length(rest, 0, r->max_bulk, &length) > 0 ? 0 : ERROR_TOO_BIG;
	return rest.n <= LINE_MAX_LENGTH ? 0 : ERROR_TOO_BIG;
}

/* Feeds hiredis and takes what is whole. */
static int
feed_slow(struct resp_reader *r, const uint8_t *bytes, size_t n)
{
	if (r->slow->len - r->slow->pos + n > r->max_bulk + SLACK)
		return ERROR_TOO_BIG;
	if (redisReaderFeed(r->slow, (const char *)bytes, n) != REDIS_OK)
		return ERROR_SYNTAX;
	r->in_slow = false;
	while (r->slow->pos < r->slow->len) {
		void *reply = NULL;
		struct resp out;
		int rc;

		if (redisReaderGetReply(r->slow, &reply) != REDIS_OK)
			return ERROR_SYNTAX;
		if (reply == NULL) {
			r->in_slow = true;
			return check_rest(r);
		}
		rc = convert(reply, &out);
		if (rc == 0)
			rc = give(r, &out);
		freeReplyObject(reply);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int64_t
resp_reader_feed(struct resp_reader *r, const uint8_t *bytes, size_t n)
{
	struct text rest = text_of((const char *)bytes, n);
	int rc = 0;

	while (rc == 0 && rest.n > 0 && !r->in_slow) {
		struct resp reply = {.item_count = 0};
		int64_t taken = take_message(rest, r->max_bulk, &reply);

		if (taken == CUT && rest.n < RESP_LEFT_MAX)
			return (int64_t)(n - rest.n);
		if (taken == OTHER)
			taken = take_integer(rest, &reply);
		if (taken <= 0)
			break;
		rest = text_of(rest.at + taken, rest.n - (size_t)taken);
		rc = give(r, &reply);
	}
	if (rc == 0 && rest.n > 0)
		rc = feed_slow(r, (const uint8_t *)rest.at, rest.n);
	return rc < 0 ? rc : (int64_t)n;
}

/* ---------------------------------------------------------------- commands */

static size_t
digits(size_t n)
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
	size_t size = 1 + digits(count) + 2;
	struct block *block;
	char *at;

	for (unsigned i = 0; i < count; i++)
		size += 1 + digits(args[i].n) + 2 + args[i].n + 2;
	block = block_try_new(size);
	if (block == NULL)
		return NULL;
	/* the NULs are overwritten: a line end follows all of it */
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
