/*
 * Replays of missed events.
 *
 *   event                                        what happens
 *   the socket has left                          the question ends; the session was released (sio_vault_take.c)
 *   own events wait to be sent, or the bus is    the replay is tried again after a pause
 *   down, or the script may not have run
 *   the bus has rooms to confirm                 the replay waits for it
 *   the log lacks events that the former worker  the replay is tried again after a pause
 *   of the session holds back
 *   the log is incomplete                        the question is answered: the client is new
 *   the message of the script arrives            the question is answered with the events
 */
#include "broker/broker.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_vault_ask.h"

#define PAUSE_SENT_MS 2 /* until this worker's events have been sent */

/* Ends the session and answers the question without events: the client is new. Frees the ask. */
static void
vault_fail_replay(struct vault_ask *ask, enum sio_recovery_result result)
{
	struct sio_vault *vault = ask->vault;
	struct sio_keep *keep = vault->keep;
	struct keep_reader in;
	struct buffer out;

	keep->peer->end(keep, ask->pid);
	buffer_init(&out, SIZE_MAX / 2);
	keep_put_u64(&out, ask->nonce);
	buffer_add_byte(&out, (uint8_t)result);
	buffer_add(&out, ask->pid, SIO_PID_LENGTH);
	keep_put_u64(&out, keep->heard);
	sio_vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_replayed(keep, &in);
	buffer_fini(&out);
}

/* Returns the session of the ask, or NULL if its socket has left or the question has ended. */
static struct sio_recovery_session *
vault_replay_session(const struct vault_ask *ask)
{
	const struct keep_ask *question = sio_vault_question(ask);

	return question != NULL ? sio_keep_replay_session(ask->vault->keep, question) : NULL;
}

/* The socket has left: frees the ask and its question. An asked question would take the place of another one. */
static void
vault_drop_replay(struct vault_ask *ask)
{
	struct sio_keep *keep = ask->vault->keep;
	uint64_t nonce = ask->nonce;

	sio_vault_ask_free(ask);
	sio_keep_replay_drop(keep, nonce);
}

/*
 * A worker subscribes room by room (bus_rooms.h). Messages after the replay come live, so the subscriptions must be
 * confirmed before the script reads the log. Returns false if that is awaited; ask->again is called then. If the bus
 * gives up a subscription meanwhile, it counts a gap, so the replay fails.
 */
static bool
vault_hears(struct vault_ask *ask, struct sio_recovery_session *session, const struct bus_point *point)
{
	if (ask->subscribed)
		return true;
	ask->subscribed = true;
	ask->gaps = point->gaps;
	if (session->own) {
		session->lost->expects = true;
		sio_rooms_expect(session->nsp, text_of(session->lost->sid, SIO_ID_LENGTH));
	}
	if (!broker_wait(ask->vault->keep->broker, &ask->wait))
		return true;
	ask->again_at = 0; /* the timer must not end the wait */
	return false;
}

/*
 * This worker's events up to the question must be sent before the script, so that they are in the log when the
 * script reads it. Returns SIO_RECOVERY_RECOVERED if the replay continues, or why it fails.
 */
static enum sio_recovery_result
vault_try_replay(struct vault_ask *ask)
{
	struct sio_vault *vault = ask->vault;
	const struct vault_claimed *claimed = sio_vault_find_claimed(vault, ask->pid);
	struct sio_recovery_session *session = vault_replay_session(ask);
	struct bus_point point;
	uint64_t sent;
	bool waits;

	if (session == NULL) {
		vault_drop_replay(ask);
		return SIO_RECOVERY_RECOVERED;
	}
	if (claimed == NULL)
		return SIO_RECOVERY_NO_HUB; /* Redis kept no log meanwhile (vault_pause()) */
	if (!bus_store_up(vault->bus) || !bus_store_point(vault->bus, &point) || point.behind) {
		sio_vault_pause_longer(ask);
		return SIO_RECOVERY_RECOVERED;
	}
	if (!vault_hears(ask, session, &point))
		return SIO_RECOVERY_RECOVERED;
	sent = bus_store_sent(vault->bus, &waits);
	if (sent < ask->local) {
		if (!waits)
			return SIO_RECOVERY_OFFSET_GONE; /* some were dropped */
		sio_vault_pause(ask, PAUSE_SENT_MS);
		return SIO_RECOVERY_RECOVERED;
	}
	ask->sent = sent; /* until now, the message of an earlier attempt goes with the earlier number */
	memcpy(ask->claim, claimed->claim, SIO_VAULT_CLAIM);
	sio_vault_read(ask, &claimed->before.from, sio_nsp_text(session->nsp),
		text_of(session->lost->rooms, session->lost->rooms_n), session->lost->room_count,
		session->own ? text_of(session->lost->sid, SIO_ID_LENGTH) : TEXT_NONE, true);
	return SIO_RECOVERY_RECOVERED;
}

