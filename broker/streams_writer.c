/*
 * States of the writer:
 *
 *   state       event                                                       next state
 *   RESTING     streams_writer_connect()                                    CONNECTING
 *   CONNECTING  logged in: ask which process the server is                  NAMING
 *   NAMING      answered: end the old connection, look for the messages     CHECKING
 *   CHECKING    the streams have been read to their ends                    WRITING
 *   PAUSING     the pause is over                                           CONNECTING
 *   any         the link is lost, or the server refuses                     PAUSING, or RESTING after
 *                                                                           streams_writer_rest()
 *   WRITING     streams_writer_close()                                      CLOSING
 *   CLOSING     every message is answered, flush_ms have passed, or the     CLOSED
 *               link is lost
 *   other       streams_writer_close()                                      CLOSED
 */
#include "broker/streams_writer.h"

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
#define QUEUED_MAX                                                                                                   \
	(1 << 20)	   /* bytes queued in the connection; further messages wait here, where they can be dropped */
#define SENT_MAX (8 << 20) /* bytes of messages sent and not answered */
#define CHECK_COUNT 1000   /* entries of one answer while the writer looks for its messages */
#define RUN_ID_MAX 64

enum writer_state {
	WRITER_RESTING,
	WRITER_CONNECTING,
	WRITER_NAMING,
	WRITER_CHECKING,
	WRITER_WRITING,
	WRITER_PAUSING,
	WRITER_CLOSING,
	WRITER_CLOSED
};

struct writer_message {
	struct list link; /* in `waiting` or `sent` */
	struct block *command;
	uint64_t since; /* loop time at which it was queued */
	uint32_t fields;
	unsigned stream;
	bool doubtful; /* sent on an earlier connection and not answered there */
};

struct writer_stream {
	struct text name;
	bool known;		    /* `low` is known */
	struct wire_stream_id low;  /* no entry up to this one is an unanswered message */
	bool there;		    /* the server still has the entry `low` */
	struct wire_stream_id seen; /* newest entry read while checking */
	unsigned entries;	    /* of the last answer */
	struct list *next;	    /* where the search for the next entry's message begins; NULL: at the first */
};

struct writer_question {
	enum { ASK_SERVER, ASK_CLIENT, ASK_KILL, ASK_NEWEST, ASK_LOW, ASK_TAIL } kind;
	struct writer_stream *stream; /* of ASK_NEWEST, ASK_LOW and ASK_TAIL */
};

struct streams_writer {
	struct loop *loop;
	const struct streams_writer_ops *ops;
	void *arg;
	struct bus_link link;
	struct streams_parser parser;
	struct wheel_entry timer; /* the pause, the deadline of an answer, or that of the flush */
	struct loop_call call;	  /* reports the end */
	enum writer_state state;
	bool retries;
	bool careful; /* the server refused a message: send one at a time until one is accepted */
	unsigned attempts;
	uint64_t max_queue, max_age_ms, timeout_ms, read_before, flush_until;
	struct log_limit log_limit;
	struct list waiting, sent; /* struct writer_message */
	uint64_t waiting_bytes, sent_bytes;
	char run_id[RUN_ID_MAX]; /* of the process that this connection leads to; empty: unknown */
	int64_t client;		 /* number of this connection at the server; 0: unknown */
	char last_run_id[RUN_ID_MAX];
	int64_t last_client; /* those of the last connection with unanswered messages */
	char *names;
	unsigned count, questions_max;
	unsigned asked, answered;
	struct writer_question *questions; /* a ring */
	uint64_t published, bytes, dropped, refused, expired, uncertain, malformed, connects;
	void (*closed)(void *arg, uint64_t left_ms);
	void *closed_arg;
	struct writer_stream streams[];
};

/* ---------------------------------------------------------------- messages */

static size_t
message_cost(const struct writer_message *message)
{
	return sizeof *message + message->command->len;
}

static void
message_free(struct writer_message *message)
{
	list_remove(&message->link);
	block_unref(message->command);
	mem_free(message);
}

