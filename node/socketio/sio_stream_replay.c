/*
 * Sends the missed events when the socket connects. Reads them from the stream page by page, until it has reached
 * the worker's own position in the stream. Events up to that position are sent from here; later ones are delivered
 * live. So no event is missing and none is sent twice.
 */
#include "node/socketio/sio_stream_replay.h"

#include <stdlib.h>

#include "broker/broker.h"
#include "broker/bus_stream_store.h"
#include "broker/stream_number.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_selector.h"
#include "node/socketio/sio_stream_store.h"

#define REPLAY_MS 5000	 /* longest time of a replay, from its first request */
#define PAGE 200	 /* entries of one request */
#define TURN_MS 20000	 /* longest wait for a turn among the concurrent replays */
#define REPLAYS_MAX 64	 /* concurrent replays; each holds at most the bytes of one client's queue */
#define EXCLUDED_COST 16 /* bytes that are counted for an event that is not sent */

/* A missed event. `json` includes its offset. */
struct missed {
	struct list link;
	uint64_t number;
	struct attachments attachments;
	bool compress;
	size_t json_n;
	char json[];
};

struct stream_replay {
	struct list link; /* in stream->replays, or in stream->replays_waiting */
	struct sio_stream *stream;
	struct sio_nsp *nsp; /* kept by sio_nsp_used() */
	struct bus_stream_question question;
	uint64_t nonce;
	bool asks;	  /* in stream->replays */
	uint64_t until;	  /* loop time of the end of its wait: for its turn, then for its events */
	uint64_t from;	  /* the last entry that was read; initially the client's position */
	uint64_t start;	  /* the client's position */
	bool begun;	  /* this page has shown the entry at `from` */
	unsigned entries; /* entries of this page */
	enum sio_recovery_result result;
	struct list events; /* struct missed */
	size_t bytes;
	struct wire_message message;
	void (*then)(struct sio_socket *s);
	char handle[SIO_PID_HANDLE];
};

/* ------------------------------------------------------------------ entries */

/* Returns the socket that waits for the replay, or NULL if it has left. */
static struct sio_socket *
replay_socket(const struct stream_replay *replay)
{
	const struct sio_recovery *recovery = replay->stream->recovery;
	struct table_node *node = table_find(&recovery->sessions, text_of(replay->handle, SIO_PID_HANDLE));
	const struct sio_recovery_session *session =
		node != NULL ? container_of(node, struct sio_recovery_session, node) : NULL;

	return session != NULL && session->claimed && session->lost->asked == replay->nonce ? session->socket : NULL;
}

static bool
is_one_of(const struct sio_recovery_rooms *rooms, const struct text *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (sio_recovery_rooms_has(rooms, names[i]))
			return true;
	}
	return false;
}

/* Returns true if the event was for the socket and is replayed after a loss. */
static bool
replay_wants(const struct sio_recovery_rooms *rooms, const struct wire_message *message)
{
	const struct wire_target *to = &message->target;

	if ((to->flags & WIRE_VOLATILE) != 0 || message->has_packet_id)
		return false;
	return (to->room_count == 0 || is_one_of(rooms, to->rooms, to->room_count)) &&
	       !is_one_of(rooms, to->except, to->except_count);
}

/* Writes the event to `payload`. Returns 0 or an error; ERROR_SYNTAX: malformed, so no client got it live either. */
static int
replay_text(struct wire_message *message, struct sio_payload *payload)
{
	struct text rest = message->data, name;
	int64_t n = 0;
	int rc;

	if (message->event.array.at != NULL) {
		n = msgpack_to_json((const uint8_t *)message->event.array.at, message->event.array.n, JSON_DEPTH_MAX,
			&payload->attachments, &payload->json);
		rest = buffer_text(&payload->json);
	}
	if (n < 0 || !json_array_next(&rest, &name) || !sio_event_name_allowed(name))
		return n == ERROR_MEMORY ? ERROR_MEMORY : ERROR_SYNTAX;
	if (message->event.array.at != NULL)
		return buffer_error(&payload->json);
	rc = json_placeholders_copy(message->data, &message->attachments, &payload->attachments, &payload->json);
	return rc < 0 ? rc : buffer_error(&payload->json);
}

