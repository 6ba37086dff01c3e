/*
 * Searches the streams for doubtful messages: those that a lost connection has sent without an answer, and those that
 * another server has answered. streams_writer.h has the steps.
 */
#include <stdio.h>

#include "broker/server_info.h"
#include "broker/streams_writer_internal.h"
#include "common/base/must.h"

#define CHECK_COUNT 1000 /* entries of one answer while the writer looks for its messages */

/* --------------------------------------------------------------- questions */

static void
writer_ask(struct streams_writer *writer, unsigned kind, struct writer_stream *stream, unsigned count,
	const struct text *args)
{
	struct writer_question *question = &writer->questions[writer->asked % writer->questions_max];

	must(writer->asked - writer->answered < writer->questions_max);
	question->kind = kind;
	question->stream = stream;
	writer->asked++;
	bus_link_send(&writer->link, count, args);
}

static void
writer_ask_newest(struct streams_writer *writer, struct writer_stream *stream)
{
	struct text args[] = {TEXT("XREVRANGE"), stream->name, TEXT("+"), TEXT("-"), TEXT("COUNT"), TEXT("1")};

	writer_ask(writer, ASK_NEWEST, stream, 6, args);
}

static void
writer_ask_low(struct streams_writer *writer, struct writer_stream *stream)
{
	char id[WIRE_STREAM_ID_SIZE];
	struct text at = text_of(id, wire_stream_id_write(stream->low, id));
	struct text args[] = {TEXT("XRANGE"), stream->name, at, at};

	stream->there = wire_stream_id_is_zero(stream->low);
	if (!stream->there)
		writer_ask(writer, ASK_LOW, stream, 4, args);
}

static void
writer_ask_tail(struct streams_writer *writer, struct writer_stream *stream)
{
	char id[WIRE_STREAM_ID_SIZE], count[16];
	struct text args[] = {TEXT("XRANGE"), stream->name,
		text_of(id, wire_stream_id_write(wire_stream_id_next(stream->seen), id)), TEXT("+"), TEXT("COUNT"),
		text_of(count, (size_t)snprintf(count, sizeof count, "%d", CHECK_COUNT))};

	stream->entries = 0;
	writer_ask(writer, ASK_TAIL, stream, 6, args);
}

static bool
writer_doubts(const struct streams_writer *writer, unsigned stream)
{
	for (const struct list *it = writer->waiting.next; it != &writer->waiting; it = it->next) {
		const struct writer_message *message = container_of(it, struct writer_message, link);

		if (!message->doubtful)
			return false; /* the doubtful ones are the first */
		if (message->stream == stream)
			return true;
	}
	return false;
}

/*
 * Ends the connection on which the unanswered messages were sent, unless the server is another process now: its
 * connections have other numbers. A server that refuses this to the user may read those messages later.
 */
static void
writer_ask_kill(struct streams_writer *writer)
{
	char id[24];
	struct text args[] = {TEXT("CLIENT"), TEXT("KILL"), TEXT("ID"), TEXT_NONE};
	bool same = writer->run_id[0] != '\0' && strcmp(writer->run_id, writer->last_run_id) == 0;

	if (!same || writer->last_client == 0 || streams_message_first(&writer->waiting) == NULL ||
		!streams_message_first(&writer->waiting)->doubtful)
		return;
	args[3] = text_of(id, (size_t)snprintf(id, sizeof id, "%lld", (long long)writer->last_client));
	writer_ask(writer, ASK_KILL, NULL, 4, args);
}

/* A server that hides its run id cannot be told from another. */
static void
writer_doubt_kept(struct streams_writer *writer)
{
	if (writer->run_id[0] == '\0')
		streams_writer_forget_kept(writer);
	else if (strcmp(writer->run_id, writer->kept_run_id) != 0)
		streams_writer_doubt_kept(writer);
}

static void
writer_start_checking(struct streams_writer *writer)
{
	writer->state = WRITER_CHECKING;
	writer_ask_kill(writer);
	writer_doubt_kept(writer);
	for (unsigned i = 0; i < writer->count; i++) {
		struct writer_stream *stream = &writer->streams[i];

		stream->next = NULL;
		stream->seen = stream->low;
		if (!stream->known) {
			writer_ask_newest(writer, stream);
		} else if (writer_doubts(writer, i)) {
			writer_ask_low(writer, stream);
			writer_ask_tail(writer, stream);
		}
	}
	if (writer->asked == writer->answered)
		streams_writer_start_writing(writer);
	else
		streams_writer_arm(writer, writer->timeout_ms);
}

void
streams_writer_ask_names(struct streams_writer *writer)
{
	static const struct text server[] = {{"INFO", 4}, {"server", 6}}, client[] = {{"CLIENT", 6}, {"ID", 2}};

	writer->client = 0;
	writer_ask(writer, ASK_SERVER, NULL, 2, server);
	writer_ask(writer, ASK_CLIENT, NULL, 2, client);
}

/* ---------------------------------------------------------------- checking */