static void
writer_drop_waiting(struct streams_writer *writer, struct writer_message *message)
{
	writer->waiting_bytes -= message_cost(message);
	message_free(message);
}

static struct writer_message *
message_first(struct list *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct writer_message, link);
}

static bool
writer_drop_expired(struct streams_writer *writer, struct writer_message *message)
{
	if (writer->max_age_ms == 0 || writer->loop->now - message->since <= writer->max_age_ms)
		return false;
	writer->expired++;
	writer_drop_waiting(writer, message);
	return true;
}

/* Sends waiting messages until enough are unanswered. */
static void
writer_send(struct streams_writer *writer)
{
	struct writer_message *message;
	bool idle = list_empty(&writer->sent);

	while ((message = message_first(&writer->waiting)) != NULL) {
		if (writer_drop_expired(writer, message))
			continue;
		if (conn_queued(writer->link.conn) >= QUEUED_MAX || writer->sent_bytes >= SENT_MAX ||
			(writer->careful && !list_empty(&writer->sent)))
			break;
		conn_send(writer->link.conn, message->command, 0, message->command->len);
		writer->waiting_bytes -= message_cost(message);
		writer->sent_bytes += message_cost(message);
		list_remove(&message->link);
		list_add_tail(&writer->sent, &message->link);
	}
	if (idle && !list_empty(&writer->sent) && writer->state == WRITER_WRITING) {
		writer->read_before = writer->link.read;
		loop_arm(writer->loop, &writer->timer, writer->timeout_ms);
	}
}

static bool
writer_is_open(const struct streams_writer *writer)
{
	return writer->state == WRITER_WRITING || writer->state == WRITER_CLOSING;
}

static int
writer_refuse(struct streams_writer *writer, size_t size)
{
	writer->refused++;
	if (log_allow(&writer->log_limit, 1, writer->loop->now))
		log_event(LOG_WARN, "stream", "error",
			LOG_STR("message refused: it has to wait and is larger than redisMaxQueue"), "bytes",
			LOG_INT(size), "max", LOG_INT(writer->max_queue), NULL);
	return ERROR_TOO_BIG;
}

static void
writer_keep_limit(struct streams_writer *writer)
{
	while (writer->waiting_bytes > writer->max_queue) {
		writer_drop_waiting(writer, message_first(&writer->waiting));
		writer->dropped++;
		if (log_allow(&writer->log_limit, 1, writer->loop->now))
			log_event(LOG_WARN, "stream", "error",
				LOG_STR("redisMaxQueue is full: oldest messages dropped"), "dropped",
				LOG_INT(writer->dropped), NULL);
	}
}

int
streams_writer_add(struct streams_writer *writer, unsigned stream, struct block *command, size_t fields)
{
	struct writer_message *message;
	size_t size = sizeof *message + command->len;
	bool flows = streams_writer_flows(writer);

	must(stream < writer->count && fields < command->len);
	if (writer->state == WRITER_CLOSED || writer->state == WRITER_CLOSING)
		return ERROR_CLOSED;
	if (!flows && size > writer->max_queue)
		return writer_refuse(writer, size);
	message = mem_alloc(sizeof *message);
	*message = (struct writer_message){.command = block_ref(command),
		.since = writer->loop->now,
		.fields = (uint32_t)fields,
		.stream = stream};
	list_add_tail(&writer->waiting, &message->link);
	writer->waiting_bytes += size;
	if (writer_is_open(writer))
		writer_send(writer);
	writer_keep_limit(writer);
	return 0;
}

/* ------------------------------------------------------------- loss, retry */

/* The unanswered messages go back to the head of the queue. */
static void
writer_doubt_sent(struct streams_writer *writer)
{
	struct list *it;

	for (it = writer->sent.next; it != &writer->sent; it = it->next)
		container_of(it, struct writer_message, link)->doubtful = true;
	if (!list_empty(&writer->sent)) {
		memcpy(writer->last_run_id, writer->run_id, sizeof writer->run_id);
		writer->last_client = writer->client;
	}
	list_move_all(&writer->sent, &writer->waiting);
	list_move_all(&writer->waiting, &writer->sent);
	writer->waiting_bytes += writer->sent_bytes;
	writer->sent_bytes = 0;
}

