#include "broker/wire.h"
#include "common/base/mem.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_logs.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"

struct sio_recovery_session *
sio_keep_replay_session(struct sio_keep *keep, const struct keep_ask *ask)
{
	struct table_node *node = table_find(&keep->recovery->sessions, text_of(ask->pid, SIO_PID_HANDLE));
	struct sio_recovery_session *session =
		node != NULL ? container_of(node, struct sio_recovery_session, node) : NULL;

	return session != NULL && session->claimed && session->lost->asked == ask->nonce ? session : NULL;
}

static void
replay_ask(struct sio_keep *keep, struct keep_ask *ask, const struct sio_recovery_session *session)
{
	ask->head = session->log->head;
	ask->until = keep->recovery->io->loop->now + SIO_KEEP_ASK_MS;
	list_add_tail(&keep->asked, &ask->link);
	keep->replays_asked++;
	keep->peer->replay(keep, ask);
}

void
sio_keep_replay_next(struct sio_keep *keep)
{
	while (!list_empty(&keep->waiting) && keep->replays_asked < keep->replays_max) {
		struct keep_ask *ask = container_of(keep->waiting.next, struct keep_ask, link);
		const struct sio_recovery_session *session = sio_keep_replay_session(keep, ask);

		list_remove(&ask->link);
		if (session != NULL)
			replay_ask(keep, ask, session);
		else
			mem_free(ask);
	}
}

bool
sio_keep_replay(struct sio_socket *s, void (*then)(struct sio_socket *s))
{
	struct sio_recovery_session *session = s->session;
	struct sio_keep *keep = s->nsp->io->recovery->keep;
	struct keep_ask *ask;

	if (session == NULL || !session->claimed || session->answered)
		return false;
	if (!keep->welcome) {
		session->answered = true;
		sio_recovery_give_up(s, SIO_RECOVERY_NO_HUB);
		return false;
	}
	ask = sio_keep_ask_new(keep, &keep->waiting, session->pid);
	ask->then_enter = then;
	session->lost->asked = ask->nonce;
	sio_keep_replay_next(keep);
	return true;
}

void
sio_keep_replay_drop(struct sio_keep *keep, uint64_t nonce)
{
	mem_free(sio_keep_ask_take(keep, nonce));
	sio_keep_replay_next(keep);
}

void
sio_keep_replay_fail(struct sio_keep *keep, struct keep_ask *ask, enum sio_recovery_result result)
{
	struct sio_recovery_session *session = sio_keep_replay_session(keep, ask);
	struct sio_socket *s = session != NULL ? session->socket : NULL;

	if (s != NULL) {
		session->answered = true;
		sio_recovery_give_up(s, result);
		ask->then_enter(s);
	}
	mem_free(ask);
}

/* Sends one event. `plain` is its array without the closing bracket; the offset is appended. */
static bool
replay_send(struct sio_socket *s, struct text plain, struct text offset, const struct attachments *attachments,
	bool compress)
{
	char *room = sio_turn_room(&s->nsp->io->turn, plain.n + offset.n + 4), *at;

	if (room == NULL)
		return false;
	at = mempcpy(room, plain.at, plain.n);
	at = mempcpy(at, ",\"", 2);
	at = mempcpy(at, offset.at, offset.n);
	at = mempcpy(at, "\"]", 2);
	s->nsp->io->recovery->replayed++;
	return sio_recovery_send(s, text_of(room, (size_t)(at - room)), attachments, compress);
}

/* Sends an event of the peer's answer, which has the format of wire.h. Returns false if that fails. */
static bool
replay_send_payload(struct sio_socket *s, struct wire_message *message, struct text offset, struct text payload)
{
	struct sio_scratch *scratch;
	struct text json;
	bool sent = false;

	if (wire_read_broadcast(message, payload) < 0)
		return false;
	scratch = sio_scratch_take(&s->nsp->io->turn);
	if (json_placeholders_copy(message->data, &message->attachments, &scratch->payload.attachments,
		    &scratch->payload.json) == 0) {
		json = buffer_text(&scratch->payload.json);
		while (json.at[json.n - 1] != ']')
			json.n--;
		sent = replay_send(s, text_of(json.at, json.n - 1), offset,
			scratch->payload.attachments.count != 0 ? &scratch->payload.attachments : NULL,
			(message->target.flags & WIRE_NO_COMPRESS) == 0);
	}
	sio_scratch_give(&s->nsp->io->turn, scratch);
	return sent;
}

static bool
replay_send_all(struct sio_socket *s, struct keep_reader *in, uint64_t count)
{
	struct wire_message message;
	bool whole = true;

	wire_message_init(&message);
	for (; whole && count != 0; count--) {
		struct text offset = keep_get_text(in), payload = keep_get_text(in);

		whole = !in->bad && replay_send_payload(s, &message, offset, payload);
	}
	wire_message_fini(&message);
	return whole;
}