/* Returns NULL if memory is short. */
static struct missed *
missed_new(uint64_t number, const struct sio_payload *payload, bool compress)
{
	struct text json = buffer_text(&payload->json);
	char offset[WIRE_STREAM_ID_SIZE], *at;
	size_t n = wire_stream_id_write(stream_number_id(number), offset);
	struct missed *missed;

	while (json.at[json.n - 1] != ']')
		json.n--;
	missed = mem_try_alloc(sizeof *missed + json.n + n + 4);
	if (missed == NULL)
		return NULL;
	missed->number = number;
	missed->compress = compress;
	list_init(&missed->link);
	at = mempcpy(missed->json, json.at, json.n - 1);
	at = mempcpy(at, ",\"", 2);
	at = mempcpy(at, offset, n);
	at = mempcpy(at, "\"]", 2);
	missed->json_n = (size_t)(at - missed->json);
	attachments_init(&missed->attachments);
	for (unsigned i = 0; i < payload->attachments.count; i++)
		attachments_add(&missed->attachments, payload->attachments.blocks[i]);
	return missed;
}

static void
missed_free(struct missed *missed)
{
	list_remove(&missed->link);
	attachments_fini(&missed->attachments);
	mem_free(missed);
}

static void
replay_keep(struct stream_replay *replay, uint64_t number)
{
	struct sio_scratch *scratch = sio_scratch_take(&replay->nsp->io->turn);
	int rc = replay_text(&replay->message, &scratch->payload);
	struct missed *missed = NULL;

	if (rc == 0) {
		missed =
			missed_new(number, &scratch->payload, (replay->message.target.flags & WIRE_NO_COMPRESS) == 0);
		rc = missed == NULL ? ERROR_MEMORY : 0;
	}
	if (missed != NULL) {
		list_add_tail(&replay->events, &missed->link);
		replay->bytes += missed->json_n + attachments_bytes(&missed->attachments);
	} else if (rc != ERROR_SYNTAX) { /* a malformed event was delivered to no client */
		replay->result = rc == ERROR_MEMORY ? SIO_RECOVERY_FAILED : SIO_RECOVERY_TOO_BIG;
	}
	sio_scratch_give(&replay->nsp->io->turn, scratch);
}

static void
replay_filter(struct stream_replay *replay, const struct wire_stream_entry *entry, uint64_t number)
{
	const struct sio_socket *s = replay_socket(replay);
	struct sio_recovery_rooms rooms;
	int rc;

	if (s == NULL)
		return;
	rc = broker_stream_read(replay->nsp->broker, entry, &replay->message);
	if (rc == ERROR_MEMORY)
		replay->result = SIO_RECOVERY_FAILED;
	if (rc != 0)
		return; /* not a broadcast of the namespace, or one that every server has dropped as malformed */
	if (!sio_recovery_session_rooms(s->session, &rooms))
		replay->result = SIO_RECOVERY_FAILED;
	else if (!replay_wants(&rooms, &replay->message))
		replay->bytes += EXCLUDED_COST;
	else if (sio_history_covers(s, &replay->message.target))
		replay->result = SIO_RECOVERY_OFFSET_GONE; /* see sio_history_given.h */
	else
		replay_keep(replay, number);
	sio_recovery_rooms_fini(&rooms);
	if (replay->result == SIO_RECOVERY_RECOVERED && replay->bytes > replay->nsp->io->max_emit)
		replay->result = SIO_RECOVERY_TOO_BIG;
}

/*
 * Each page begins with the last entry of the page before. If that entry is missing, entries may have been trimmed.
 */
static void
replay_on_entry(struct bus_stream_question *question, const struct wire_stream_entry *entry)
{
	struct stream_replay *replay = container_of(question, struct stream_replay, question);
	uint64_t number = stream_number_of(entry->id);

	replay->entries++;
	if (replay->result != SIO_RECOVERY_RECOVERED)
		return;
	if (!replay->begun) {
		replay->begun = true;
		if (number != replay->from)
			replay->result = SIO_RECOVERY_OFFSET_GONE;
		return;
	}
	if (number <= replay->from) {
		replay->result = SIO_RECOVERY_FAILED; /* the ids do not grow */
		return;
	}
	replay->from = number;
	replay_filter(replay, entry, number);
}

/* ------------------------------------------------------------------ the end */