static void
writer_close_link(struct streams_writer *writer)
{
	bus_link_close(&writer->link);
	streams_parser_reset(&writer->parser);
	writer->asked = writer->answered = 0;
	loop_disarm(writer->loop, &writer->timer);
	writer_doubt_sent(writer);
}

static void
writer_finish(struct streams_writer *writer)
{
	struct writer_message *message;

	writer_close_link(writer);
	while ((message = message_first(&writer->waiting)) != NULL) {
		writer->uncertain += message->doubtful;
		writer->dropped += !message->doubtful;
		writer_drop_waiting(writer, message);
	}
	writer->state = WRITER_CLOSED;
	loop_defer(writer->loop, &writer->call);
}

static void
writer_lost(struct streams_writer *writer, const char *why, bool malformed)
{
	uint64_t pause = writer->attempts < 5 ? (uint64_t)PAUSE_MIN_MS << writer->attempts : PAUSE_MAX_MS;

	writer->malformed += malformed;
	if (writer->state == WRITER_CLOSING) {
		writer_finish(writer);
		return;
	}
	writer_close_link(writer);
	writer->attempts++;
	pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
	pause = pause / 2 + random_below((uint32_t)(pause / 2) + 1);
	if (log_allow(&writer->log_limit, 1, writer->loop->now))
		log_event(LOG_ERROR, "stream", "writer", LOG_STR("down"), "reason", LOG_STR(why), "waiting_bytes",
			LOG_INT(writer->waiting_bytes), NULL);
	writer->state = writer->retries ? WRITER_PAUSING : WRITER_RESTING;
	if (writer->retries)
		loop_arm(writer->loop, &writer->timer, pause);
}

/* --------------------------------------------------------------- questions */

static void
writer_arm(struct streams_writer *writer, uint64_t after_ms)
{
	writer->read_before = writer->link.read;
	loop_arm(writer->loop, &writer->timer, after_ms);
}

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
 * connections have other numbers. A server that does not let this user do so may read those messages later.
 */
static void
writer_ask_kill(struct streams_writer *writer)
{
	char id[24];
	struct text args[] = {TEXT("CLIENT"), TEXT("KILL"), TEXT("ID"), TEXT_NONE};
	bool same = writer->run_id[0] != '\0' && strcmp(writer->run_id, writer->last_run_id) == 0;

	if (!same || writer->last_client == 0 || message_first(&writer->waiting) == NULL ||
		!message_first(&writer->waiting)->doubtful)
		return;
	args[3] = text_of(id, (size_t)snprintf(id, sizeof id, "%lld", (long long)writer->last_client));
	writer_ask(writer, ASK_KILL, NULL, 4, args);
}

static void writer_start_writing(struct streams_writer *writer);

static void
writer_start_checking(struct streams_writer *writer)
{
	writer->state = WRITER_CHECKING;
	writer_ask_kill(writer);
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
		writer_start_writing(writer);
	else
		writer_arm(writer, writer->timeout_ms);
}

/* ----------------------------------------------------------------- writing */

/* The streams have been read: the doubtful messages that are left were not written. */
static void
writer_resolve_doubts(struct streams_writer *writer)
{
	struct list *it, *next;
	uint64_t uncertain = 0;

	list_each(it, next, &writer->waiting)
	{
		struct writer_message *message = container_of(it, struct writer_message, link);
		const struct writer_stream *stream = &writer->streams[message->stream];

		if (!message->doubtful)
			break;
		message->doubtful = false;
		if (stream->there || wire_stream_id_compare(stream->seen, stream->low) == 0)
			continue;
		writer_drop_waiting(writer, message);
		uncertain++;
	}
	writer->uncertain += uncertain;
	if (uncertain > 0)
		log_event(LOG_WARN, "stream", "warning",
			LOG_STR("cannot tell whether messages were written: the stream was trimmed or emptied"),
			"messages", LOG_INT(uncertain), NULL);
}

