/* The writer's messages: waiting, sent without an answer yet, and kept after the answer. */
#include "broker/streams_writer_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define QUEUED_MAX (1 << 20) /* bytes queued in the connection; further messages wait, where they can be dropped */
#define SENT_MAX (8 << 20)   /* bytes of messages sent and not answered */

/*
 * A server answers before its replica has the entry, and a master that is cut off goes on answering until it learns
 * that it has been replaced. KEPT_MS is longer than that usually takes. At high rates the limit is KEPT_MAX bytes, or
 * half of max_queue if that is less.
 */
#define KEPT_MS 15000
#define KEPT_MAX (4 << 20)

size_t
streams_message_cost(const struct writer_message *message)
{
	return sizeof *message + message->command->len;
}

void
streams_message_free(struct writer_message *message)
{
	list_remove(&message->link);
	block_unref(message->command);
	mem_free(message);
}

void
streams_writer_drop_waiting(struct streams_writer *writer, struct writer_message *message)
{
	/* the search for messages in a stream may be about to go on at this one */
	for (unsigned i = 0; i < writer->count; i++) {
		if (writer->streams[i].next == &message->link)
			writer->streams[i].next = message->link.next;
	}
	writer->waiting_bytes -= streams_message_cost(message);
	streams_message_free(message);
}

struct writer_message *
streams_message_first(struct list *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct writer_message, link);
}

static bool
writer_drop_expired(struct streams_writer *writer, struct writer_message *message)
{
	if (writer->max_age_ms == 0 || writer->loop->now - message->since <= writer->max_age_ms)
		return false;
	writer->expired++;
	streams_writer_drop_waiting(writer, message);
	return true;
}

/*
 * Called when nothing is unanswered, so that the next message comes after all entries that this node has read. The
 * last answer may be so old that its entry has long been trimmed; a lost connection would then leave it unknown
 * whether the message was added.
 */
static void
writer_raise_low(struct streams_writer *writer, struct writer_message *message)
{
	struct writer_stream *stream = &writer->streams[message->stream];
	struct wire_stream_id read = writer->ops->last_read(writer->arg, message->stream);

	if (wire_stream_id_compare(read, stream->low) > 0)
		stream->low = read;
}

/* Sends waiting messages until enough are unanswered. */
void
streams_writer_send(struct streams_writer *writer)
{
	struct writer_message *message;
	bool idle = list_empty(&writer->sent);

	while ((message = streams_message_first(&writer->waiting)) != NULL) {
		if (writer_drop_expired(writer, message))
			continue;
		if (conn_queued(writer->link.conn) >= QUEUED_MAX || writer->sent_bytes >= SENT_MAX ||
			(writer->careful && !list_empty(&writer->sent)))
			break;
		if (list_empty(&writer->sent))
			writer_raise_low(writer, message);
		conn_send(writer->link.conn, message->command, 0, message->command->len);
		writer->waiting_bytes -= streams_message_cost(message);
		writer->sent_bytes += streams_message_cost(message);
		list_remove(&message->link);
		list_add_tail(&writer->sent, &message->link);
	}
	if (idle && !list_empty(&writer->sent) && writer->state == WRITER_WRITING) {
		writer->read_before = writer->link.read;
		loop_arm(writer->loop, &writer->timer, writer->timeout_ms);
	}
}

bool
streams_writer_is_open(const struct streams_writer *writer)
{
	return writer->state == WRITER_WRITING || writer->state == WRITER_CLOSING;
}

/* ------------------------------------------------------------ kept messages */

void
streams_writer_count_published(struct streams_writer *writer, const struct writer_message *message)
{
	if (message->answered != 0)
		return;
	writer->published++;
	writer->bytes += message->command->len - message->fields;
}

static void
writer_forget(struct streams_writer *writer, struct writer_message *message)
{
	writer->kept_bytes -= streams_message_cost(message);
	streams_message_free(message);
}

static void
writer_forget_old(struct streams_writer *writer)
{
	struct writer_message *message;
	uint64_t max = writer->max_queue / 2 < KEPT_MAX ? writer->max_queue / 2 : KEPT_MAX;

	while ((message = streams_message_first(&writer->kept)) != NULL &&
		(writer->kept_bytes > max || writer->loop->now - message->answered > KEPT_MS))
		writer_forget(writer, message);
}

void
streams_writer_forget_kept(struct streams_writer *writer)
{
	while (!list_empty(&writer->kept))
		writer_forget(writer, streams_message_first(&writer->kept));
}

void
streams_writer_keep(struct streams_writer *writer, struct writer_message *message, struct wire_stream_id before)
{
	size_t cost = streams_message_cost(message);

	writer->sent_bytes -= cost;
	if (writer->kept_run_id[0] == '\0') {
		streams_message_free(message);
		return;
	}
	message->answered = writer->loop->now;
	message->before = before;
	list_remove(&message->link);
	list_add_tail(&writer->kept, &message->link);
	writer->kept_bytes += cost;
	writer_forget_old(writer);
}

void
streams_writer_doubt_kept(struct streams_writer *writer)
{
	struct list *it;

	writer_forget_old(writer);
	for (it = writer->kept.prev; it != &writer->kept; it = it->prev) {
		struct writer_message *message = container_of(it, struct writer_message, link);

		message->doubtful = true;
		writer->streams[message->stream].low = message->before; /* the oldest comes last */
	}
	list_move_all(&writer->kept, &writer->waiting);
	list_move_all(&writer->waiting, &writer->kept);
	writer->waiting_bytes += writer->kept_bytes;
	writer->kept_bytes = 0;
}

/* ------------------------------------------------------------------- adding */

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
	while (writer->waiting_bytes > 0 && writer->ops->waiting(writer->arg) > writer->max_queue) {
		struct writer_message *message = streams_message_first(&writer->waiting);

		writer->uncertain += message->answered != 0;
		writer->dropped += message->answered == 0;
		streams_writer_drop_waiting(writer, message);
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
	if (streams_writer_is_open(writer))
		streams_writer_send(writer);
	writer_keep_limit(writer);
	return 0;
}

bool
streams_writer_flows(const struct streams_writer *writer)
{
	return streams_writer_writes(writer) && list_empty(&writer->waiting) &&
	       conn_queued(writer->link.conn) < QUEUED_MAX && writer->sent_bytes < SENT_MAX;
}