/* Searches the doubtful messages, from the last one found on, for the message of this entry, and removes it. */
static void
writer_find_message(
	struct streams_writer *writer, struct writer_stream *stream, const struct wire_stream_entry *entry)
{
	struct list *it = stream->next != NULL ? stream->next : writer->waiting.next;

	for (; it != &writer->waiting; it = it->next) {
		struct writer_message *message = container_of(it, struct writer_message, link);
		struct text fields = text_of((const char *)message->command->data + message->fields,
			message->command->len - message->fields);

		if (!message->doubtful)
			return;
		if (&writer->streams[message->stream] != stream || !text_is(fields, entry->fields))
			continue;
		stream->next = it->next;
		streams_writer_count_published(writer, message);
		streams_writer_drop_waiting(writer, message);
		return;
	}
}

const struct writer_question *
streams_writer_question(const struct streams_writer *writer)
{
	if (writer->asked == writer->answered)
		return NULL;
	return &writer->questions[writer->answered % writer->questions_max];
}

static void
writer_take_id(struct streams_writer *writer, struct wire_stream_id id)
{
	const struct writer_question *question = streams_writer_question(writer);

	if (question->kind == ASK_NEWEST)
		question->stream->low = id;
	else if (question->kind == ASK_LOW)
		question->stream->there = true;
	else
		question->stream->entries++;
	if (question->kind == ASK_TAIL)
		question->stream->seen = id;
}

bool
streams_writer_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	struct streams_writer *writer = arg;
	const struct writer_question *question = streams_writer_question(writer);

	writer_take_id(writer, entry->id);
	if (question->kind == ASK_TAIL && writer->ops->may_own(writer->arg, entry))
		writer_find_message(writer, question->stream, entry);
	return true;
}

bool
streams_writer_on_too_big(void *arg, struct wire_stream_id id)
{
	writer_take_id(arg, id); /* not a message of this node, whose messages are smaller */
	return true;
}

/*
 * The walk has reached `place`. In a stream whose search would go on there, the remaining messages come after the
 * last one found: `next` becomes NULL.
 */
static void
writer_pass(struct streams_writer *writer, const struct list *place)
{
	for (unsigned i = 0; i < writer->count; i++) {
		if (writer->streams[i].next == place)
			writer->streams[i].next = NULL;
	}
}

/*
 * The streams have been read. A message that was not found is missing from the stream if an earlier message was
 * found, or if the entry before all of them is there. The writer adds a missing message, even if another server had
 * answered it, before the messages that wait.
 */
void
streams_writer_resolve_doubts(struct streams_writer *writer)
{
	struct list *it, *next;
	uint64_t uncertain = 0;

	for (unsigned i = 0; i < writer->count; i++)
		writer->streams[i].found = writer->streams[i].next != NULL;
	list_each(it, next, &writer->waiting)
	{
		struct writer_message *message = container_of(it, struct writer_message, link);
		const struct writer_stream *stream = &writer->streams[message->stream];
		bool trimmed = !stream->there && wire_stream_id_compare(stream->seen, stream->low) != 0, written;

		if (!message->doubtful)
			break;
		message->doubtful = false;
		writer_pass(writer, it);
		/* another server answered it, and this one has a later message, so it has had this one too */
		written = message->answered != 0 && stream->next != NULL;
		if (!written && (!trimmed || (stream->found && stream->next == NULL)))
			continue;
		streams_writer_drop_waiting(writer, message);
		uncertain += !written;
	}
	writer->uncertain += uncertain;
	if (uncertain > 0)
		log_event(LOG_WARN, "stream", "warning",
			LOG_STR("cannot tell whether messages were written: the stream was trimmed or emptied"),
			"messages", LOG_INT(uncertain), NULL);
}

/* ----------------------------------------------------------------- answers */

static void
writer_read_run_id(struct streams_writer *writer, struct text info)
{
	struct text value = server_info_value(info, TEXT("run_id:"));

	writer->run_id[0] = '\0';
	if (value.n > 0 && value.n < sizeof writer->run_id)
		snprintf(writer->run_id, sizeof writer->run_id, "%.*s", (int)value.n, value.at);
}

void
streams_writer_on_question_answered(struct streams_writer *writer, const struct resp_item *answer)
{
	struct writer_question question = *streams_writer_question(writer);

	writer->answered++;
	if (question.kind == ASK_SERVER)
		writer_read_run_id(writer, answer->type == RESP_BULK ? answer->text : TEXT_NONE);
	else if (question.kind == ASK_CLIENT)
		writer->client = answer->type == RESP_INTEGER ? answer->integer : 0;
	else if (question.kind == ASK_NEWEST)
		question.stream->known = true;
	else if (question.kind == ASK_TAIL && question.stream->entries == CHECK_COUNT)
		writer_ask_tail(writer, question.stream);
	if (writer->asked != writer->answered)
		return;
	if (writer->state == WRITER_NAMING)
		writer_start_checking(writer);
	else
		streams_writer_start_writing(writer);
}

/* Returns true if the writer uses the server even if it refuses this: to tell its run id, or to end a connection. */
bool
streams_writer_may_refuse(const struct writer_question *question)
{
	return question != NULL && question->kind <= ASK_KILL;
}