static void
writer_start_writing(struct streams_writer *writer)
{
	writer_resolve_doubts(writer);
	loop_disarm(writer->loop, &writer->timer);
	writer->state = WRITER_WRITING;
	if (!writer->careful) {
		writer->attempts = 0;
		log_event(LOG_INFO, "stream", "writer", LOG_STR("up"), "waiting_bytes",
			LOG_INT(writer->waiting_bytes), NULL);
	}
	writer_send(writer);
}

/* The oldest unanswered message has been added. */
static void
writer_on_added(struct streams_writer *writer, struct wire_stream_id id)
{
	struct writer_message *message = message_first(&writer->sent);
	struct writer_stream *stream = &writer->streams[message->stream];

	stream->low = id;
	stream->known = true;
	writer->careful = false;
	writer->attempts = 0;
	writer->published++;
	writer->bytes += message->command->len - message->fields;
	writer->sent_bytes -= message_cost(message);
	message_free(message);
	writer_send(writer);
	if (writer->state == WRITER_CLOSING && list_empty(&writer->sent))
		writer_finish(writer);
	else if (writer->state == WRITER_WRITING && list_empty(&writer->sent))
		loop_disarm(writer->loop, &writer->timer);
}

/* ---------------------------------------------------------------- checking */

/* Finds the doubtful message that this entry is, behind those found before, and removes it. */
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
		for (unsigned i = 0; i < writer->count; i++) {
			if (writer->streams[i].next == it)
				writer->streams[i].next = it->next;
		}
		stream->next = it->next;
		writer->published++;
		writer->bytes += fields.n;
		writer_drop_waiting(writer, message);
		return;
	}
}

static const struct writer_question *
writer_question(const struct streams_writer *writer)
{
	if (writer->asked == writer->answered)
		return NULL;
	return &writer->questions[writer->answered % writer->questions_max];
}

static enum streams_shape
writer_expects(void *arg)
{
	const struct streams_writer *writer = arg;
	const struct writer_question *question = writer_question(writer);

	if (question == NULL)
		return list_empty(&writer->sent) && writer->link.renewal == NULL ? STREAMS_NOTHING : STREAMS_SCALAR;
	return question->kind >= ASK_NEWEST ? STREAMS_ENTRIES : STREAMS_SCALAR;
}

static bool
writer_on_stream(void *arg, struct text name, unsigned entries)
{
	(void)arg;
	(void)name;
	(void)entries;
	return true;
}

static void
writer_take_id(struct streams_writer *writer, struct wire_stream_id id)
{
	const struct writer_question *question = writer_question(writer);

	if (question->kind == ASK_NEWEST)
		question->stream->low = id;
	else if (question->kind == ASK_LOW)
		question->stream->there = true;
	else
		question->stream->entries++;
	if (question->kind == ASK_TAIL)
		question->stream->seen = id;
}

static bool
writer_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	struct streams_writer *writer = arg;
	const struct writer_question *question = writer_question(writer);

	writer_take_id(writer, entry->id);
	if (question->kind == ASK_TAIL && writer->ops->may_own(writer->arg, entry))
		writer_find_message(writer, question->stream, entry);
	return true;
}

static bool
writer_on_too_big(void *arg, struct wire_stream_id id)
{
	writer_take_id(arg, id); /* not a message of this node, whose messages are smaller */
	return true;
}

/* ----------------------------------------------------------------- answers */

static void
writer_read_run_id(struct streams_writer *writer, struct text info)
{
	static const char key[] = "run_id:";
	const char *at = info.n > 0 ? memmem(info.at, info.n, key, sizeof key - 1) : NULL;
	size_t n = 0;

	writer->run_id[0] = '\0';
	if (at == NULL)
		return;
	at += sizeof key - 1;
	while (at + n < info.at + info.n && at[n] != '\r' && at[n] != '\n')
		n++;
	if (n < sizeof writer->run_id) {
		memcpy(writer->run_id, at, n);
		writer->run_id[n] = '\0';
	}
}

