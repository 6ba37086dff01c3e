#include "node/socketio/sio_keep.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_keeper.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_stored.h"

#define ASK_MS 5000 /* longest wait for an answer; a claim may wait for WELCOME, or for a socket to leave */
#define HELLO_MS                                                                                                     \
	5000 /* longest wait for WELCOME: then HELLO, or the answer, was dropped, and HELLO is sent again            \
	      */
#define TICK_MS 1000
#define QUIET_MS 30000 /* interval at which the keeper is told the positions of connected clients */
#define REPLAYS_MAX 64 /* replays that are asked for at once; fewer if the answers may be large */
#define OUT_KEPT (64 * 1024)
#define DATA_DEPTH 64

/* A question to the keeper: a claim or a replay. */
struct keep_ask {
	struct list link;
	uint64_t nonce, until;
	struct sio_step *step; /* claim: holds the client, its auth and the namespace; NULL: a replay */
	sio_recovery_then *then_connect;
	void (*then_enter)(struct sio_socket *s);
	uint64_t head; /* replay: head of the log when it was asked */
	char pid[SIO_PID_LENGTH];
	char offset[SIO_OFFSET_MAX];
	uint8_t offset_n;
	bool has_offset;
};

/* --------------------------------------------------------------- messages */

/*
 * Begins a message in keep->out. The caller appends the fields of its type and calls keep_send(). The message counts
 * from now on, so the keeper finds out if it gets lost, and asks for HELLO.
 */
static struct buffer *
keep_begin(struct sio_keep *keep, enum sio_keep_message type)
{
	buffer_reset(&keep->out);
	buffer_add_byte(&keep->out, SIO_KEEP_VERSION);
	buffer_add_byte(&keep->out, (uint8_t)type);
	keep_put_u64(&keep->out, keep->origin);
	buffer_add(&keep->out, keep->bus.id, BUS_KEEP_ID);
	keep_put_u64(&keep->out, keep->local);
	keep_put_u64(&keep->out, ++keep->sent);
	return &keep->out;
}

/* Sends keep->out. An error is only counted: see keep_begin(). */
static void
keep_send(struct sio_keep *keep)
{
	if (buffer_error(&keep->out) != 0 || broker_keep_send(keep->broker, &keep->bus, buffer_text(&keep->out)) < 0)
		loop_count_no_memory(keep->recovery->io->loop);
	if (keep->out.size > OUT_KEPT)
		buffer_fini(&keep->out);
}

static void
keep_send_pid(struct sio_keep *keep, enum sio_keep_message type, const char pid[SIO_PID_LENGTH])
{
	if (!keep->welcome)
		return;
	keep_put_text(keep_begin(keep, type), text_of(pid, SIO_PID_LENGTH));
	keep_send(keep);
}

/* --------------------------------------------------------------- sessions */

/* Moves the log on to the keeper's `number`. */
static void
log_hear(struct sio_recovery_log *log, uint64_t number)
{
	if (number <= log->heard)
		return;
	log->head += number - log->heard;
	log->heard = number;
}

static void
keep_put_rooms(struct buffer *out, const struct sio_socket *s)
{
	struct list *it, *next;
	uint32_t bytes = 0;

	list_each(it, next, &s->rooms) bytes +=
		sizeof(uint32_t) + container_of(it, struct sio_membership, in_socket)->key.room->node.key_len;
	keep_put_u64(out, s->room_count);
	buffer_add(out, &bytes, sizeof bytes);
	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;

		keep_put_text(out, text_of(room->name, room->node.key_len));
	}
}

static void
keep_put_data(struct buffer *out, const struct sio_stored *data)
{
	size_t at = out->len + sizeof(uint32_t);
	uint32_t n;

	keep_put_text(out, TEXT(""));
	if (data == NULL)
		return;
	if (json_to_msgpack(data->owner.json, &data->attachments, out) != 0)
		buffer_fail(out, ERROR_MEMORY);
	if (buffer_error(out) != 0)
		return;
	n = (uint32_t)(out->len - at);
	memcpy(out->data + at - sizeof n, &n, sizeof n);
}

