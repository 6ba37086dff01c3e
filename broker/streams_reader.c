/*
 * States of the reader:
 *
 *   state       event                                              next state
 *   RESTING     streams_reader_connect()                           CONNECTING
 *   CONNECTING  logged in: ask for the positions                   PLACING
 *   PLACING     all positions are known                            READING
 *   READING     an answer to XREAD has ended                       READING
 *   PAUSING     the pause is over                                  CONNECTING
 *   any         the link is lost, or the server refuses            PAUSING, or RESTING after streams_reader_rest()
 *   any         streams_reader_close()                             CLOSED
 */
#include "broker/streams_reader.h"

#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_link.h"
#include "broker/bus_login.h"
#include "broker/streams_parser.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define PAUSE_MIN_MS 100 /* first pause before a reconnect; doubled each time, up to PAUSE_MAX_MS */
#define PAUSE_MAX_MS 1000
#define LATE_MS 1000 /* an answer to XREAD that took longer may have lain here unread for most of that time */

enum reader_state {
	READER_RESTING,
	READER_CONNECTING,
	READER_PLACING,
	READER_READING,
	READER_PAUSING,
	READER_CLOSED
};

struct reader_stream {
	struct text name;
	struct wire_stream_id position; /* of the last entry read */
	struct wire_stream_id passed;	/* as the position, but it moves after on_entry() has returned */
	bool placed;			/* the position is known */
	bool full;			/* the last answer had as many entries as it may have: more may wait */
	bool lost;			/* a gap at this position has been counted */
	bool there;			/* the server still has the entry at the position */
	bool has_last;
	struct wire_stream_id last; /* newest entry of the stream at this connect; valid if has_last */
};

/* What an unanswered command asks for. */
struct reader_question {
	enum { ASK_POSITION, ASK_LAST, ASK_ENTRIES } kind;
	struct reader_stream *stream; /* unused by ASK_ENTRIES */
};

struct streams_reader {
	struct loop *loop;
	const struct streams_reader_ops *ops;
	void *arg;
	struct bus_link link;
	struct streams_parser parser;
	struct wheel_entry timer; /* the pause, or the deadline of an answer */
	enum reader_state state;
	bool retries;  /* reconnects after a loss */
	bool hopeless; /* has failed before it had its positions */
	bool doubtful; /* the server has refused an XREAD, as it may even after it has answered with the positions */
	unsigned attempts;
	unsigned read_count;
	uint64_t block_ms, timeout_ms;
	uint64_t read_before; /* bytes read when the deadline was set */
	uint64_t asked_at;    /* loop time of the last XREAD */
	struct log_limit log_limit;
	char *names; /* storage of all names */
	unsigned count;
	unsigned asked, answered; /* questions on this connection, modulo `questions_max` */
	unsigned questions_max;
	struct reader_question *questions; /* a ring */
	struct reader_stream *reading;	   /* the stream whose entries come now; NULL: one that was not asked for */
	uint64_t entries, bytes, gaps, malformed, connects;
	struct reader_stream streams[];
};

static bool
reader_is_placed(const struct streams_reader *reader)
{
	return reader->streams[reader->count - 1].placed;
}

/* --------------------------------------------------------- the end, retry */

static void
reader_close_link(struct streams_reader *reader)
{
	bus_link_close(&reader->link);
	streams_parser_reset(&reader->parser);
	reader->asked = reader->answered = 0;
	loop_disarm(reader->loop, &reader->timer);
}

static void
reader_end(struct streams_reader *reader, struct text refusal, const char *why)
{
	uint64_t pause = reader->attempts < 5 ? (uint64_t)PAUSE_MIN_MS << reader->attempts : PAUSE_MAX_MS;

	reader->ops->on_lost(reader->arg, refusal, why); /* `refusal` is part of the parser's buffer */
	reader_close_link(reader);
	reader->attempts++;
	pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
	pause = pause / 2 + random_below((uint32_t)(pause / 2) + 1);
	if (log_allow(&reader->log_limit, 1, reader->loop->now))
		log_event(LOG_WARN, "stream", "reader", LOG_STR("down"), "reason", LOG_STR(why), NULL);
	reader->state = reader->retries ? READER_PAUSING : READER_RESTING;
	if (reader->retries)
		loop_arm(reader->loop, &reader->timer, pause);
	if (streams_reader_awaits(reader)) {
		reader->hopeless = true;
		reader->ops->on_settled(reader->arg);
	}
}

static void
reader_lost(struct streams_reader *reader, const char *why, bool malformed)
{
	reader->malformed += malformed;
	reader_end(reader, TEXT_NONE, why);
}

/* -------------------------------------------------------------- questions */