static void replay_begin_next(struct sio_stream *stream);

static void
replay_free(struct stream_replay *replay)
{
	struct sio_stream *stream = replay->stream;

	if (replay->question.command != NULL)
		broker_stream_cancel(stream->broker, &replay->question);
	list_remove(&replay->link);
	while (!list_empty(&replay->events))
		missed_free(container_of(replay->events.next, struct missed, link));
	wire_message_fini(&replay->message);
	sio_nsp_unused(replay->nsp);
	stream->replays_count -= replay->asks;
	mem_free(replay);
}

/* Ends a replay without its events: the socket continues as a new one. */
static void
replay_fail(struct stream_replay *replay, enum sio_recovery_result result)
{
	struct sio_stream *stream = replay->stream;
	struct sio_socket *s = replay_socket(replay);
	void (*then)(struct sio_socket * s) = replay->then;

	replay_free(replay);
	if (s != NULL) {
		s->session->answered = true;
		sio_recovery_give_up(s, result);
		then(s);
	}
	replay_begin_next(stream);
}

/*
 * The stream may contain a message twice, so the client may have received it at or before the entry `start`. Drops
 * such messages. Only this worker's own reader recognizes them, and it has read up to the position. Returns false if
 * it is unknown whether the client has one of the messages.
 */
static bool
replay_drop_repeats(const struct stream_replay *replay, uint64_t position)
{
	struct list *it, *next;

	list_each(it, next, &replay->events)
	{
		struct missed *missed = container_of(it, struct missed, link);
		int had;

		if (missed->number > position)
			break;
		had = broker_stream_had(replay->nsp->broker, missed->number, replay->start);
		if (had < 0)
			return false;
		if (had > 0)
			missed_free(missed);
	}
	return true;
}

/*
 * The client has got this event. This worker has read it, maybe without a receiver. A volatile event must not give
 * the client an older offset, or its next replay would begin there.
 */
static void
replay_raise_head(const struct stream_replay *replay, uint64_t number)
{
	if (replay->nsp->log->head < number)
		replay->nsp->log->head = number;
}

/* Sends the events up to the position. Returns false if one of them cannot be sent. */
static bool
replay_send(const struct stream_replay *replay, struct sio_socket *s, uint64_t position)
{
	struct list *it, *next;

	list_each(it, next, &replay->events)
	{
		const struct missed *missed = container_of(it, struct missed, link);

		if (missed->number > position)
			break;
		if (!sio_recovery_send(s, text_of(missed->json, missed->json_n),
			    missed->attachments.count != 0 ? &missed->attachments : NULL, missed->compress))
			return false;
		s->last_event = missed->number;
		replay_raise_head(replay, missed->number);
		replay->nsp->io->recovery->replayed++;
	}
	return true;
}

static void
replay_finish(struct stream_replay *replay, uint64_t position)
{
	struct sio_stream *stream = replay->stream;
	struct sio_socket *s = replay_socket(replay);
	void (*then)(struct sio_socket * s) = replay->then;

	if (s != NULL) {
		s->session->answered = true;
		replay_raise_head(replay, s->session->last);
		s->last_event = s->session->last;
		if (!replay_send(replay, s, position)) {
			/* the client may have received some of the events, so it must come back as a new one */
			sio_recovery_give_up(s, SIO_RECOVERY_FAILED);
			sio_client_close(s->client);
		}
	}
	replay_free(replay);
	if (s != NULL)
		then(s);
	replay_begin_next(stream);
}

/* ---------------------------------------------------------------- questions */

static void replay_ask(struct stream_replay *replay);

static void
replay_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	struct stream_replay *replay = container_of(question, struct stream_replay, question);
	uint64_t position;

	(void)answer;
	if (replay_socket(replay) == NULL || error != 0 || replay->nsp->broker == NULL) {
		replay_fail(replay, SIO_RECOVERY_NO_HUB);
		return;
	}
	if (replay->result == SIO_RECOVERY_RECOVERED && (!replay->begun || replay_socket(replay)->session->missed))
		replay->result = SIO_RECOVERY_OFFSET_GONE;
	if (replay->result != SIO_RECOVERY_RECOVERED) {
		replay_fail(replay, replay->result);
		return;
	}
	position = sio_stream_position(replay->nsp);
	/* this worker may have read less than the client's former worker */
	if (replay->entries < PAGE && replay->from >= position && position >= replay->start) {
		if (replay_drop_repeats(replay, position))
			replay_finish(replay, position);
		else
			replay_fail(replay, SIO_RECOVERY_OFFSET_GONE);
	} else if (replay->nsp->io->loop->now > replay->until) {
		replay_fail(replay, SIO_RECOVERY_NO_HUB);
	} else {
		replay_ask(replay);
	}
}