/* Returns the decoded data of a session; NULL if `packed` is empty or memory runs out. */
static struct sio_stored *
keep_get_data(struct sio_keep *keep, struct text packed)
{
	struct sio_stored *stored = NULL;
	struct attachments attachments;
	struct buffer json;

	if (packed.n == 0)
		return NULL;
	attachments_init(&attachments);
	buffer_init(&json, SIZE_MAX / 2);
	if (msgpack_to_json((const uint8_t *)packed.at, packed.n, DATA_DEPTH, &attachments, &json) > 0 &&
		buffer_error(&json) == 0)
		stored = sio_stored_new(buffer_text(&json), attachments.count != 0 ? &attachments : NULL);
	if (stored == NULL)
		loop_count_no_memory(keep->recovery->io->loop);
	buffer_fini(&json);
	attachments_fini(&attachments);
	return stored;
}

/* Sends a live session to the keeper. */
static void
keep_tell(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset)
{
	const struct sio_socket *s = session->socket;
	struct buffer *out;

	list_remove(&session->kept);
	if (!keep->welcome || session->claimed)
		return;
	out = keep_begin(keep, SIO_KEEP_SESSION);
	keep_put_text(out, text_of(session->pid, SIO_PID_LENGTH));
	keep_put_text(out, text_of(session->sid, SIO_ID_LENGTH));
	keep_put_text(out, sio_nsp_text(session->nsp));
	buffer_add_byte(out, needs_offset);
	buffer_add_byte(out, s->in_own_room);
	keep_put_u64(out, session->start_heard);
	keep_put_u64(out, session->start - session->start_heard);
	buffer_add_byte(out, session->changed_head != 0);
	keep_put_u64(out, session->changed_last);
	keep_put_u64(out, session->changed_heard);
	keep_put_u64(out, session->changed_head - session->changed_heard);
	keep_put_rooms(out, s);
	keep_put_data(out, s->extra != NULL ? s->extra->data : NULL);
	keep_send(keep);
}

static void
keep_before_flush(struct loop_call *call)
{
	struct sio_keep *keep = container_of(call, struct sio_keep, call);

	while (!list_empty(&keep->changed))
		keep_tell(keep, container_of(keep->changed.next, struct sio_recovery_session, kept), false);
}

/*
 * The session is new, or its rooms or data have changed. The keeper is told before the next flush, so before the
 * client can learn of the change: after that the client may come back to another worker at any moment.
 */
static void
keep_touched(struct sio_recovery_session *session)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;

	session->data_changed = session->claimed;
	if (!recovery->keep->welcome || session->claimed)
		return;
	if (session->start == 0) {
		/* every event up to keep->heard was delivered before this session began, whatever its namespace */
		log_hear(session->log, recovery->keep->heard);
		session->start_heard = session->log->heard;
		session->start = session->log->head;
	}
	list_remove(&session->kept);
	list_add_tail(&recovery->keep->changed, &session->kept);
	loop_defer_to_flush(recovery->io->loop, &recovery->keep->call);
}

static void
keep_put_quiet(
	struct buffer *out, const struct sio_recovery_session *session, uint64_t last, uint64_t heard, uint64_t head)
{
	keep_put_text(out, text_of(session->pid, SIO_PID_LENGTH));
	keep_put_u64(out, last);
	keep_put_u64(out, heard);
	keep_put_u64(out, head - heard);
}

static void
keep_forget(struct sio_keep *keep, const struct sio_recovery_session *session)
{
	keep_send_pid(keep, SIO_KEEP_END, session->pid);
}

static void
keep_end_stored(struct sio_keep *keep, struct text pid)
{
	keep_send_pid(keep, SIO_KEEP_END, pid.at);
}

static void
keep_unclaim(struct sio_recovery_session *session)
{
	keep_send_pid(session->nsp->io->recovery->keep, SIO_KEEP_RELEASE, session->pid);
	sio_recovery_session_free(session);
}