static void
reader_arm(struct streams_reader *reader, uint64_t after_ms)
{
	reader->read_before = reader->link.read;
	loop_arm(reader->loop, &reader->timer, after_ms);
}

static void
reader_ask(struct streams_reader *reader, struct reader_question question, unsigned count, const struct text *args)
{
	must(reader->asked - reader->answered < reader->questions_max);
	reader->questions[reader->asked++ % reader->questions_max] = question;
	bus_link_send(&reader->link, count, args);
}

static void
reader_ask_position(struct streams_reader *reader, struct reader_stream *stream)
{
	char id[WIRE_STREAM_ID_SIZE];
	struct text at = text_of(id, wire_stream_id_write(stream->position, id));
	struct text args[] = {TEXT("XRANGE"), stream->name, at, at};

	stream->there = wire_stream_id_is_zero(stream->position); /* the place before the first entry is never gone */
	if (!stream->there)
		reader_ask(reader, (struct reader_question){ASK_POSITION, stream}, 4, args);
}

static void
reader_ask_last(struct streams_reader *reader, struct reader_stream *stream)
{
	struct text args[] = {TEXT("XREVRANGE"), stream->name, TEXT("+"), TEXT("-"), TEXT("COUNT"), TEXT("1")};

	stream->has_last = false;
	reader_ask(reader, (struct reader_question){ASK_LAST, stream}, 6, args);
}

/*
 * The server may trim entries that this node has not read: while an answer lies here unread, or while this node lags
 * behind, as a full last answer shows. In both cases the same write asks whether the entry at the position is there.
 */
static void
reader_ask_entries(struct streams_reader *reader)
{
	struct text args[7 + 2 * WIRE_STREAM_NAMES_MAX] = {TEXT("XREAD"), TEXT("BLOCK"), TEXT_NONE, TEXT("COUNT")};
	char ids[WIRE_STREAM_NAMES_MAX][WIRE_STREAM_ID_SIZE];
	char block[24], count[16];
	bool late = reader->loop->now - reader->asked_at >= LATE_MS;
	unsigned n = 5;

	args[2] = text_of(block, (size_t)snprintf(block, sizeof block, "%llu", (unsigned long long)reader->block_ms));
	args[4] = text_of(count, (size_t)snprintf(count, sizeof count, "%u", reader->read_count));
	args[n++] = TEXT("STREAMS");
	for (unsigned i = 0; i < reader->count; i++) {
		struct reader_stream *stream = &reader->streams[i];

		if (stream->full || late)
			reader_ask_position(reader, stream);
		stream->full = false;
		args[n + i] = stream->name;
		args[n + reader->count + i] = text_of(ids[i], wire_stream_id_write(stream->position, ids[i]));
	}
	reader_ask(reader, (struct reader_question){ASK_ENTRIES, NULL}, n + 2 * reader->count, args);
	reader->asked_at = reader->loop->now;
	reader_arm(reader, reader->block_ms + reader->timeout_ms);
}

/* ---------------------------------------------------------------- answers */

static void
reader_count_gap(struct streams_reader *reader, struct reader_stream *stream)
{
	char id[WIRE_STREAM_ID_SIZE];

	if (stream->lost)
		return;
	stream->lost = true;
	reader->gaps++;
	wire_stream_id_write(stream->position, id);
	log_event(LOG_WARN, "stream", "warning",
		LOG_STR("entries may be missing: the server no longer has the last entry that this node has read"),
		"stream", LOG_TEXT(stream->name), "position", LOG_STR(id), NULL);
}

/*
 * Sets the position after a connect. A stream whose newest entry is older than the position was emptied or restored
 * from an older copy. Its new entries may have smaller ids than the position.
 */
static void
reader_place(struct streams_reader *reader, struct reader_stream *stream)
{
	static const struct wire_stream_id zero;
	struct wire_stream_id last = stream->has_last ? stream->last : zero;

	if (!stream->placed) {
		stream->position = stream->passed = last;
		stream->placed = true;
		return;
	}
	if (stream->there)
		return;
	reader_count_gap(reader, stream);
	if (wire_stream_id_compare(last, stream->position) < 0) {
		stream->position = stream->passed = last;
		stream->lost = false;
	}
}

static void
reader_all_placed(struct streams_reader *reader)
{
	bool first = !reader_is_placed(reader);

	for (unsigned i = 0; i < reader->count; i++)
		reader_place(reader, &reader->streams[i]);
	reader->state = READER_READING;
	reader->asked_at = reader->loop->now;
	log_event(LOG_INFO, "stream", "reader", LOG_STR("up"), NULL);
	if (!reader->doubtful)
		reader->ops->on_reads(reader->arg);
	reader_ask_entries(reader);
	if (first)
		reader->ops->on_settled(reader->arg);
}

