#include "node/socketio/sio_stream_store.h"

#include <inttypes.h>
#include <stdio.h>

#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stored.h"
#include "node/socketio/sio_stream_expiry.h"
#include "node/socketio/sio_stream_key.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_swap.h"
#include "node/socketio/sio_stream_write.h"

#define ROUNDS 16	     /* each round renews a part of the sessions */
#define RENEW_MIN_MS 4000    /* a session is renewed after a quarter of the window, but not earlier than this */
#define RENEW_MAX_MS 30000   /* and not later than this */
#define FIRST_MS 100	     /* pause until the first look at the streams */
#define KEPT_MAX (64 * 1024) /* a larger work space is freed after use */
#define KEY_MAX 4096

/* ---------------------------------------------------------------- position */

uint64_t
sio_stream_position(const struct sio_nsp *nsp)
{
	uint64_t read = nsp->broker != NULL ? broker_stream_position(nsp->broker) : 0;

	/* during the delivery of an event, the log's head is already its number, but the broker's position is not */
	return read > nsp->log->head ? read : nsp->log->head;
}

/* ---------------------------------------------------------------- storing */

static uint64_t
stream_window(const struct sio_stream *stream)
{
	return stream->recovery->io->options.max_disconnection_duration;
}

static uint64_t
stream_renew_ms(const struct sio_stream *stream)
{
	uint64_t ms = stream_window(stream) / 4;

	return ms < RENEW_MIN_MS ? RENEW_MIN_MS : ms > RENEW_MAX_MS ? RENEW_MAX_MS : ms;
}

uint64_t
sio_stream_live_ms(const struct sio_stream *stream)
{
	return stream_window(stream) + 2 * stream_renew_ms(stream);
}

static struct text
session_pid(const struct sio_recovery_session *session)
{
	return text_of(session->pid, session->pid_n);
}

/* Writes the session to stream->text, sealed and in Base64. Returns 0 or an error. */
static int
stream_write(struct sio_stream *stream, const struct sio_nsp *nsp, const struct sio_stream_session *record)
{
	struct buffer *out = &stream->out, *text = &stream->text;
	struct text key = sio_stream_key(stream, record->pid);
	size_t tag = broker_stream_tag(nsp->broker);
	uint8_t *room;

	buffer_reset(out);
	buffer_reset(text);
	sio_stream_session_write(out, record, tag);
	if (buffer_error(out) == 0 && tag > 0)
		broker_stream_seal(nsp->broker, key, out);
	if (buffer_error(out) != 0)
		return buffer_error(out);
	room = buffer_room(text, BASE64_ENCODED(out->len));
	if (room == NULL)
		return ERROR_MEMORY;
	base64_encode(out->data, out->len, (char *)room);
	text->len += BASE64_ENCODED(out->len);
	return 0;
}

static void
stream_trim_space(struct sio_stream *stream)
{
	if (stream->out.size > KEPT_MAX)
		buffer_fini(&stream->out);
	if (stream->text.size > KEPT_MAX)
		buffer_fini(&stream->text);
}

/*
 * Stores the session for `ms`. `again`: only if Redis still has it, because another server may have taken it. `token`
 * gets the token of what is stored; NULL: not wanted. sio_stream_write_failed() must follow an error.
 */
static int
stream_set(struct sio_stream *stream, struct sio_nsp *nsp, const struct sio_stream_session *record, uint64_t ms,
	bool again, char token[SIO_EXPIRY_TOKEN])
{
	int rc = stream_write(stream, nsp, record);
	char digits[24];
	struct text args[6] = {TEXT("SET"), buffer_text(&stream->key), buffer_text(&stream->text), TEXT("PX"),
		text_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, ms)), TEXT("XX")};

	if (rc == 0)
		rc = sio_stream_write(nsp, record->pid, again, again ? 6 : 5, args);
	if (rc == 0 && token != NULL)
		sio_stream_expiry_token(buffer_text(&stream->text), token);
	stream_trim_space(stream);
	return rc;
}