static void
replay_ask(struct stream_replay *replay)
{
	replay->begun = false;
	replay->entries = 0;
	replay->question = (struct bus_stream_question){
		.on_entry = replay_on_entry, .on_end = replay_on_end, .wait_ms = REPLAY_MS};
	if (broker_stream_range(replay->nsp->broker, &replay->question, replay->from, PAGE) != 0)
		replay_fail(replay, SIO_RECOVERY_NO_HUB);
}

/* Not recursive: if Redis cannot be asked, all waiting replays fail here, one after the other. */
static void
replay_begin_next(struct sio_stream *stream)
{
	if (stream->replays_begin)
		return;
	stream->replays_begin = true;
	while (stream->replays_count < REPLAYS_MAX && !list_empty(&stream->replays_waiting)) {
		struct stream_replay *replay = container_of(stream->replays_waiting.next, struct stream_replay, link);

		list_remove(&replay->link);
		list_add_tail(&stream->replays, &replay->link);
		stream->replays_count++;
		replay->asks = true;
		replay->until = stream->recovery->io->loop->now + REPLAY_MS;
		replay_ask(replay);
	}
	stream->replays_begin = false;
}

/* They wait equally long, so those that have waited too long are the first. */
static void
replays_on_timer(struct wheel_entry *entry)
{
	struct sio_stream *stream = container_of(entry, struct sio_stream, replays_timer);
	struct loop *loop = stream->recovery->io->loop;

	while (!list_empty(&stream->replays_waiting)) {
		struct stream_replay *first = container_of(stream->replays_waiting.next, struct stream_replay, link);

		if (first->until > loop->now) {
			loop_arm(loop, entry, first->until - loop->now);
			return;
		}
		replay_fail(first, SIO_RECOVERY_NO_HUB);
	}
}

bool
sio_stream_replay(struct sio_socket *s, void (*then)(struct sio_socket *s))
{
	struct sio_recovery_session *session = s->session;
	struct sio_stream *stream = s->nsp->io->recovery->stream;
	struct stream_replay *replay;

	if (session == NULL || !session->claimed || session->answered)
		return false;
	replay = mem_zalloc(sizeof *replay);
	replay->stream = stream;
	replay->nsp = s->nsp;
	sio_nsp_used(s->nsp);
	replay->nonce = session->lost->asked = ++stream->nonce;
	replay->from = replay->start = session->lost->from;
	replay->then = then;
	replay->until = stream->recovery->io->loop->now + TURN_MS;
	replay->result = SIO_RECOVERY_RECOVERED;
	memcpy(replay->handle, session->pid, SIO_PID_HANDLE);
	list_init(&replay->link);
	list_init(&replay->events);
	wire_message_init(&replay->message);
	list_add_tail(&stream->replays_waiting, &replay->link);
	replay_begin_next(stream);
	if (!list_empty(&stream->replays_waiting) && !wheel_armed(&stream->replays_timer))
		loop_arm(stream->recovery->io->loop, &stream->replays_timer, TURN_MS);
	return true;
}

/* -------------------------------------------------------------------- life */

void
sio_stream_replays_init(struct sio_stream *stream)
{
	list_init(&stream->replays);
	list_init(&stream->replays_waiting);
	wheel_entry_init(&stream->replays_timer, replays_on_timer);
}

void
sio_stream_replays_fini(struct sio_stream *stream)
{
	while (!list_empty(&stream->replays_waiting) || !list_empty(&stream->replays)) {
		const struct list *from =
			!list_empty(&stream->replays_waiting) ? &stream->replays_waiting : &stream->replays;

		replay_fail(container_of(from->next, struct stream_replay, link), SIO_RECOVERY_NO_HUB);
	}
	loop_disarm(stream->recovery->io->loop, &stream->replays_timer);
}