static const struct reader_question *
reader_question(const struct streams_reader *reader)
{
	if (reader->asked == reader->answered)
		return NULL;
	return &reader->questions[reader->answered % reader->questions_max];
}

static enum streams_shape
reader_expects(void *arg)
{
	const struct streams_reader *reader = arg;
	const struct reader_question *question = reader_question(reader);

	if (question == NULL)
		return reader->link.renewal != NULL ? STREAMS_SCALAR : STREAMS_NOTHING;
	return question->kind == ASK_ENTRIES ? STREAMS_READ : STREAMS_ENTRIES;
}

static bool
reader_on_stream(void *arg, struct text name, unsigned entries)
{
	struct streams_reader *reader = arg;

	reader->reading = NULL;
	for (unsigned i = 0; i < reader->count; i++) {
		if (text_is(reader->streams[i].name, name))
			reader->reading = &reader->streams[i];
	}
	if (reader->reading != NULL)
		reader->reading->full = entries >= reader->read_count;
	return true;
}

/* Returns false if the entry is not a new one. */
static bool
reader_advance(struct streams_reader *reader, struct wire_stream_id id)
{
	if (reader->reading == NULL || wire_stream_id_compare(id, reader->reading->position) <= 0)
		return false;
	reader->reading->position = id;
	reader->reading->lost = false;
	return true;
}

static bool
reader_take_entry(struct streams_reader *reader, struct wire_stream_id id)
{
	const struct reader_question *question = reader_question(reader);

	if (question->kind == ASK_POSITION) {
		question->stream->there = true;
		return false;
	}
	if (question->kind == ASK_LAST) {
		question->stream->has_last = true;
		question->stream->last = id;
		return false;
	}
	return reader_advance(reader, id);
}

static bool
reader_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	struct streams_reader *reader = arg;

	if (!reader_take_entry(reader, entry->id))
		return true;
	reader->entries++;
	reader->bytes += entry->fields.n;
	reader->ops->on_entry(reader->arg, entry);
	reader->reading->passed = reader->reading->position;
	return reader->state != READER_CLOSED;
}

static bool
reader_on_too_big(void *arg, struct wire_stream_id id)
{
	struct streams_reader *reader = arg;
	char text[WIRE_STREAM_ID_SIZE];

	if (!reader_take_entry(reader, id))
		return true;
	reader->malformed++;
	reader->reading->passed = id;
	wire_stream_id_write(id, text);
	if (log_allow(&reader->log_limit, 1, reader->loop->now))
		log_event(LOG_WARN, "stream", "error", LOG_STR("entry larger than the limit skipped"), "id",
			LOG_STR(text), NULL);
	return true;
}

static bool
reader_on_answer(void *arg, const struct resp_item *answer)
{
	struct streams_reader *reader = arg;
	const struct reader_question *question = reader_question(reader);
	const struct resp reply = {.type = answer->type, .text = answer->text};
	char why[BUS_WHY_MAX];

	if (bus_login_is_renewal(&reader->link, &reply))
		return reader->link.conn != NULL;
	if (answer->type == RESP_ERROR) {
		bus_error_write(why, "reading the stream refused", answer->text, reader->link.password);
		reader->doubtful |= reader->state == READER_READING;
		reader_end(reader, answer->text, why);
		return false;
	}
	if (answer->type != RESP_ARRAY && (answer->type != RESP_NIL || question->kind != ASK_ENTRIES)) {
		reader_lost(reader, "unexpected answer on the connection of the stream", true);
		return false;
	}
	reader->answered++;
	if (reader->state == READER_PLACING && reader->answered == reader->asked) {
		reader_all_placed(reader);
	} else if (reader->state == READER_READING) {
		if (question->kind == ASK_POSITION && !question->stream->there)
			reader_count_gap(reader, question->stream);
		if (question->kind == ASK_ENTRIES) {
			reader->attempts = 0; /* a server may answer the other questions and refuse this one */
			reader->doubtful = false;
			reader->ops->on_reads(reader->arg);
			reader_ask_entries(reader);
		}
	}
	return reader->state != READER_CLOSED;
}

static const struct streams_parser_ops parser_ops = {
	reader_expects, reader_on_stream, reader_on_entry, reader_on_too_big, reader_on_answer};

/* ------------------------------------------------------------------- link */

static void
reader_on_ready(struct bus_link *link)
{
	struct streams_reader *reader = link->arg;

	reader->connects++;
	reader->state = READER_PLACING;
	for (unsigned i = 0; i < reader->count; i++) {
		if (reader->streams[i].placed)
			reader_ask_position(reader, &reader->streams[i]);
		reader_ask_last(reader, &reader->streams[i]);
	}
	reader_arm(reader, reader->timeout_ms);
}