static void
keep_leave(struct sio_recovery_session *session, struct sio_socket *s, bool may_return)
{
	struct sio_keep *keep = session->nsp->io->recovery->keep;

	if (session->claimed) {
		keep_unclaim(session);
		return;
	}
	if (!list_empty(&session->kept))
		keep_tell(keep, session, false);
	if (!may_return) {
		keep_send_pid(keep, SIO_KEEP_END, session->pid);
	} else if (keep->welcome) {
		keep_put_quiet(keep_begin(keep, SIO_KEEP_STORE), session, s->last_event, session->deaf_heard,
			session->heard);
		keep_send(keep);
	}
	sio_recovery_session_free(session);
}

/* ------------------------------------------------------------------- logs */

/* Sets the log's origin, epoch and position to those that the keeper has given this worker. */
static void
keep_name_log(const struct sio_keep *keep, struct sio_nsp *nsp)
{
	nsp->log->origin = keep->welcome ? keep->origin : 0;
	nsp->log->touched = keep_touched;
	nsp->log->heard = nsp->log->head = keep->heard;
	if (keep->welcome)
		sio_keeper_epoch(keep->key, sio_nsp_text(nsp), nsp->log->epoch);
}

void
sio_keep_adopt(struct sio_nsp *nsp)
{
	keep_name_log(nsp->io->recovery->keep, nsp);
}

void
sio_keep_number(struct sio_nsp *nsp, uint64_t number)
{
	struct sio_keep *keep = nsp->io->recovery != NULL ? nsp->io->recovery->keep : NULL;

	if (keep == NULL || nsp->log == NULL)
		return;
	keep->numbered = number != 0 && keep->welcome;
	if (!keep->numbered)
		return;
	keep->heard = number;
	log_hear(nsp->log, number);
}

static void
keep_trim(struct sio_keep *keep)
{
	struct sio_recovery_store *store = &keep->recovery->store;

	/* if this drops an event that a client waits for, replay_send_own() fails and the client is not recovered */
	while (store->count > 1 && (keep->replays_asked == 0 || store->bytes > store->max_bytes))
		(void)sio_recovery_store_drop(store);
}

void
sio_keep_record_one(struct sio_nsp *nsp, const struct sio_selector *who, const struct sio_content *what)
{
	struct sio_keep *keep = nsp->io->recovery->keep;
	struct wire_target to = {.rooms = who->rooms, .room_count = who->rooms_count};

	if (nsp->broker != NULL)
		(void)broker_broadcast_recorded(
			nsp->broker, &to, what->json, what->attachments, keep->origin, keep->local, &keep->bus);
}

/* -------------------------------------------------------------------- asks */

/* Adds an ask to a list: keep->asked or keep->waiting. */
static struct keep_ask *
ask_new(struct sio_keep *keep, struct list *list, const char pid[SIO_PID_LENGTH])
{
	struct keep_ask *ask = mem_zalloc(sizeof *ask);

	ask->nonce = ++keep->nonce;
	ask->until = keep->recovery->io->loop->now + ASK_MS;
	memcpy(ask->pid, pid, SIO_PID_LENGTH);
	list_add_tail(list, &ask->link);
	loop_arm(keep->recovery->io->loop, &keep->timer, TICK_MS);
	return ask;
}

/* Returns the ask with this nonce, taken off the list, or NULL. */
static struct keep_ask *
ask_take(struct sio_keep *keep, uint64_t nonce)
{
	struct list *it, *next;

	list_each(it, next, &keep->asked)
	{
		struct keep_ask *ask = container_of(it, struct keep_ask, link);

		if (ask->nonce != nonce)
			continue;
		list_remove(it);
		keep->replays_asked -= ask->step == NULL;
		return ask;
	}
	return NULL;
}

/* Does nothing, because the application never answers this step. */
static void
claim_resume(struct sio_step *step)
{
	(void)step;
}

static int64_t
claim_held_bytes(const struct sio_step *step)
{
	return (int64_t)(step->nsp.n + step->auth.n);
}

static void
claim_send(struct sio_keep *keep, const struct keep_ask *ask)
{
	struct buffer *out = keep_begin(keep, SIO_KEEP_CLAIM);

	keep_put_u64(out, ask->nonce);
	keep_put_u64(out, keep->recovery->io->max_emit);
	keep_put_text(out, text_of(ask->pid, SIO_PID_LENGTH));
	buffer_add_byte(out, ask->has_offset);
	keep_put_text(out, text_of(ask->offset, ask->offset_n));
	keep_put_text(out, sio_nsp_text(ask->step->made));
	keep_send(keep);
}

