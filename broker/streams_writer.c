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
#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_login.h"
#include "broker/streams_writer_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"

#define PAUSE_MIN_MS 100 /* first pause before a reconnect; doubled each time, up to PAUSE_MAX_MS */
#define PAUSE_MAX_MS 1000

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
	streams_writer_forget_kept(writer);
	while ((message = streams_message_first(&writer->waiting)) != NULL) {
		writer->uncertain += message->doubtful;
		writer->dropped += !message->doubtful;
		streams_writer_drop_waiting(writer, message);
	}
	writer->state = WRITER_CLOSED;
	loop_defer(writer->loop, &writer->call);
}

static void
writer_end(struct streams_writer *writer, struct text refusal, const char *why)
{
	uint64_t pause = writer->attempts < 5 ? (uint64_t)PAUSE_MIN_MS << writer->attempts : PAUSE_MAX_MS;

	if (writer->state == WRITER_CLOSING) {
		writer_finish(writer);
		return;
	}
	writer->ops->on_lost(writer->arg, refusal, why); /* `refusal` is part of the parser's buffer */
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

static void
writer_lost(struct streams_writer *writer, const char *why, bool malformed)
{
	writer->malformed += malformed;
	writer_end(writer, TEXT_NONE, why);
}

/* ----------------------------------------------------------------- writing */

void
streams_writer_arm(struct streams_writer *writer, uint64_t after_ms)
{
	writer->read_before = writer->link.read;
	loop_arm(writer->loop, &writer->timer, after_ms);
}

/* The server accepts messages: the first one after a refusal, or those that will come. */
static void
writer_up(struct streams_writer *writer)
{
	writer->careful = false;
	writer->attempts = 0;
	writer->ops->on_accepted(writer->arg);
	log_event(LOG_INFO, "stream", "writer", LOG_STR("up"), "waiting_bytes", LOG_INT(writer->waiting_bytes), NULL);
}

void
streams_writer_start_writing(struct streams_writer *writer)
{
	streams_writer_resolve_doubts(writer);
	memcpy(writer->kept_run_id, writer->run_id, sizeof writer->run_id);
	loop_disarm(writer->loop, &writer->timer);
	writer->state = WRITER_WRITING;
	if (!writer->careful)
		writer_up(writer);
	streams_writer_send(writer);
}

/* The oldest unanswered message has been added. */
static void
writer_on_added(struct streams_writer *writer, struct wire_stream_id id)
{
	struct writer_message *message = streams_message_first(&writer->sent);
	struct writer_stream *stream = &writer->streams[message->stream];
	struct wire_stream_id before = stream->low;

	stream->low = id;
	stream->known = true;
	if (writer->careful)
		writer_up(writer);
	streams_writer_count_published(writer, message);
	streams_writer_keep(writer, message, before);
	streams_writer_send(writer);
	if (writer->state == WRITER_CLOSING && list_empty(&writer->sent))
		writer_finish(writer);
	else if (writer->state == WRITER_WRITING && list_empty(&writer->sent))
		loop_disarm(writer->loop, &writer->timer);
}

/* ----------------------------------------------------------------- answers */

static enum streams_shape
writer_expects(void *arg)
{
	const struct streams_writer *writer = arg;
	const struct writer_question *question = streams_writer_question(writer);

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

static bool
writer_on_answer(void *arg, const struct resp_item *answer)
{
	struct streams_writer *writer = arg;
	const struct writer_question *question = streams_writer_question(writer);
	struct wire_stream_id id;
	const struct resp reply = {.type = answer->type, .text = answer->text};
	char why[BUS_WHY_MAX];

	if (bus_login_is_renewal(&writer->link, &reply))
		return writer->link.conn != NULL;
	if (answer->type == RESP_ERROR && !streams_writer_may_refuse(question)) {
		bus_error_write(why, "writing to the stream refused", answer->text, writer->link.password);
		writer->careful |= question == NULL; /* a refused question is asked again after the pause */
		writer_end(writer, answer->text, why);
		return false;
	}
	if (question != NULL && (question->kind < ASK_NEWEST || answer->type == RESP_ARRAY)) {
		streams_writer_on_question_answered(writer, answer);
		return true;
	}
	if (question != NULL || list_empty(&writer->sent) || answer->type != RESP_BULK ||
		wire_stream_id_parse(answer->text, &id) < 0) {
		writer_lost(writer, "unexpected answer on the connection of the stream", true);
		return false;
	}
	writer_on_added(writer, id);
	return writer->link.conn != NULL;
}

static const struct streams_parser_ops parser_ops = {
	writer_expects, writer_on_stream, streams_writer_on_entry, streams_writer_on_too_big, writer_on_answer};

/* ------------------------------------------------------------------- link */

static void
writer_on_ready(struct bus_link *link)
{
	struct streams_writer *writer = link->arg;

	writer->connects++;
	writer->state = WRITER_NAMING;
	streams_writer_ask_names(writer);
	streams_writer_arm(writer, writer->timeout_ms);
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

	if (streams_writer_is_open(writer))
		streams_writer_send(writer);
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
	streams_writer_arm(writer, 2 * writer->timeout_ms);
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
		streams_writer_arm(writer, writer->timeout_ms);
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
streams_writer_new(struct loop *l, const struct streams_server *server, const struct streams_writer_options *options,
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
	list_init(&writer->kept);
	streams_server_init_link(server, l, options->timeout_ms, &writer->link, &link_ops, writer);
	streams_parser_init(&writer->parser, &parser_ops, writer);
	wheel_entry_init(&writer->timer, writer_on_timer);
	loop_call_init(&writer->call, writer_on_turn_end);
	return writer;
}

void
streams_writer_free(struct streams_writer *writer)
{
	must(list_empty(&writer->waiting) && list_empty(&writer->sent) && list_empty(&writer->kept));
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

uint64_t
streams_writer_waiting(const struct streams_writer *writer)
{
	return writer->waiting_bytes;
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