static void
vault_send_replay(struct vault_ask *ask)
{
	enum sio_recovery_result result = vault_try_replay(ask);

	if (result != SIO_RECOVERY_RECOVERED)
		vault_fail_replay(ask, result);
}

static void
vault_on_replay_answer(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);
	enum sio_recovery_result result = error == 0 ? sio_vault_read_result(value) : SIO_RECOVERY_NO_HUB;

	if (vault_replay_session(ask) == NULL)
		vault_drop_replay(ask);
	else if (error == ERROR_CLOSED || (error == 0 && sio_vault_read_waits(ask, value)))
		sio_vault_pause_longer(ask); /* if the script has run, its message arrives, or the claim has ended */
	else if (result != SIO_RECOVERY_RECOVERED)
		vault_fail_replay(ask, result);
	/* otherwise the script's message arrives on the subscription link */
}

void
sio_vault_replay(struct sio_keep *keep, struct keep_ask *question)
{
	struct vault_ask *ask = sio_vault_ask_new(keep->vault, question, vault_send_replay, vault_on_replay_answer);

	ask->replays = true;
	ask->local = keep->local;
	if (vault_try_replay(ask) != SIO_RECOVERY_RECOVERED)
		sio_vault_pause(ask, 0); /* the timer reports the failure: no call-back into the caller now */
}

/* Returns true if the event of the record was for the client, and the client has not received it. */
static bool
vault_is_missed(const struct bus_record *record, const struct wire_message *message,
	const struct sio_recovery_session *session, const struct sio_recovery_rooms *rooms,
	const struct sio_vault_from *from)
{
	const struct wire_target *to = &message->target;
	bool wanted = to->room_count == 0;

	if (memcmp(record->stamp.sender.at, &from->origin, SIO_ORIGIN_LENGTH) == 0 &&
		record->stamp.event <= from->local)
		return false;
	if (message->type != WIRE_BROADCAST || message->has_request_id ||
		!text_is(message->nsp, sio_nsp_text(session->nsp)))
		return false;
	for (unsigned i = 0; i < to->room_count && !wanted; i++)
		wanted = sio_recovery_rooms_has(rooms, to->rooms[i]);
	for (unsigned i = 0; i < to->except_count && wanted; i++)
		wanted = !sio_recovery_rooms_has(rooms, to->except[i]);
	return wanted;
}

/*
 * Reads the records that VAULT_READ has published. Appends the messages of the missed events to `out`. Returns their
 * number or an error.
 */
static int64_t
vault_read_missed(struct text records, const struct sio_recovery_session *session, const struct sio_vault_from *from,
	struct buffer *out)
{
	struct sio_recovery_rooms rooms;
	struct wire_message message;
	struct bus_record record;
	int64_t count = 0;
	int rc = sio_recovery_session_rooms(session, &rooms) ? 1 : ERROR_MEMORY;

	wire_message_init(&message);
	while (rc > 0 && (rc = bus_record_next(&records, false, &record)) > 0) {
		rc = wire_read_broadcast(&message, record.message);
		if (rc < 0)
			break;
		rc = 1;
		if (!vault_is_missed(&record, &message, session, &rooms, from))
			continue;
		keep_put_text(out, record.message);
		count++;
	}
	wire_message_fini(&message);
	sio_recovery_rooms_fini(&rooms);
	return rc < 0 ? rc : count;
}

/*
 * Appends the number of events, and each event with its offset. Only the offset of the last event confirms that the
 * client has received all of them. A client that received a part comes back as a new one.
 */
static void
vault_put_missed(const struct vault_ask *ask, const struct sio_recovery_log *log, const struct sio_vault_place *place,
	uint64_t count, struct text messages, struct buffer *out)
{
	struct keep_reader in = {.rest = messages};
	char offset[SIO_OFFSET_LONG + 1];
	size_t n;

	keep_put_u64(out, count);
	for (uint64_t i = 1; i <= count; i++) {
		struct sio_recovery_position at = {log->heard - (count - i), ask->sent, log->origin};

		n = sio_recovery_position_write(log->epoch, &at, offset);
		offset[n++] = ':';
		n += sio_vault_place_write(place, offset + n);
		keep_put_text(out, text_of(offset, n));
		keep_put_text(out, keep_get_text(&in));
	}
}

/*
 * Makes the session live at this worker. If `count` events are replayed, the client can be recovered again in two
 * cases: it sends the offset of the last one, or it has received none of them and sends the same offset as now. The
 * mark is noted before later events are sent, this worker's events since the question included.
 */