/* See struct sio_keep_ops. Before WELCOME the claim waits; keep_on_welcome() sends it. */
static bool
keep_claim(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset, struct text auth,
	sio_recovery_then *then)
{
	struct sio_keep *keep = nsp->io->recovery->keep;
	struct sio_step *step;
	struct keep_ask *ask;
	char *copy;

	if (pid.n != SIO_PID_LENGTH || keep->refused) {
		nsp->io->recovery->results[keep->refused ? SIO_RECOVERY_NO_HUB : SIO_RECOVERY_NO_SESSION]++;
		return false;
	}
	copy = mem_try_alloc(nsp->node.key_len + 1 + auth.n);
	if (copy == NULL) {
		nsp->io->recovery->results[SIO_RECOVERY_FAILED]++;
		return false;
	}
	step = sio_step_new(nsp->io, 0, claim_resume);
	memcpy(mempcpy(copy, nsp->name, nsp->node.key_len + 1), auth.at, auth.n);
	step->nsp = text_of(copy, nsp->node.key_len);
	step->auth = text_of(copy + nsp->node.key_len + 1, auth.n);
	step->client = c;
	step->made = nsp;
	sio_nsp_used(nsp);
	list_add_tail(&c->checks, &step->held.link);
	c->places++;
	sio_client_hold(c, claim_held_bytes(step));
	ask = ask_new(keep, &keep->asked, pid.at);
	ask->step = step;
	ask->then_connect = then;
	ask->has_offset = offset != NULL;
	if (offset != NULL && offset->n <= SIO_OFFSET_MAX) { /* a longer one goes as an empty one, also invalid */
		ask->offset_n = (uint8_t)offset->n;
		memcpy(ask->offset, offset->at, offset->n);
	}
	if (keep->welcome)
		claim_send(keep, ask);
	return true;
}

/* Continues the CONNECT, with the session, or without one if it is NULL. Frees the ask. */
static void
claim_end(struct keep_ask *ask, enum sio_recovery_result result, struct sio_recovery_session *session)
{
	struct sio_step *step = ask->step;
	struct sio_client *c = step->client;
	struct sio_nsp *nsp = step->made;

	if (result != SIO_RECOVERY_RECOVERED)
		nsp->io->recovery->results[result]++;
	if (c != NULL) {
		list_remove(&step->held.link);
		c->places--;
		sio_client_hold(c, -claim_held_bytes(step));
	}
	if (c != NULL && sio_client_open(c))
		ask->then_connect(c, nsp, step->auth, session);
	else if (session != NULL)
		keep_unclaim(session);
	sio_step_free(step);
	mem_free(ask);
}

/* Makes the session that the keeper has handed over. Returns NULL if it is malformed or known, or without memory. */
static struct sio_recovery_session *
claim_read(struct sio_keep *keep, const struct keep_ask *ask, struct keep_reader *in)
{
	struct sio_nsp *nsp = ask->step->made;
	bool ghost = keep_get_u8(in) != 0, own = keep_get_u8(in) != 0;
	struct text sid = keep_get_text(in), rooms, data;
	uint64_t count = keep_get_u64(in);
	struct sio_recovery_session *session;

	rooms = keep_get_text(in);
	data = keep_get_text(in);
	if (in->bad || sid.n != SIO_ID_LENGTH ||
		table_find(&keep->recovery->sessions, text_of(ask->pid, SIO_PID_HANDLE)) != NULL)
		return NULL;
	session = sio_recovery_session_of(nsp, text_of(ask->pid, SIO_PID_LENGTH), sid, rooms, (uint32_t)count);
	if (session == NULL)
		return NULL;
	session->ghost = ghost;
	session->own = own;
	session->data = keep_get_data(keep, data);
	if (data.n != 0 && session->data == NULL) {
		sio_recovery_session_free(session);
		return NULL;
	}
	return session;
}

