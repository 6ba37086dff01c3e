#include "broker/resp.h"

#include <hiredis.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define SLACK (1 << 20) /* what may stand in the buffer beside one bulk string */

#if HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

struct resp_reader {
	redisReader *slow;
	redisReplyObjectFunctions functions; /* hiredis' own, with an eye on array sizes */
	bool in_slow;			     /* the slow reader holds the begin of an answer */
	bool *freed;			     /* told when the reader is freed in a call */
	uint64_t max_bulk;
	bool (*on_reply)(void *arg, const struct resp *reply);
	void *arg;
};

static void *(*array_of_hiredis)(const redisReadTask *task, array_count count);

/* An array is allocated by the count that it claims. */
static void *
limited_array(const redisReadTask *task, array_count count)
{
	if (count > RESP_ITEMS_MAX || (task->parent != NULL && task->parent->type == REDIS_REPLY_ARRAY))
		return NULL;
	return array_of_hiredis(task, count);
}

struct resp_reader *
resp_reader_new(uint64_t max_bulk, bool (*on_reply)(void *arg, const struct resp *reply), void *arg)
{
	struct resp_reader *r = mem_zalloc(sizeof *r);

	r->slow = redisReaderCreate();
	must(r->slow != NULL);
	r->functions = *r->slow->fn;
	array_of_hiredis = r->functions.createArray;
	r->functions.createArray = limited_array;
	r->slow->fn = &r->functions;
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

/* "$<n>\r\n<n bytes>\r\n" at `*at`, which is moved behind it. False: not whole, or not that. */
static bool
take_bulk(struct text in, size_t *at, uint64_t max, struct text *out)
{
	size_t i = *at + 1;
	uint64_t n = 0;

	if (in.n - *at < 6 || in.at[*at] != '$')
		return false;
	for (; i < in.n && in.at[i] >= '0' && in.at[i] <= '9' && n <= max; i++)
		n = 10 * n + (uint64_t)(in.at[i] - '0');
	if (i == *at + 1 || n > max || in.n - i < n + 4 || in.at[i] != '\r' || in.at[i + 1] != '\n')
		return false;
	*out = text_of(in.at + i + 2, n);
	i += 2 + n;
	if (in.at[i] != '\r' || in.at[i + 1] != '\n')
		return false;
	*at = i + 2;
	return true;
}

static const struct {
	struct text head, kind;
	unsigned rest;
} kinds[] = {
	{{"*4\r\n$8\r\npmessage\r\n", 18}, {"pmessage", 8}, 3},
	{{"*3\r\n$7\r\nmessage\r\n", 17}, {"message", 7}, 2},
};

/* A message may be what begins here, so its rest is worth waiting for. */
static bool
may_be_message(struct text in)
{
	return text_starts(in, kinds[0].head) || text_starts(kinds[0].head, in) || text_starts(in, kinds[1].head) ||
	       text_starts(kinds[1].head, in);
}

/* A whole message at the front of `in`; the bytes it takes, 0 where there is none. */
static size_t
take_message(struct text in, uint64_t max, struct resp *out)
{
	for (unsigned k = 0; k < 2; k++) {
		size_t at = kinds[k].head.n;
		unsigned i;

		if (!text_starts(in, kinds[k].head))
			continue;
		out->items[0] = kinds[k].kind;
		for (i = 1; i <= kinds[k].rest; i++) {
			if (!take_bulk(in, &at, max, &out->items[i]))
				return 0;
		}
		out->type = RESP_ARRAY;
		out->item_count = i;
		return at;
	}
	return 0;
}

/* ":<n>\r\n", what a PUBLISH is answered with. */
static size_t
take_integer(struct text in, struct resp *out)
{
	size_t i = 1;
	int64_t n = 0;

	if (in.n < 4 || in.at[0] != ':')
		return 0;
	for (; i < in.n && i < 18 && in.at[i] >= '0' && in.at[i] <= '9'; i++)
		n = 10 * n + (in.at[i] - '0');
	if (i == 1 || in.n - i < 2 || in.at[i] != '\r' || in.at[i + 1] != '\n')
		return 0;
	out->type = RESP_INTEGER;
	out->integer = n;
	return i + 2;
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
				return ERR_UNSUPPORTED;
		}
		return 0;
	default:
		return ERR_UNSUPPORTED;
	}
}

static int
give(struct resp_reader *r, const struct resp *reply)
{
	bool freed = false, go_on;

	r->freed = &freed;
	go_on = r->on_reply(r->arg, reply);
	if (freed)
		return ERR_CLOSED;
	r->freed = NULL;
	return go_on ? 0 : ERR_CLOSED;
}

/* Feeds hiredis and takes what is whole. */
static int
feed_slow(struct resp_reader *r, const uint8_t *bytes, size_t n)
{
	if (r->slow->len - r->slow->pos + n > r->max_bulk + SLACK)
		return ERR_TOO_BIG;
	if (redisReaderFeed(r->slow, (const char *)bytes, n) != REDIS_OK)
		return ERR_SYNTAX;
	r->in_slow = false;
	while (r->slow->pos < r->slow->len) {
		void *reply = NULL;
		struct resp out;
		int rc;

		if (redisReaderGetReply(r->slow, &reply) != REDIS_OK)
			return ERR_SYNTAX;
		if (reply == NULL) {
			r->in_slow = true;
			return 0;
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
		size_t taken = take_message(rest, r->max_bulk, &reply);

		if (taken == 0)
			taken = take_integer(rest, &reply);
		if (taken == 0 && rest.n < RESP_LEFT_MAX && may_be_message(rest))
			return (int64_t)(n - rest.n);
		if (taken == 0)
			break;
		rest = text_of(rest.at + taken, rest.n - taken);
		rc = give(r, &reply);
	}
	if (rc == 0 && rest.n > 0)
		rc = feed_slow(r, (const uint8_t *)rest.at, rest.n);
	return rc < 0 ? rc : (int64_t)n;
}

/* ---------------------------------------------------------------- commands */

struct block *
resp_command(unsigned count, const struct text *args)
{
	const char **argv = mem_alloc(count * sizeof *argv);
	size_t *lengths = mem_alloc(count * sizeof *lengths);
	struct block *block;
	char *command;
	int n;

	for (unsigned i = 0; i < count; i++) {
		argv[i] = args[i].n > 0 ? args[i].at : "";
		lengths[i] = args[i].n;
	}
	n = redisFormatCommandArgv(&command, (int)count, argv, lengths);
	must(n > 0);
	block = block_copy(command, (size_t)n);
	redisFreeCommand(command);
	mem_free(argv);
	mem_free(lengths);
	return block;
}