static void
vault_continue(struct sio_vault *vault, struct sio_recovery_session *session, const struct vault_ask *ask,
	const struct vault_claimed *claimed, const struct sio_vault_place *place, uint64_t count)
{
	struct sio_recovery_log *log = session->log;
	uint64_t sum = log->heard + ask->sent;
	const struct sio_vault_reached reached = {
		sum, {log->origin, ask->sent, *place}, count != 0 ? &claimed->before : NULL};

	session->start = sum;
	session->bound_origin = count != 0 ? log->origin : claimed->before.offset_origin;
	session->bound_sum = count != 0 ? sum : claimed->before.offset_sum;
	log->head = log->heard + vault->keep->local;
	sio_vault_replayed(vault, session, &reached);
}

static void
vault_on_missed(struct sio_vault *vault, struct vault_ask *ask, struct sio_recovery_session *session,
	struct bus_position end, struct text records)
{
	const struct vault_claimed *claimed = sio_vault_find_claimed(vault, ask->pid);
	const struct sio_vault_place place = {.entry = end, .newest = ask->sent};
	struct keep_ask *question = sio_vault_question(ask);
	struct sio_keep *keep = vault->keep;
	struct buffer messages, out;
	char pid[SIO_PID_LENGTH];
	struct keep_reader in;
	int64_t count;

	buffer_init(&messages, SIZE_MAX / 2);
	buffer_init(&out, SIZE_MAX / 2);
	count = vault_read_missed(records, session, &claimed->before.from, &messages);
	if (count < 0 || buffer_error(&messages) != 0) {
		vault_fail_replay(ask, SIO_RECOVERY_FAILED);
		buffer_fini(&messages);
		return;
	}
	memcpy(pid, ask->pid, SIO_PID_LENGTH);
	/* the worker counts replayed events as heard: each of them has a larger sum than the client's offset */
	keep->heard += (uint64_t)count;
	sio_keep_hear(session->log, keep->heard);
	vault_continue(vault, session, ask, claimed, &place, (uint64_t)count);
	question->own = ask->sent;
	keep_put_u64(&out, ask->nonce);
	buffer_add_byte(&out, SIO_RECOVERY_RECOVERED);
	buffer_add(&out, pid, SIO_PID_LENGTH);
	keep_put_u64(&out, keep->heard);
	vault_put_missed(ask, session->log, &place, (uint64_t)count, buffer_text(&messages), &out);
	sio_vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_replayed(keep, &in);
	session = sio_recovery_session_find(keep->recovery, text_of(pid, SIO_PID_LENGTH));
	if (session != NULL && !session->claimed) {
		sio_vault_forget(vault, pid);
		sio_keep_touched(session);
	} else {
		sio_vault_not_replayed(vault, pid); /* the socket has left, or leaves at the end of the turn */
	}
	buffer_fini(&messages);
	buffer_fini(&out);
}

void
sio_vault_on_read(struct sio_vault *vault, struct text message)
{
	struct sio_recovery_session *session;
	struct bus_position end;
	struct bus_point point;
	struct list *it, *next;
	struct text head, id, attempt;
	uint64_t nonce, attempts;

	if (!text_cut(&message, '\n', &head) || !text_cut(&head, ' ', &id) || !text_cut(&head, ' ', &attempt) ||
		text_number(id, UINT64_MAX, &nonce) < 0 || text_number(attempt, UINT64_MAX, &attempts) < 0 ||
		!bus_position_parse(head, &end))
		return;
	list_each(it, next, &vault->asks)
	{
		struct vault_ask *ask = container_of(it, struct vault_ask, link);

		if (ask->nonce != nonce || !ask->replays)
			continue;
		session = vault_replay_session(ask);
		if (session == NULL) {
			vault_drop_replay(ask);
			return;
		}
		if (sio_vault_find_claimed(vault, ask->pid) == NULL || !bus_store_point(vault->bus, &point) ||
			point.behind || point.gaps != ask->gaps || attempts != ask->attempts) {
			/* events may have been missed meanwhile, or been sent since an earlier attempt (ask->sent) */
			vault_fail_replay(ask, SIO_RECOVERY_NO_HUB);
			return;
		}
		bus_store_reached(vault->bus, end);
		vault_on_missed(vault, ask, session, end, message);
		return;
	}
}

void
sio_vault_drop_replays(struct sio_vault *vault)
{
	struct list *it, *next;

	list_each(it, next, &vault->asks)
	{
		struct vault_ask *ask = container_of(it, struct vault_ask, link);

		if (ask->replays && sio_vault_question(ask) == NULL)
			sio_vault_ask_free(ask);
	}
}