int
sio_stream_ask_live(const struct sio_nsp *nsp, const struct sio_stream_session *record, struct text old,
	struct bus_stream_question *question)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	int rc = stream_write(stream, nsp, record);
	struct text args[SIO_STREAM_SWAP_ARGS];
	char digits[SIO_STREAM_SWAP_MS];

	if (rc == 0) {
		sio_stream_write_forget(stream, record->pid);
		sio_stream_swap_write(args, digits, buffer_text(&stream->key), old, buffer_text(&stream->text),
			sio_stream_live_ms(stream));
		rc = broker_stream_ask(stream->broker, question, SIO_STREAM_SWAP_ARGS, args);
	}
	stream_trim_space(stream);
	return rc;
}

/* ------------------------------------------------------------ live sessions */

/* Copies the rooms of the socket except its own room to `out`. */
static void
stream_put_rooms(struct buffer *out, const struct sio_socket *s)
{
	struct list *it, *next;

	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;
		uint8_t *at = buffer_room(out, sizeof(uint32_t) + room->node.key_len);

		if (at == NULL)
			return;
		(void)sio_recovery_room_write((char *)at, text_of(room->name, room->node.key_len));
		out->len += sizeof(uint32_t) + room->node.key_len;
	}
}

/*
 * Stores the session of a lost client for the `ms` that are left of its window. If somebody wants to know when it
 * ends, Redis keeps it longer, and this worker removes it.
 */
static int
stream_set_lost(struct sio_stream *stream, struct sio_nsp *nsp, const struct sio_stream_session *record, uint64_t ms,
	bool again)
{
	char token[SIO_EXPIRY_TOKEN];
	int rc;

	if (!sio_expiry_wanted(nsp))
		return stream_set(stream, nsp, record, ms, again, NULL);
	rc = stream_set(stream, nsp, record, ms + SIO_EXPIRY_GRACE_MS, again, token);
	if (rc == 0)
		sio_expiry_add(stream->recovery->expiry, nsp, record->pid, ms, text_of(token, SIO_EXPIRY_TOKEN));
	return rc;
}

/* Stores the session of a socket. `lost`: the socket leaves. */
static int
stream_store(struct sio_stream *stream, struct sio_recovery_session *session, const struct sio_socket *s, bool lost)
{
	struct sio_nsp *nsp = session->nsp;
	const struct sio_stored *data = s->extra != NULL ? s->extra->data : NULL;
	struct sio_stream_session record = {
		.sid = sio_socket_id_text(s),
		.pid = session_pid(session),
		.room_count = s->room_count,
		.own = s->in_own_room,
		.nsp = sio_nsp_text(nsp),
		.owner = lost ? TEXT("") : broker_nsp_id(nsp->broker),
		.start = session->start,
		.last = s->last_event,
		.heard = lost ? session->heard : 0,
		.moved = session->changed_last > nsp->log->floor ? session->changed_last : nsp->log->floor,
		.since = session->changed_head,
		.lost = lost ? loop_wall_ms() : 0,
	};
	struct buffer rooms, packed, given;
	int rc = 0;

	if (session->start >= nsp->log->floor)
		record.moved = session->changed_last;
	if (sio_history_waits(s))
		record.moved = UINT64_MAX; /* no offset shows that the client has got the history of its room */
	buffer_init(&rooms, SIO_STREAM_SESSION_MAX);
	buffer_init(&packed, SIO_STREAM_SESSION_MAX);
	buffer_init(&given, SIO_STREAM_SESSION_MAX);
	stream_put_rooms(&rooms, s);
	sio_history_give(s, &given);
	if (data != NULL)
		rc = json_to_msgpack(data->owner.json, &data->attachments, &packed);
	if (rc == 0)
		rc = buffer_error(&rooms) != 0	  ? buffer_error(&rooms)
		     : buffer_error(&packed) != 0 ? buffer_error(&packed)
						  : buffer_error(&given);
	record.rooms = buffer_text(&rooms);
	record.data = buffer_text(&packed);
	record.given = buffer_text(&given);
	if (rc == 0 && lost)
		rc = stream_set_lost(stream, nsp, &record, stream_window(stream), session->saved);
	else if (rc == 0)
		rc = stream_set(stream, nsp, &record, sio_stream_live_ms(stream), session->saved, NULL);
	buffer_fini(&rooms);
	buffer_fini(&packed);
	buffer_fini(&given);
	return rc;
}