static void
keep_on_claimed(struct sio_keep *keep, struct keep_reader *in)
{
	struct keep_ask *ask = ask_take(keep, keep_get_u64(in));
	unsigned result = keep_get_u8(in);
	struct sio_recovery_session *session = NULL;

	if (ask == NULL || result >= SIO_RECOVERY_RESULTS) {
		/* the claim has timed out, and its client goes on with a new socket */
		if (result == SIO_RECOVERY_RECOVERED)
			keep_send_pid(keep, SIO_KEEP_RELEASE, keep_get_bytes(in, SIO_PID_LENGTH).at);
		return;
	}
	(void)keep_get_bytes(in, SIO_PID_LENGTH);
	if (result == SIO_RECOVERY_RECOVERED) {
		session = claim_read(keep, ask, in);
		if (session == NULL) {
			keep_send_pid(keep, SIO_KEEP_RELEASE, ask->pid);
			result = SIO_RECOVERY_FAILED;
		}
	}
	claim_end(ask, (enum sio_recovery_result)result, session);
}

/* ------------------------------------------------------------------ replay */

/* Returns the session of a replay if its socket still waits for the answer, else NULL. */
static struct sio_recovery_session *
replay_session(struct sio_keep *keep, const struct keep_ask *ask)
{
	struct table_node *node = table_find(&keep->recovery->sessions, text_of(ask->pid, SIO_PID_HANDLE));
	struct sio_recovery_session *session =
		node != NULL ? container_of(node, struct sio_recovery_session, node) : NULL;

	return session != NULL && session->asked == ask->nonce && session->claimed ? session : NULL;
}

static void
replay_ask(struct sio_keep *keep, struct keep_ask *ask, const struct sio_recovery_session *session)
{
	struct buffer *out = keep_begin(keep, SIO_KEEP_REPLAY);

	keep_put_u64(out, ask->nonce);
	keep_put_u64(out, keep->recovery->io->max_emit);
	keep_put_text(out, text_of(ask->pid, SIO_PID_LENGTH));
	keep_send(keep);
	ask->head = session->log->head;
	ask->until = keep->recovery->io->loop->now + ASK_MS;
	list_add_tail(&keep->asked, &ask->link);
	keep->replays_asked++;
}

/* Asks for the replays whose turn has come. A socket that has gone meanwhile needs no answer. */
static void
replay_ask_next(struct sio_keep *keep)
{
	while (!list_empty(&keep->waiting) && keep->replays_asked < keep->replays_max) {
		struct keep_ask *ask = container_of(keep->waiting.next, struct keep_ask, link);
		const struct sio_recovery_session *session = replay_session(keep, ask);

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
	ask = ask_new(keep, &keep->waiting, session->pid);
	ask->then_enter = then;
	session->asked = ask->nonce;
	replay_ask_next(keep);
	return true;
}

/* Ends a replay without its events: the socket goes on as a new one. Frees the ask. */
static void
replay_fail(struct sio_keep *keep, struct keep_ask *ask, enum sio_recovery_result result)
{
	struct sio_recovery_session *session = replay_session(keep, ask);
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

/* Sends an event of the keeper, which has the format of wire.h. Returns false if that fails. */
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
 * Sends the events that this worker has emitted since it asked. They reach the client after the keeper's events, so
 * their offsets are written anew, with the number that the keeper's answer has reached.
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
		char offset[SIO_OFFSET_MAX + 1];

		whole = replay_send(s, entry_plain(entry),
			text_of(offset, sio_recovery_position_write(log->epoch, &at, offset)),
			entry->attachments.count != 0 ? &entry->attachments : NULL, entry->compress);
		s->last_event = at.heard + at.local;
	}
	sio_recovery_found_fini(&found);
	sio_recovery_rooms_fini(&rooms);
	return whole;
}

/* Sends the missed events. `number`: of the keeper's last event; later events are delivered live. */
static void
replay_answered(struct sio_socket *s, const struct keep_ask *ask, struct keep_reader *in, uint64_t number)
{
	uint64_t count = keep_get_u64(in);

	s->nsp->io->recovery->keep->heard = number;
	log_hear(s->nsp->log, number);
	s->session->answered = true;
	s->last_event = 0;
	if (!replay_send_all(s, in, count) || !replay_send_own(s, ask)) {
		/* the client may have got some of the events, so it must come back as a new one */
		keep_send_pid(s->nsp->io->recovery->keep, SIO_KEEP_END, ask->pid);
		sio_recovery_give_up(s, SIO_RECOVERY_FAILED);
		sio_client_close(s->client);
	}
}