static void
writer_on_question_answered(struct streams_writer *writer, const struct resp_item *answer)
{
	struct writer_question question = *writer_question(writer);

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
		writer_start_writing(writer);
}

/* A server that hides its name or does not end connections for this user is written to nevertheless. */
static bool
writer_may_refuse(const struct writer_question *question)
{
	return question != NULL && question->kind <= ASK_KILL;
}

static bool
writer_on_answer(void *arg, const struct resp_item *answer)
{
	struct streams_writer *writer = arg;
	const struct writer_question *question = writer_question(writer);
	struct wire_stream_id id;
	const struct resp reply = {.type = answer->type, .text = answer->text};
	char why[BUS_WHY_MAX];

	if (bus_login_is_renewal(&writer->link, &reply))
		return writer->link.conn != NULL;
	if (answer->type == RESP_ERROR && !writer_may_refuse(question)) {
		bus_error_write(why, "writing to the stream refused", answer->text, writer->link.password);
		writer->careful = true;
		writer_lost(writer, why, false);
		return false;
	}
	if (question != NULL && (question->kind < ASK_NEWEST || answer->type == RESP_ARRAY)) {
		writer_on_question_answered(writer, answer);
		return true;
	}
	if (question != NULL || answer->type != RESP_BULK || wire_stream_id_parse(answer->text, &id) < 0) {
		writer_lost(writer, "unexpected answer on the connection of the stream", true);
		return false;
	}
	writer_on_added(writer, id);
	return writer->link.conn != NULL;
}

static const struct streams_parser_ops parser_ops = {
	writer_expects, writer_on_stream, writer_on_entry, writer_on_too_big, writer_on_answer};

/* ------------------------------------------------------------------- link */

static void
writer_on_ready(struct bus_link *link)
{
	struct streams_writer *writer = link->arg;
	static const struct text server[] = {{"INFO", 4}, {"server", 6}}, client[] = {{"CLIENT", 6}, {"ID", 2}};

	writer->connects++;
	writer->state = WRITER_NAMING;
	writer->client = 0;
	writer_ask(writer, ASK_SERVER, NULL, 2, server);
	writer_ask(writer, ASK_CLIENT, NULL, 2, client);
	writer_arm(writer, writer->timeout_ms);
}

static void
writer_on_bytes(struct bus_link *link, struct text bytes)
{
	struct streams_writer *writer = link->arg;
	int rc = streams_parser_feed(&writer->parser, (const uint8_t *)bytes.at, bytes.n);
	char why[BUS_WHY_MAX];

	if (rc == 0 || rc == ERROR_CLOSED)
		return;
	snprintf(why, sizeof why, "malformed answer from the server: %s", error_text(rc));
	writer_lost(writer, why, true);
}

static void
writer_on_drain(struct bus_link *link)
{
	struct streams_writer *writer = link->arg;

	if (writer_is_open(writer))
		writer_send(writer);
}

static void
writer_on_link_lost(struct bus_link *link, const char *why, bool malformed)
{
	writer_lost(link->arg, why, malformed);
}

static const struct bus_link_ops link_ops = {.on_ready = writer_on_ready,
	.on_drain = writer_on_drain,
	.on_lost = writer_on_link_lost,
	.on_bytes = writer_on_bytes};

static void
writer_dial(struct streams_writer *writer)
{
	writer->state = WRITER_CONNECTING;
	writer_arm(writer, 2 * writer->timeout_ms);
	bus_link_open(&writer->link);
}

static void
writer_on_timer(struct wheel_entry *entry)
{
	struct streams_writer *writer = container_of(entry, struct streams_writer, timer);

	if (writer->state == WRITER_PAUSING)
		writer_dial(writer);
	else if (writer->state == WRITER_CLOSING)
		writer_finish(writer);
	else if (writer->link.read != writer->read_before)
		writer_arm(writer, writer->timeout_ms);
	else
		writer_lost(writer, "timed out waiting for an answer", false);
}

/* ------------------------------------------------------------------- life */