static void
reader_on_bytes(struct bus_link *link, struct text bytes)
{
	struct streams_reader *reader = link->arg;
	int rc = streams_parser_feed(&reader->parser, (const uint8_t *)bytes.at, bytes.n);
	char why[BUS_WHY_MAX];

	if (rc == 0 || rc == ERROR_CLOSED)
		return;
	snprintf(why, sizeof why, "malformed answer from the server: %s", error_text(rc));
	reader_lost(reader, why, true);
}

static void
reader_on_drain(struct bus_link *link)
{
	(void)link;
}

static void
reader_on_link_lost(struct bus_link *link, const char *why, bool malformed)
{
	reader_lost(link->arg, why, malformed);
}

static const struct bus_link_ops link_ops = {.on_ready = reader_on_ready,
	.on_drain = reader_on_drain,
	.on_lost = reader_on_link_lost,
	.on_bytes = reader_on_bytes};

static void
reader_dial(struct streams_reader *reader)
{
	reader->state = READER_CONNECTING;
	reader_arm(reader, 2 * reader->timeout_ms);
	bus_link_open(&reader->link);
}

static void
reader_on_timer(struct wheel_entry *entry)
{
	struct streams_reader *reader = container_of(entry, struct streams_reader, timer);

	if (reader->state == READER_PAUSING)
		reader_dial(reader);
	else if (reader->link.read != reader->read_before)
		reader_arm(reader, reader->timeout_ms); /* a long answer is still coming */
	else
		reader_lost(reader, "timed out waiting for an answer", false);
}

/* ------------------------------------------------------------------- life */

struct streams_reader *
streams_reader_new(struct loop *l, const struct streams_server *server, const struct streams_reader_options *options,
	const struct streams_reader_ops *ops, void *arg)
{
	struct streams_reader *reader = mem_zalloc(sizeof *reader + options->count * sizeof(struct reader_stream));
	size_t size = 0;
	char *at;

	must(options->count > 0 && options->count <= WIRE_STREAM_NAMES_MAX);
	for (unsigned i = 0; i < options->count; i++)
		size += options->names[i].n;
	reader->loop = l;
	reader->ops = ops;
	reader->arg = arg;
	reader->read_count = options->read_count;
	reader->block_ms = options->block_ms;
	reader->timeout_ms = options->timeout_ms;
	reader->count = options->count;
	reader->questions_max = 2 * options->count + 1;
	reader->questions = mem_alloc(reader->questions_max * sizeof *reader->questions);
	reader->names = at = mem_alloc(size);
	for (unsigned i = 0; i < options->count; i++) {
		reader->streams[i].name = text_of(at, options->names[i].n);
		at = mempcpy(at, options->names[i].at, options->names[i].n);
	}
	streams_server_init_link(server, l, options->timeout_ms, &reader->link, &link_ops, reader);
	streams_parser_init(&reader->parser, &parser_ops, reader);
	wheel_entry_init(&reader->timer, reader_on_timer);
	return reader;
}

void
streams_reader_free(struct streams_reader *reader)
{
	reader_close_link(reader);
	streams_parser_fini(&reader->parser);
	mem_free(reader->questions);
	mem_free(reader->names);
	mem_free(reader);
}

void
streams_reader_connect(struct streams_reader *reader)
{
	if (reader->state == READER_CLOSED)
		return;
	reader_close_link(reader);
	reader->retries = true;
	reader->attempts = 0;
	reader_dial(reader);
}

void
streams_reader_rest(struct streams_reader *reader)
{
	reader->retries = false;
	if (reader->state != READER_PAUSING && reader->state != READER_CONNECTING)
		return;
	reader_close_link(reader);
	reader->state = READER_RESTING;
}

void
streams_reader_close(struct streams_reader *reader)
{
	bus_link_close(&reader->link);
	loop_disarm(reader->loop, &reader->timer);
	reader->state = READER_CLOSED;
}

bool
streams_reader_awaits(const struct streams_reader *reader)
{
	return !reader_is_placed(reader) && !reader->hopeless;
}

bool
streams_reader_reads(const struct streams_reader *reader)
{
	return reader->state == READER_READING;
}

struct wire_stream_id
streams_reader_position(const struct streams_reader *reader, unsigned stream)
{
	must(stream < reader->count);
	return reader->streams[stream].position;
}

struct wire_stream_id
streams_reader_passed(const struct streams_reader *reader, unsigned stream)
{
	must(stream < reader->count);
	return reader->streams[stream].passed;
}

void
streams_reader_stats(const struct streams_reader *reader, struct bus_stats *out)
{
	out->received += reader->entries;
	out->bytes_received += reader->bytes;
	out->gaps += reader->gaps;
	out->malformed += reader->malformed;
	out->connects += reader->connects;
}