/*
 * Stores the session. If that fails, removes it from Redis: with the older record, the client would come back with
 * wrong rooms or data.
 */
static void
stream_store_or_remove(
	struct sio_stream *stream, struct sio_recovery_session *session, const struct sio_socket *s, bool lost)
{
	int rc = stream_store(stream, session, s, lost);

	if (rc == 0)
		session->saved = true;
	else
		sio_stream_write_failed(session->nsp, session_pid(session), rc);
}

/* An event is delivered without its offset. Sockets that wait for their missed events do not get it. */
static void
stream_withdraw(struct sio_recovery_session *session)
{
	if (session->claimed) {
		session->missed = true;
		return;
	}
	if (session->saved)
		sio_stream_remove(session->nsp, session_pid(session), false);
	session->saved = false;
}

static void
stream_before_flush(struct loop_call *call)
{
	struct sio_stream *stream = container_of(call, struct sio_stream, call);

	while (!list_empty(&stream->changed)) {
		struct sio_recovery_session *session =
			container_of(stream->changed.next, struct sio_recovery_session, kept);

		list_remove(&session->kept);
		if (session->log->early == 0)
			stream_store_or_remove(stream, session, session->socket, false);
		else
			stream_withdraw(session); /* a claim has stored it */
	}
}

/* The session is new, or its rooms or data have changed. It is stored before its client can learn of the change. */
static void
stream_touched(struct sio_recovery_session *session)
{
	struct sio_stream *stream = session->nsp->io->recovery->stream;

	session->data_changed = session->claimed;
	if (stream == NULL || session->claimed || session->socket == NULL)
		return;
	if (!session->saved && session->start == 0)
		session->start = sio_stream_position(session->nsp);
	list_remove(&session->kept);
	list_add_tail(&stream->changed, &session->kept);
	loop_defer_to_flush(stream->recovery->io->loop, &stream->call);
}

/* Calls `each` for the session of each socket, also of those that wait to be connected. */
static void
stream_each(struct sio_nsp *nsp, void (*each)(struct sio_recovery_session *session))
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&nsp->io->recovery->sessions, &cursor)) != NULL) {
		struct sio_recovery_session *session = container_of(node, struct sio_recovery_session, node);

		if (session->nsp == nsp && session->socket != NULL)
			each(session);
	}
}

void
sio_stream_early(struct sio_nsp *nsp, uint64_t number)
{
	bool first = nsp->log->early == 0;

	if (number > nsp->log->early)
		nsp->log->early = number;
	if (first)
		stream_each(nsp, stream_withdraw);
}

void
sio_stream_read_early(struct sio_nsp *nsp, uint64_t number, uint64_t entry)
{
	struct sio_recovery_log *log = nsp->log;

	if (entry == 0)
		log->floor = UINT64_MAX; /* the event has no entry, so every offset becomes invalid */
	else if (entry > log->floor)
		log->floor = entry;
	if (number >= log->early)
		log->early = 0;
	stream_each(nsp, stream_touched);
}

/* ---------------------------------------------------------- lost sessions */

void
sio_stream_leave(struct sio_recovery_session *session, struct sio_socket *s, bool may_return)
{
	struct sio_stream *stream = session->nsp->io->recovery->stream;

	if (session->claimed) {
		sio_stream_unclaim(session);
		return;
	}
	if (may_return && session->log->early == 0)
		stream_store_or_remove(stream, session, s, true);
	else
		sio_stream_remove(session->nsp, session_pid(session), false);
	sio_recovery_session_free(session);
}