static void
writer_on_turn_end(struct loop_call *call)
{
	struct streams_writer *writer = container_of(call, struct streams_writer, call);
	uint64_t now = writer->loop->now;

	writer->closed(writer->closed_arg, writer->flush_until > now ? writer->flush_until - now : 0);
}

struct streams_writer *
streams_writer_new(struct loop *l, struct bus *bus, const struct streams_writer_options *options,
	const struct streams_writer_ops *ops, void *arg)
{
	struct streams_writer *writer = mem_zalloc(sizeof *writer + options->count * sizeof(struct writer_stream));
	size_t size = 0;
	char *at;

	must(options->count > 0 && options->count <= WIRE_STREAM_NAMES_MAX);
	for (unsigned i = 0; i < options->count; i++)
		size += options->names[i].n;
	writer->loop = l;
	writer->ops = ops;
	writer->arg = arg;
	writer->max_queue = options->max_queue;
	writer->max_age_ms = options->max_age_ms;
	writer->timeout_ms = options->timeout_ms;
	writer->count = options->count;
	writer->questions_max = 2 * options->count + 1;
	writer->questions = mem_alloc(writer->questions_max * sizeof *writer->questions);
	writer->names = at = mem_alloc(size);
	for (unsigned i = 0; i < options->count; i++) {
		writer->streams[i].name = text_of(at, options->names[i].n);
		at = mempcpy(at, options->names[i].at, options->names[i].n);
	}
	list_init(&writer->waiting);
	list_init(&writer->sent);
	bus_init_side_link(bus, &writer->link, &link_ops, writer);
	writer->link.subscribes = false;
	streams_parser_init(&writer->parser, &parser_ops, writer);
	wheel_entry_init(&writer->timer, writer_on_timer);
	loop_call_init(&writer->call, writer_on_turn_end);
	return writer;
}

void
streams_writer_free(struct streams_writer *writer)
{
	must(list_empty(&writer->waiting) && list_empty(&writer->sent));
	loop_call_cancel(&writer->call);
	streams_parser_fini(&writer->parser);
	mem_free(writer->questions);
	mem_free(writer->names);
	mem_free(writer);
}

void
streams_writer_connect(struct streams_writer *writer)
{
	if (writer->state == WRITER_CLOSED || writer->state == WRITER_CLOSING)
		return;
	writer_close_link(writer);
	writer->retries = true;
	writer_dial(writer);
}

void
streams_writer_rest(struct streams_writer *writer)
{
	writer->retries = false;
	if (writer->state != WRITER_PAUSING && writer->state != WRITER_CONNECTING)
		return;
	writer_close_link(writer);
	writer->state = WRITER_RESTING;
}

void
streams_writer_close(
	struct streams_writer *writer, uint64_t flush_ms, void (*closed)(void *arg, uint64_t left_ms), void *arg)
{
	bool open = writer->state == WRITER_WRITING;

	writer->closed = closed;
	writer->closed_arg = arg;
	writer->flush_until = writer->loop->now + flush_ms;
	if (!open || flush_ms == 0 || (list_empty(&writer->waiting) && list_empty(&writer->sent))) {
		writer_finish(writer);
		return;
	}
	writer->state = WRITER_CLOSING;
	loop_arm(writer->loop, &writer->timer, flush_ms);
}

bool
streams_writer_writes(const struct streams_writer *writer)
{
	return writer->state == WRITER_WRITING && !writer->careful;
}

bool
streams_writer_flows(const struct streams_writer *writer)
{
	return streams_writer_writes(writer) && list_empty(&writer->waiting) &&
	       conn_queued(writer->link.conn) < QUEUED_MAX && writer->sent_bytes < SENT_MAX;
}

void
streams_writer_stats(const struct streams_writer *writer, struct bus_stats *out)
{
	out->published += writer->published;
	out->bytes_published += writer->bytes;
	out->dropped += writer->dropped;
	out->refused += writer->refused;
	out->expired += writer->expired;
	out->uncertain += writer->uncertain;
	out->malformed += writer->malformed;
	out->connects += writer->connects;
	out->queue_bytes += writer->waiting_bytes + writer->sent_bytes;
}