/* Returns the array of a recorded event without its offset and its closing bracket. */
static struct text
entry_plain(const struct sio_recovery_entry *entry)
{
	struct text json = sio_recovery_entry_json(entry);
	size_t n = json.n - 2;

	while (json.at[n - 1] != '"')
		n--;
	return text_of(json.at, n - 2);
}

/*
 * Sends the events that this worker has emitted since the question, unless the answer contains them (ask->own). They
 * reach the client after the events of the answer, so their offsets are rewritten with the number that the answer
 * has reached. Returns false if some of them are missing or cannot be sent.
 */
static bool
replay_send_own(struct sio_socket *s, const struct keep_ask *ask)
{
	struct sio_recovery_log *log = s->nsp->log;
	struct sio_recovery_found found = {0};
	struct sio_recovery_rooms rooms;
	bool whole = ask->head >= log->floor && sio_recovery_session_rooms(s->session, &rooms);

	if (!whole)
		return false;
	whole = sio_recovery_log_find(log, ask->head, &rooms, s->nsp->io->max_emit, &found) == 0;
	for (unsigned i = 0; whole && i < found.count; i++) {
		const struct sio_recovery_entry *entry = found.at[i];
		struct sio_recovery_position at = {log->heard, entry->local, log->origin};
		char offset[SIO_OFFSET_LONG + 1];
		size_t n = sio_recovery_position_write(log->epoch, &at, offset);

		if (entry->local <= ask->own)
			continue;

		n = sio_recovery_offset_place(log, false, offset, n);
		whole = replay_send(s, entry_plain(entry), text_of(offset, n),
			entry->attachments.count != 0 ? &entry->attachments : NULL, entry->compress);
		s->last_event = at.heard + at.local;
	}
	sio_recovery_found_fini(&found);
	sio_recovery_rooms_fini(&rooms);
	return whole;
}

/* Sends the missed events. `number` is that of the last event in the peer's log; later events are delivered live. */
static void
replay_answered(struct sio_socket *s, const struct keep_ask *ask, struct keep_reader *in, uint64_t number)
{
	uint64_t count = keep_get_u64(in);

	s->nsp->io->recovery->keep->heard = number;
	sio_keep_hear(s->nsp->log, number);
	s->session->answered = true;
	s->last_event = 0;
	if (!replay_send_all(s, in, count) || !replay_send_own(s, ask)) {
		/* the client may have received some of the events, so it must come back as a new one */
		s->nsp->io->recovery->keep->peer->end(s->nsp->io->recovery->keep, ask->pid);
		sio_recovery_give_up(s, SIO_RECOVERY_FAILED);
		sio_client_close(s->client);
	}
}

/* Returns true if the client must not get one of the events after the history of a room (sio_history_given.h). */
static bool
replay_repeats(const struct sio_socket *s, struct keep_reader in)
{
	uint64_t count = keep_get_u64(&in);
	struct wire_message message;
	bool repeats = false;

	if (s->extra == NULL || s->extra->joins == NULL)
		return false;
	wire_message_init(&message);
	for (; !repeats && !in.bad && count != 0; count--) {
		(void)keep_get_text(&in); /* the offset */
		repeats = wire_read_broadcast(&message, keep_get_text(&in)) >= 0 &&
			  sio_history_covers(s, &message.target);
	}
	wire_message_fini(&message);
	return repeats;
}

void
sio_keep_replayed(struct sio_keep *keep, struct keep_reader *in)
{
	struct keep_ask *ask = sio_keep_ask_take(keep, keep_get_u64(in));
	unsigned result = keep_get_u8(in);
	struct sio_recovery_session *session = ask != NULL ? sio_keep_replay_session(keep, ask) : NULL;
	struct sio_socket *s = session != NULL ? session->socket : NULL;
	uint64_t number;

	(void)keep_get_bytes(in, SIO_PID_LENGTH);
	number = keep_get_u64(in);
	keep->answered_at = keep->recovery->io->loop->now;
	/* a socket whose client is closing gets no event, because it releases its session when it leaves */
	if (s != NULL && !sio_client_open(s->client))
		s = NULL;
	if (result == SIO_RECOVERY_RECOVERED && s != NULL && replay_repeats(s, *in)) {
		keep->peer->end(keep, ask->pid); /* the session is live for the peer */
		result = SIO_RECOVERY_OFFSET_GONE;
	}
	if (result != SIO_RECOVERY_RECOVERED && ask != NULL) {
		sio_keep_replay_fail(keep, ask,
			result < SIO_RECOVERY_RESULTS ? (enum sio_recovery_result)result : SIO_RECOVERY_FAILED);
		sio_keep_replay_next(keep);
		sio_keep_trim(keep);
		return;
	}
	if (s != NULL) {
		replay_answered(s, ask, in, number);
		ask->then_enter(s);
	}
	mem_free(ask);
	sio_keep_replay_next(keep);
	sio_keep_trim(keep);
}
