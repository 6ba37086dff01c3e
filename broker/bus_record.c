#include "broker/bus_record.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/msgpack.h"

#define STR8 ((char)0xd9)
#define PACKED_KEY "\xa8position"
#define JSON_KEY ",\"position\":\""
#define JSON_END "\"}"
#define MAP_PAIRS 3 /* of a map that is recorded: a server emit with binary data */

/* --------------------------------------------------------------- positions */

size_t
bus_position_write(char out[BUS_POSITION_TEXT_MAX], struct bus_position position)
{
	return (size_t)snprintf(out, BUS_POSITION_TEXT_MAX, "%llu-%llu", (unsigned long long)position.ms,
		(unsigned long long)position.seq);
}

static bool
record_read_number(struct text text, uint64_t *value)
{
	if (text.n == 0 || (text.n > 1 && text.at[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	}
	return text_number(text, UINT64_MAX, value) == 0;
}

bool
bus_position_parse(struct text text, struct bus_position *position)
{
	const char *dash = text.n > 0 ? memchr(text.at, '-', text.n) : NULL;
	size_t n = dash != NULL ? (size_t)(dash - text.at) : 0;

	return dash != NULL && record_read_number(text_of(text.at, n), &position->ms) &&
	       record_read_number(text_of(dash + 1, text.n - n - 1), &position->seq);
}

/* ------------------------------------------------------------------ stamps */

char
bus_record_kind(struct text message, bool sealed)
{
	uint8_t first = message.n > 0 ? (uint8_t)message.at[0] : 0;

	if (sealed)
		return message.n > 0 ? 's' : 0;
	if (first == (MSGPACK_FIXARRAY | 3))
		return 'a';
	if (first == (MSGPACK_FIXMAP | MAP_PAIRS))
		return 'm';
	if (message.n > 2 && first == '{' && message.at[message.n - 1] == '}')
		return 'j';
	return 0;
}

void
bus_stamp_add(struct text message, const struct bus_stamp *from, struct bus_stamped *out)
{
	char stamp[BUS_STAMP_MAX], kind = from->kind;
	size_t n = bus_position_write(stamp, from->position);

	if (from->event != 0)
		n += (size_t)snprintf(stamp + n, sizeof stamp - n, "%c%llu", from->hole ? '!' : ':',
			(unsigned long long)from->event);
	n += (size_t)snprintf(stamp + n, sizeof stamp - n, "/%c%.*s/%llu", kind, BUS_SENDER_LENGTH, from->sender.at,
		(unsigned long long)from->number);
	out->first = (char)(message.at[0] + (kind == 'a' || kind == 'm'));
	out->end = message.n - (kind == 'j');
	if (kind == 'j')
		out->tail_n = (size_t)snprintf(out->tail, sizeof out->tail, JSON_KEY "%s" JSON_END, stamp);
	else
		out->tail_n = (size_t)snprintf(
			out->tail, sizeof out->tail, "%s%c%c%s", kind == 'm' ? PACKED_KEY : "", STR8, (char)n, stamp);
}

size_t
bus_record_write_head(char out[BUS_RECORD_HEAD_MAX], size_t channel_n, size_t message_n)
{
	return (size_t)snprintf(out, BUS_RECORD_HEAD_MAX, "%zu %zu\n", channel_n, message_n);
}

/* Cuts the number of the event off the position. */
static bool
read_event(struct text *position, struct bus_stamp *stamp)
{
	size_t n = 0;

	stamp->event = 0;
	stamp->hole = false;
	while (n < position->n && position->at[n] != ':' && position->at[n] != '!')
		n++;
	if (n == position->n)
		return true;
	stamp->hole = position->at[n] == '!';
	if (!record_read_number(text_of(position->at + n + 1, position->n - n - 1), &stamp->event) ||
		stamp->event == 0)
		return false;
	position->n = n;
	return true;
}

static bool
read_stamp(struct text text, struct bus_stamp *stamp)
{
	struct text position;

	const char *slash = memchr(text.at, '/', text.n);
	size_t n = slash != NULL ? (size_t)(slash - text.at) : 0;

	if (slash == NULL || text.n < n + 2 + BUS_SENDER_LENGTH + 2 || slash[2 + BUS_SENDER_LENGTH] != '/')
		return false;
	stamp->kind = slash[1];
	stamp->sender = text_of(slash + 2, BUS_SENDER_LENGTH);
	n += 3 + BUS_SENDER_LENGTH;
	position = text_of(text.at, (size_t)(slash - text.at));
	return read_event(&position, stamp) && bus_position_parse(position, &stamp->position) &&
	       record_read_number(text_of(text.at + n, text.n - n), &stamp->number) && stamp->number > 0;
}

static bool
take_json_stamp(struct text message, struct bus_stamp *stamp)
{
	size_t key = sizeof JSON_KEY - 1, end = sizeof JSON_END - 1;
	size_t least = message.n > BUS_STAMP_MAX + key + end ? message.n - (BUS_STAMP_MAX + key + end) : 0;

	for (size_t at = message.n - end; at >= least + key; at--) {
		if (memcmp(message.at + at - key, JSON_KEY, key) == 0)
			return read_stamp(text_of(message.at + at, message.n - end - at), stamp) &&
			       stamp->kind == 'j';
	}
	return false;
}

/*
 * Returns true if a stamp of that kind may stand in the message, whose `n` bytes precede the stamp. An unstamped
 * broadcast is an array of three; an unstamped answer or question is a map of three or five. So a client cannot forge
 * a stamp by the name of a room or by the arguments of an acknowledgement, which end these messages.
 */
static bool
stamp_has_place(char kind, struct text message, size_t n)
{
	uint8_t first = (uint8_t)message.at[0];

	switch (kind) {
	case 'a':
		return first == (MSGPACK_FIXARRAY | 4);
	case 'm':
		return first == (MSGPACK_FIXMAP | (MAP_PAIRS + 1)) &&
		       text_ends(text_of(message.at, n), TEXT(PACKED_KEY));
	default:
		return false;
	}
}

/* A stamp contains no byte of a str 8's head, so the last such byte of the message is the head. */
static bool
take_packed_stamp(struct text *message, bool sealed, struct bus_stamp *stamp)
{
	size_t least = message->n > BUS_STAMP_MAX + 2 ? message->n - (BUS_STAMP_MAX + 2) : 0;

	for (size_t at = message->n - 1; at > least; at--) {
		size_t n = message->n - at - 1;

		if (message->at[at - 1] != STR8)
			continue;
		if ((uint8_t)message->at[at] != n || !read_stamp(text_of(message->at + at + 1, n), stamp))
			return false;
		if (!sealed)
			return stamp_has_place(stamp->kind, *message, at - 1);
		if (stamp->kind != 's')
			return false;
		message->n = at - 1;
		return true;
	}
	return false;
}

bool
bus_stamp_take(struct text *message, bool sealed, struct bus_stamp *stamp)
{
	char last = message->n > 0 ? message->at[message->n - 1] : 0;

	if (last == '}' && !sealed)
		return text_ends(*message, TEXT(JSON_END)) && take_json_stamp(*message, stamp);
	return last >= '0' && last <= '9' && take_packed_stamp(message, sealed, stamp);
}

/* ----------------------------------------------------------------- records */

int
bus_record_read_head(struct text *answer, struct bus_record_head *head)
{
	if (answer->n < 3 || answer->at[2] != '\n')
		return ERROR_SYNTAX;
	head->found = answer->at[0] == '1';
	head->more = answer->at[1] == '1';
	*answer = text_of(answer->at + 3, answer->n - 3);
	return 0;
}

/* Cuts a line off. Returns false if there is none. */
static bool
take_line(struct text *from, struct text *line)
{
	const char *end = from->n > 0 ? memchr(from->at, '\n', from->n) : NULL;

	if (end == NULL)
		return false;
	*line = text_of(from->at, (size_t)(end - from->at));
	*from = text_of(end + 1, from->n - line->n - 1);
	return true;
}

static bool
take_bytes(struct text *from, uint64_t n, struct text *bytes)
{
	if (n > from->n)
		return false;
	*bytes = text_of(from->at, (size_t)n);
	*from = text_of(from->at + n, from->n - (size_t)n);
	return true;
}

int
bus_record_next_entry(struct text *answer, struct bus_log_entry *entry)
{
	struct text line, position;
	uint64_t n;

	if (answer->n == 0)
		return 0;
	if (!take_line(answer, &line) || !text_cut(&line, ' ', &position) ||
		!bus_position_parse(position, &entry->position))
		return ERROR_SYNTAX;
	entry->records = TEXT_NONE;
	entry->unusable = text_is(line, TEXT("?"));
	if (entry->unusable)
		return 1;
	return record_read_number(line, &n) && take_bytes(answer, n, &entry->records) ? 1 : ERROR_SYNTAX;
}

int
bus_record_next(struct text *records, bool sealed, struct bus_record *record)
{
	struct text line, channel;
	uint64_t channel_n, message_n;

	if (records->n == 0)
		return 0;
	if (!take_line(records, &line) || !text_cut(&line, ' ', &channel) ||
		!record_read_number(channel, &channel_n) || !record_read_number(line, &message_n) ||
		!take_bytes(records, channel_n, &record->channel) ||
		!take_bytes(records, message_n, &record->message) ||
		!bus_stamp_take(&record->message, sealed, &record->stamp))
		return ERROR_SYNTAX;
	return 1;
}

int
bus_record_count(struct text records, bool sealed, unsigned max)
{
	struct bus_record record;
	unsigned n = 0;
	int rc;

	while ((rc = bus_record_next(&records, sealed, &record)) > 0) {
		if (++n > max)
			return ERROR_SYNTAX;
	}
	return rc < 0 ? rc : (int)n;
}