static void
keep_on_replayed(struct sio_keep *keep, struct keep_reader *in)
{
	struct keep_ask *ask = ask_take(keep, keep_get_u64(in));
	unsigned result = keep_get_u8(in);
	struct text pid = keep_get_bytes(in, SIO_PID_LENGTH);
	uint64_t number = keep_get_u64(in);
	struct sio_recovery_session *session = ask != NULL ? replay_session(keep, ask) : NULL;
	struct sio_socket *s = session != NULL ? session->socket : NULL;

	if (result != SIO_RECOVERY_RECOVERED && ask != NULL) {
		replay_fail(keep, ask,
			result < SIO_RECOVERY_RESULTS ? (enum sio_recovery_result)result : SIO_RECOVERY_FAILED);
		replay_ask_next(keep);
		keep_trim(keep);
		return;
	}
	if (s == NULL) {
		/* the socket has gone, so the session that the keeper now takes for live ends */
		if (result == SIO_RECOVERY_RECOVERED && pid.n == SIO_PID_LENGTH)
			keep_send_pid(keep, SIO_KEEP_END, pid.at);
	} else {
		replay_answered(s, ask, in, number);
		ask->then_enter(s);
	}
	mem_free(ask);
	replay_ask_next(keep);
	keep_trim(keep);
}

/* ---------------------------------------------------------------- up calls */

/*
 * Registers the sessions of all sockets of this worker at the keeper. If the keeper does not know all events that the
 * clients have got, a client can be recovered only once it has an offset from after this registration.
 */
static void
keep_register_all(struct sio_keep *keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keep->recovery->sessions, &cursor)) != NULL) {
		struct sio_recovery_session *session = container_of(node, struct sio_recovery_session, node);

		if (session->claimed || session->socket == NULL)
			continue;
		session->start = session->log->head;
		session->start_heard = session->log->heard;
		session->changed_last = session->changed_head = session->changed_heard = 0;
		session->socket->last_event = 0;
		keep_tell(keep, session, keep->former != 0 || keep->unheard);
	}
}

static void
keep_name_logs(struct sio_keep *keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keep->recovery->io->nsps, &cursor)) != NULL) {
		struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		nsp->log->floor = 0;
		keep_name_log(keep, nsp);
	}
}

/* Fails the asks: all of them, or only the replays, whose positions mean nothing to another hub. */
static void
keep_fail_asks(struct sio_keep *keep, bool all)
{
	struct list asks;

	list_init(&asks);
	list_move_all(&asks, &keep->asked);
	list_move_all(&asks, &keep->waiting);
	keep->replays_asked = 0;
	while (!list_empty(&asks)) {
		struct keep_ask *ask = container_of(asks.next, struct keep_ask, link);

		list_remove(&ask->link);
		if (ask->step == NULL) {
			replay_fail(keep, ask, SIO_RECOVERY_NO_HUB);
		} else if (all) {
			claim_end(ask, SIO_RECOVERY_NO_HUB, NULL);
		} else {
			list_add_tail(&keep->asked, &ask->link);
		}
	}
}

static void
keep_send_claims(struct sio_keep *keep)
{
	struct list *it, *next;

	list_each(it, next, &keep->asked)
	{
		const struct keep_ask *ask = container_of(it, struct keep_ask, link);

		if (ask->step != NULL)
			claim_send(keep, ask);
	}
}

/* Begins anew under a new name: forgets the events and positions of the former one, and waits for WELCOME. */
static void
keep_say_hello(struct sio_keep *keep)
{
	struct buffer *out;

	while (sio_recovery_store_drop(&keep->recovery->store))
		;
	if (keep->welcome) {
		keep->former = keep->origin;
		keep->former_local = keep->local;
		keep->former_sent = keep->sent;
	}
	keep->welcome = keep->refused = false;
	keep->local = keep->sent = 0;
	keep_name_logs(keep);
	keep_fail_asks(keep, false);
	random_id((char *)&keep->origin, sizeof keep->origin);
	out = keep_begin(keep, SIO_KEEP_HELLO);
	keep_put_u64(out, keep->former);
	keep_put_u64(out, keep->former_local);
	keep_put_u64(out, keep->former_sent);
	keep_send(keep);
	keep->hello_at = keep->recovery->io->loop->now;
	loop_arm(keep->recovery->io->loop, &keep->timer, TICK_MS);
}

