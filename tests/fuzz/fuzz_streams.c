/*
 * Answers to stream commands. The first byte selects what the commands return, and the size of the pieces in which
 * the rest arrives. The parser reports the same whatever the pieces are, and an entry whose message the broker can
 * read is written again as the same fields.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/streams_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The events that the parser has reported. */
struct report {
	enum streams_shape shape;
	uint64_t entries, answers, streams, sum;
};

static struct buffer message, command;

static enum streams_shape
on_expects(void *arg)
{
	return ((struct report *)arg)->shape;
}

static void
report_add(struct report *report, struct text text)
{
	for (size_t i = 0; i < text.n; i++)
		report->sum = 31 * report->sum + (uint8_t)text.at[i];
}

static bool
on_stream(void *arg, struct text name, unsigned entries)
{
	struct report *report = arg;

	report->streams++;
	report->sum += entries;
	report_add(report, name);
	return true;
}

/* An entry of another writer may have more fields, in another order, or another kind of Base64. */
static bool
is_canonical(const struct wire_stream_entry *entry)
{
	size_t fields, tag = entry->seal.at != NULL ? 16 : 0;
	struct text written;

	buffer_reset(&message);
	buffer_reset(&command);
	if (wire_stream_message(&message, entry) < 0)
		return false;
	assert(wire_stream_type(buffer_text(&message)) >= 0 || message.data[0] != '{');
	if (wire_stream_add(&command, TEXT("s"), 1, buffer_text(&message), entry->uid, entry->nsp, tag,
		    (struct wire_stream_order){wire_stream_entry_number(entry), entry->number.at != NULL},
		    &fields) < 0)
		return false;
	written = text_of((const char *)command.data + fields, command.len - fields);
	return text_is(written, entry->fields);
}

static bool
on_entry(void *arg, const struct wire_stream_entry *entry)
{
	struct report *report = arg;
	char id[WIRE_STREAM_ID_SIZE];
	struct wire_stream_id again;

	report->entries++;
	report_add(report, entry->fields);
	report->sum += is_canonical(entry);
	assert(wire_stream_id_parse(text_of(id, wire_stream_id_write(entry->id, id)), &again) == 0);
	assert(wire_stream_id_compare(entry->id, again) == 0);
	assert(wire_stream_number(entry->nsp, 7) > -7 && wire_stream_number(entry->nsp, 7) < 7);
	return true;
}

static bool
on_too_big(void *arg, struct wire_stream_id id)
{
	((struct report *)arg)->sum += id.ms;
	return true;
}

static bool
on_answer(void *arg, const struct resp_item *answer)
{
	struct report *report = arg;

	report->answers++;
	report->sum += answer->type;
	report_add(report, answer->text);
	return true;
}

static int
parse(const uint8_t *data, size_t size, size_t piece, enum streams_shape shape, struct report *report)
{
	static const struct streams_parser_ops ops = {on_expects, on_stream, on_entry, on_too_big, on_answer};
	struct streams_parser parser;
	int rc = 0;

	*report = (struct report){.shape = shape};
	streams_parser_init(&parser, &ops, report);
	for (size_t at = 0; at < size && rc == 0; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(n); /* a read beyond the piece is found */

		memcpy(copy, data + at, n);
		rc = streams_parser_feed(&parser, copy, n);
		free(copy);
	}
	streams_parser_fini(&parser);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report whole, pieces;
	enum streams_shape shape;
	int rc;

	if (size < 2)
		return 0;
	buffer_init(&message, 1 << 24);
	buffer_init(&command, 1 << 24);
	shape = (enum streams_shape)(data[0] % 4);
	rc = parse(data + 1, size - 1, size, shape, &whole);
	assert(parse(data + 1, size - 1, 1 + data[0] / 4, shape, &pieces) == rc);
	assert(whole.sum == pieces.sum && whole.entries == pieces.entries);
	assert(whole.answers == pieces.answers && whole.streams == pieces.streams);
	buffer_fini(&message);
	buffer_fini(&command);
	return 0;
}
