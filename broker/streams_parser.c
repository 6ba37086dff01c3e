/*
 * States of the parser:
 *
 *   state    input                                               next state
 *   START    the head of an answer to XREAD                      STREAM
 *            the head of an answer to XRANGE                     ENTRY, or START if it has no entries
 *            any other answer                                    START
 *   STREAM   name and head of the entries                        ENTRY
 *   ENTRY    an entry; the last one of the answer                ENTRY; START
 *            an entry that is too big                            SKIP
 *   SKIP     the last byte of the entry                          ENTRY or START
 */
#include "broker/streams_parser.h"

#include "common/base/error.h"

#define NAME_MAX_LENGTH (1 << 20) /* maximum bytes of the name and the heads of one stream */
#define KEPT_MAX (256 * 1024)	  /* a larger buffer for partial items is freed when it is empty */

void
streams_parser_init(struct streams_parser *parser, const struct streams_parser_ops *ops, void *arg)
{
	*parser = (struct streams_parser){.ops = ops, .arg = arg};
	/* an entry, and the bytes that arrived after it */
	buffer_init(&parser->partial, WIRE_STREAM_ENTRY_MAX + NAME_MAX_LENGTH);
}

void
streams_parser_fini(struct streams_parser *parser)
{
	buffer_fini(&parser->partial);
}

void
streams_parser_reset(struct streams_parser *parser)
{
	parser->state = PARSER_START;
	parser->skip_items = parser->skip_bytes = 0;
	buffer_fini(&parser->partial);
	buffer_reset(&parser->partial);
}

static int
parser_report(struct streams_parser *parser)
{
	parser->state = PARSER_START;
	return parser->ops->on_answer(parser->arg, &parser->answer) ? 0 : ERROR_CLOSED;
}

/* The next stream or the next entry is due, or the answer has ended. */
static int
parser_go_on(struct streams_parser *parser)
{
	if (parser->entries > 0)
		parser->state = PARSER_ENTRY;
	else if (parser->streams > 0)
		parser->state = PARSER_STREAM;
	else
		return parser_report(parser);
	return 0;
}

/* Each step returns the bytes it takes (> 0), 0 if more bytes are needed, or an error. */
static int64_t
parser_start(struct streams_parser *parser, struct text in)
{
	int64_t n = resp_item_parse(&parser->answer, in);
	int rc;

	if (n <= 0)
		return n;
	parser->shape = parser->ops->expects(parser->arg);
	if (parser->shape == STREAMS_NOTHING && parser->answer.type != RESP_ERROR)
		return ERROR_SYNTAX;
	parser->streams = parser->entries = 0;
	if (parser->answer.type == RESP_ARRAY) {
		if (parser->shape == STREAMS_SCALAR)
			return ERROR_SYNTAX;
		if (parser->shape == STREAMS_READ)
			parser->streams = (unsigned)parser->answer.integer;
		else
			parser->entries = (unsigned)parser->answer.integer;
	}
	rc = parser_go_on(parser);
	return rc < 0 ? rc : n;
}

/* *2 $<name> *<entries> */
static int64_t
parser_stream(struct streams_parser *parser, struct text in)
{
	static const enum resp_type types[] = {RESP_ARRAY, RESP_BULK, RESP_ARRAY};
	struct resp_item items[3];
	int64_t at = 0;
	int rc;

	for (unsigned i = 0; i < 3; i++) {
		int64_t n = resp_item_parse(&items[i], text_of(in.at + at, in.n - (size_t)at));

		if (n <= 0)
			return n;
		if (items[i].type != types[i])
			return ERROR_SYNTAX;
		at += n;
	}
	if (items[0].integer != 2)
		return ERROR_SYNTAX;
	parser->streams--;
	parser->entries = (unsigned)items[2].integer;
	if (!parser->ops->on_stream(parser->arg, items[1].text, parser->entries))
		return ERROR_CLOSED;
	rc = parser_go_on(parser);
	return rc < 0 ? rc : at;
}

static int64_t
parser_entry(struct streams_parser *parser, struct text in)
{
	struct wire_stream_entry entry;
	int64_t n = wire_stream_entry_parse(in, &entry);
	int rc;

	if (n == ERROR_TOO_BIG) {
		parser->state = PARSER_SKIP;
		parser->skip_items = 1;
		parser->skip_bytes = 0;
		return parser->ops->on_too_big(parser->arg, entry.id) ? 0 : ERROR_CLOSED;
	}
	if (n <= 0)
		return n;
	if (!parser->ops->on_entry(parser->arg, &entry))
		return ERROR_CLOSED;
	parser->entries--;
	rc = parser_go_on(parser);
	return rc < 0 ? rc : n;
}

static int64_t
parser_skip_item(struct streams_parser *parser, struct text in)
{
	struct resp_item item;
	int64_t n = resp_item_parse_head(&item, in);

	if (n <= 0)
		return n;
	if (item.type == RESP_BULK)
		parser->skip_bytes = (uint64_t)item.integer + 2;
	else if (item.type == RESP_ARRAY)
		parser->skip_items += (uint64_t)item.integer;
	else
		return ERROR_SYNTAX;
	parser->skip_items--;
	return n;
}

static int64_t
parser_skip(struct streams_parser *parser, struct text in)
{
	int64_t n;
	int rc;

	if (parser->skip_bytes > 0) {
		n = (int64_t)(in.n < parser->skip_bytes ? in.n : parser->skip_bytes);
		parser->skip_bytes -= (uint64_t)n;
	} else {
		n = parser_skip_item(parser, in);
		if (n <= 0)
			return n;
	}
	if (parser->skip_items > 0 || parser->skip_bytes > 0)
		return n;
	parser->entries--;
	rc = parser_go_on(parser);
	return rc < 0 ? rc : n;
}

/* Parses as much as possible. Returns the bytes used, or an error. */
static int64_t
parser_parse(struct streams_parser *parser, struct text in)
{
	static int64_t (*const steps[])(struct streams_parser * parser, struct text in) = {
		[PARSER_START] = parser_start,
		[PARSER_STREAM] = parser_stream,
		[PARSER_ENTRY] = parser_entry,
		[PARSER_SKIP] = parser_skip,
	};
	struct text rest = in;

	while (rest.n > 0) {
		unsigned state = parser->state;
		int64_t n = steps[state](parser, rest);

		if (n < 0)
			return n;
		if (n == 0 && parser->state == state)
			break;
		rest = text_of(rest.at + n, rest.n - (size_t)n);
	}
	return (int64_t)(in.n - rest.n);
}

int
streams_parser_feed(struct streams_parser *parser, const uint8_t *bytes, size_t n)
{
	struct buffer *partial = &parser->partial;
	bool kept = partial->len > 0;
	int64_t used;

	if (kept)
		buffer_add(partial, bytes, n);
	if (buffer_error(partial) != 0)
		return buffer_error(partial);
	used = parser_parse(parser, kept ? buffer_text(partial) : text_of((const char *)bytes, n));
	if (used < 0)
		return (int)used;
	if (!kept)
		buffer_add(partial, bytes + used, n - (size_t)used);
	else
		buffer_drop(partial, (size_t)used);
	if (partial->len == 0 && partial->size > KEPT_MAX)
		buffer_fini(partial);
	return buffer_error(partial);
}