static void
keep_on_ready(struct bus_keep *bus)
{
	keep_say_hello(container_of(bus, struct sio_keep, bus));
}

static void
keep_on_welcome(struct sio_keep *keep, struct keep_reader *in)
{
	struct text key = keep_get_bytes(in, SIO_KEEP_KEY);
	uint64_t number = keep_get_u64(in);

	if (in->bad)
		return;
	memcpy(keep->key, key.at, SIO_KEEP_KEY);
	keep->welcome = true;
	keep->heard = number;
	keep_name_logs(keep);
	keep_register_all(keep);
	keep->unheard = false;
	keep_send_claims(keep);
}

/* TAKE: the client is back at another worker, so its socket here leaves. */
static void
keep_on_take(struct sio_keep *keep, struct keep_reader *in)
{
	struct sio_recovery_session *session = sio_recovery_session_find(keep->recovery, keep_get_text(in));

	if (session != NULL && session->socket != NULL && !session->claimed)
		sio_recovery_end_ghost(NULL, session->socket);
}

static void
keep_on_ended(struct sio_keep *keep, struct keep_reader *in)
{
	sio_session_end why = (sio_session_end)keep_get_u8(in);
	struct text sid = keep_get_text(in), name = keep_get_text(in);
	struct sio_stored *data = keep_get_data(keep, keep_get_text(in));
	struct sio_nsp *nsp = sio_nsp_find(keep->recovery->io, name);

	if (!in->bad && nsp != NULL)
		sio_recovery_session_ended(nsp, sid, data, why);
	sio_stored_unref(data);
}

/* The hub is of another version of this program: clients cannot be recovered until there is another hub. */
static void
keep_on_other_version(struct sio_keep *keep)
{
	keep->welcome = false;
	keep->refused = true;
	keep_name_logs(keep);
	keep_fail_asks(keep, true);
}

static void
keep_on_message(struct bus_keep *bus, struct text message)
{
	struct sio_keep *keep = container_of(bus, struct sio_keep, bus);
	struct keep_reader in = {.rest = message};
	uint8_t version = keep_get_u8(&in), type = keep_get_u8(&in);

	/* a message for another origin is from before the last HELLO, and is ignored */
	if (keep_get_u64(&in) != keep->origin || keep->refused)
		return;
	if (version != SIO_KEEP_VERSION)
		keep_on_other_version(keep);
	else if (type == SIO_KEEP_WELCOME && !keep->welcome)
		keep_on_welcome(keep, &in);
	else if (type == SIO_KEEP_UNKNOWN && keep->welcome)
		keep_say_hello(keep);
	else if (type == SIO_KEEP_TAKE)
		keep_on_take(keep, &in);
	else if (type == SIO_KEEP_CLAIMED)
		keep_on_claimed(keep, &in);
	else if (type == SIO_KEEP_REPLAYED)
		keep_on_replayed(keep, &in);
	else if (type == SIO_KEEP_ENDED)
		keep_on_ended(keep, &in);
}

/* ------------------------------------------------------------------ timer */

/*
 * Sends the positions of all connected clients. Without them, the keeper would take an idle client for one that has
 * missed the events which the log has dropped meanwhile.
 */
static void
keep_tell_quiet(struct sio_keep *keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keep->recovery->sessions, &cursor)) != NULL) {
		struct sio_recovery_session *session = container_of(node, struct sio_recovery_session, node);
		const struct sio_socket *s = session->socket;

		if (session->claimed || s == NULL || s->state != SIO_CONNECTED)
			continue;
		keep_put_quiet(keep_begin(keep, SIO_KEEP_QUIET), session, s->last_event, session->log->heard,
			session->log->head);
		keep_send(keep);
	}
}