void
sio_stream_unclaim(struct sio_recovery_session *session)
{
	struct sio_stream *stream = session->nsp->io->recovery->stream;
	uint64_t now = loop_wall_ms(), end = session->lost_at + stream_window(stream);
	const struct sio_recovery_lost *lost = session->lost;
	struct sio_stream_session record = {
		.sid = text_of(lost->sid, SIO_ID_LENGTH),
		.pid = session_pid(session),
		.rooms = text_of(lost->rooms, lost->rooms_n),
		.room_count = lost->room_count,
		.own = session->own,
		.nsp = sio_nsp_text(session->nsp),
		.owner = TEXT(""),
		.start = session->start,
		.last = session->last,
		.heard = session->heard,
		.moved = session->changed_last,
		.since = session->changed_head,
		.lost = session->lost_at,
		.given = text_of(lost->given, lost->given_n),
	};
	struct buffer packed;
	int rc = 0;

	buffer_init(&packed, SIO_STREAM_SESSION_MAX);
	if (lost->data != NULL)
		rc = json_to_msgpack(lost->data->owner.json, &lost->data->attachments, &packed);
	if (rc == 0)
		rc = buffer_error(&packed);
	record.data = buffer_text(&packed);
	if (end > now && session->nsp->broker != NULL) {
		if (rc == 0)
			rc = stream_set_lost(stream, session->nsp, &record, end - now, session->saved);
		if (rc != 0)
			sio_stream_write_failed(session->nsp, record.pid, rc);
	} else if (session->saved) {
		sio_stream_remove(session->nsp, record.pid, false);
	}
	buffer_fini(&packed);
	sio_recovery_session_free(session);
}

void
sio_stream_fail(struct sio_recovery_session *session)
{
	if (session->saved)
		sio_stream_remove(session->nsp, session_pid(session), false);
}

/* ---------------------------------------------------------------- renewal */

static void
stream_renew(struct sio_stream *stream, const struct sio_recovery_session *session)
{
	char digits[24];
	struct text args[3] = {TEXT("PEXPIRE"), sio_stream_key(stream, session_pid(session)),
		text_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, sio_stream_live_ms(stream)))};

	(void)broker_stream_ask(stream->broker, NULL, 3, args);
}

/*
 * Adds a first entry, which all servers ignore, to each empty stream. Without an entry, a client that has received
 * no event could not be recovered: no worker could tell whether the stream has all events since its CONNECT.
 */
static void
stream_mark_empty(struct sio_stream *stream)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&stream->recovery->io->nsps, &cursor)) != NULL) {
		const struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		if (nsp->broker != NULL && sio_stream_position(nsp) == 0 && broker_stream_up(stream->broker))
			(void)broker_stream_mark(nsp->broker);
	}
}

static void
stream_on_refresh(struct wheel_entry *entry)
{
	struct sio_stream *stream = container_of(entry, struct sio_stream, refresh_timer);
	struct table_cursor cursor = {0};
	struct table_node *node;
	unsigned round = stream->refresh_round++ % ROUNDS;

	if (stream->refresh_round == 1 && !broker_stream_up(stream->broker)) {
		stream->refresh_round = 0; /* the streams are marked as soon as they can be, before clients come */
		loop_arm(stream->recovery->io->loop, &stream->refresh_timer, FIRST_MS);
		return;
	}
	while ((node = table_next(&stream->recovery->sessions, &cursor)) != NULL) {
		const struct sio_recovery_session *session = container_of(node, struct sio_recovery_session, node);

		if (session->saved && session->nsp->broker != NULL &&
			(unsigned char)session->pid[0] % ROUNDS == round)
			stream_renew(stream, session);
	}
	stream_mark_empty(stream);
	loop_arm(stream->recovery->io->loop, &stream->refresh_timer, stream_renew_ms(stream) / ROUNDS);
}

/* -------------------------------------------------------------------- life */

void
sio_stream_adopt(struct sio_nsp *nsp)
{
	nsp->log->touched = stream_touched;
	nsp->log->position = sio_stream_position;
	nsp->log->by_entries = true;
}

void
sio_stream_store_init(struct sio_stream *stream)
{
	list_init(&stream->changed);
	loop_call_init(&stream->call, stream_before_flush);
	wheel_entry_init(&stream->refresh_timer, stream_on_refresh);
	buffer_init(&stream->out, SIO_STREAM_SESSION_MAX);
	buffer_init(&stream->text, BASE64_ENCODED(SIO_STREAM_SESSION_MAX));
	buffer_init(&stream->key, KEY_MAX);
	loop_arm(stream->recovery->io->loop, &stream->refresh_timer, FIRST_MS);
}

void
sio_stream_store_fini(struct sio_stream *stream)
{
	stream_before_flush(&stream->call);
	loop_call_cancel(&stream->call);
	loop_disarm(stream->recovery->io->loop, &stream->refresh_timer);
	buffer_fini(&stream->out);
	buffer_fini(&stream->text);
	buffer_fini(&stream->key);
}