static void
keep_time_out(struct sio_keep *keep, struct keep_ask *ask)
{
	if (ask->step != NULL) {
		claim_end(ask, SIO_RECOVERY_NO_HUB, NULL); /* keep_on_claimed() releases a late session */
		return;
	}
	keep_send_pid(keep, SIO_KEEP_END, ask->pid);
	replay_fail(keep, ask, SIO_RECOVERY_NO_HUB);
}

/* `list`: keep->asked or keep->waiting, both in the order of their time limits. */
static void
keep_time_out_all(struct sio_keep *keep, struct list *list, uint64_t now)
{
	while (!list_empty(list)) {
		struct keep_ask *ask = container_of(list->next, struct keep_ask, link);

		if (ask->until > now)
			break;
		list_remove(&ask->link);
		keep->replays_asked -= list == &keep->asked && ask->step == NULL;
		keep_time_out(keep, ask);
	}
}

static void
keep_on_timer(struct wheel_entry *entry)
{
	struct sio_keep *keep = container_of(entry, struct sio_keep, timer);
	uint64_t now = keep->recovery->io->loop->now;
	bool unanswered;

	keep_time_out_all(keep, &keep->asked, now);
	keep_time_out_all(keep, &keep->waiting, now);
	replay_ask_next(keep);
	if (keep->welcome && now >= keep->quiet_at) {
		keep_tell_quiet(keep);
		keep->quiet_at = now + QUIET_MS;
	}
	unanswered = keep->origin != 0 && !keep->welcome && !keep->refused;
	if (unanswered && now - keep->hello_at >= HELLO_MS)
		keep_say_hello(keep);
	loop_arm(keep->recovery->io->loop, &keep->timer,
		list_empty(&keep->asked) && list_empty(&keep->waiting) && !unanswered ? QUIET_MS : TICK_MS);
}

/* -------------------------------------------------------------------- life */

/* The answers to all replays under way fit into the queue of the hub, which is larger than a payload. */
static unsigned
replays_max(uint64_t max_emit)
{
	uint64_t n = WIRE_PAYLOAD_MAX / (max_emit + 1);

	return n == 0 ? 1 : n < REPLAYS_MAX ? (unsigned)n : REPLAYS_MAX;
}

static const struct sio_keep_ops keep_ops = {.trim = keep_trim,
	.claim = keep_claim,
	.unclaim = keep_unclaim,
	.forget = keep_forget,
	.end_stored = keep_end_stored,
	.leave = keep_leave};

void
sio_keep_new(struct sio_recovery *recovery, struct broker *broker)
{
	struct sio_keep *keep = mem_zalloc(sizeof *keep);

	keep->ops = &keep_ops;
	keep->recovery = recovery;
	keep->broker = broker;
	list_init(&keep->changed);
	list_init(&keep->asked);
	list_init(&keep->waiting);
	loop_call_init(&keep->call, keep_before_flush);
	wheel_entry_init(&keep->timer, keep_on_timer);
	buffer_init(&keep->out, WIRE_PAYLOAD_MAX);
	keep->replays_max = replays_max(recovery->io->max_emit);
	random_id(keep->bus.id, BUS_KEEP_ID);
	keep->bus.on_message = keep_on_message;
	keep->bus.on_ready = keep_on_ready;
	recovery->keep = keep;
	recovery->adopt = sio_keep_adopt;
	keep_name_logs(keep);
	keep->quiet_at = recovery->io->loop->now + QUIET_MS;
	loop_arm(recovery->io->loop, &keep->timer, QUIET_MS);
	broker_keep_open(broker, &keep->bus);
}

void
sio_keep_free(struct sio_keep *keep)
{
	if (keep == NULL)
		return;
	keep->welcome = false;
	keep_fail_asks(keep, true);
	while (!list_empty(&keep->changed))
		list_remove(keep->changed.next);
	loop_call_cancel(&keep->call);
	loop_disarm(keep->recovery->io->loop, &keep->timer);
	broker_keep_close(keep->broker, &keep->bus);
	keep_name_logs(keep); /* from now on events get no offsets */
	buffer_fini(&keep->out);
	keep->recovery->keep = NULL;
	keep->recovery->adopt = NULL;
	mem_free(keep);
}
