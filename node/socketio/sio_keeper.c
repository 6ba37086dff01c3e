#include "node/socketio/sio_keeper.h"

#include "broker/bus_keep.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_selector.h"

#define CLAIM_MS 5000 /* a claim that has waited longer for the socket to leave is replaced by the next claim */

/* The log of a namespace. It lives as long as it has entries or sessions. */
struct keeper_log {
	struct table_node node;
	struct sio_recovery_log *log;
	unsigned sessions;
	char epoch[SIO_EPOCH_LENGTH];
	char name[];
};

/* A worker. */
struct keeper_origin {
	struct table_node node;
	struct list link; /* in keeper->workers */
	uint64_t id;
	uint64_t local; /* number of the last event that it recorded, by its own count */
	const void *connection;
	struct list sessions; /* live sessions of this worker, and sessions that it has claimed */
	char channel[BUS_KEEP_ID];
};

/* An event that the client must have got. sum: heard + local of the event's offset. origin 0: no such event. */
struct keeper_bound {
	uint64_t origin, sum;
};

/* A worker's claim of a session, with the offset that the client has sent. */
struct claim {
	uint64_t origin, nonce, max_bytes; /* max_bytes: limit of the missed events */
	struct text offset;
	bool has_offset, ghost; /* ghost: the session was live at another socket, which had to leave first */
};

/* A claim that waits until the live socket of the session has left. */
struct keeper_waiting {
	struct claim claim;
	uint64_t since;
	char offset[SIO_OFFSET_MAX];
};

enum keeper_state { KEEPER_LIVE, KEEPER_STORED, KEEPER_CLAIMED };

struct keeper_session {
	struct table_node node;
	struct list link; /* live, claimed: in origin->sessions; stored: in keeper->stored */
	struct keeper_log *log;
	struct keeper_origin *origin;	    /* NULL: stored */
	struct sio_recovery_position first; /* at the first CONNECT */
	uint64_t start;			    /* lower bound of heard + local when the session came to its worker */
	uint64_t last_origin;		    /* the worker that has the session, or had it last */
	struct keeper_bound entry;	    /* the last event before the session came to its worker */
	/* when the rooms last changed: the last event for the socket, and the position of the worker */
	struct keeper_bound before;
	struct sio_recovery_position changed;
	/* when the worker last sent STORE or QUIET: the same two */
	struct keeper_bound last;
	struct sio_recovery_position quiet;
	struct sio_recovery_position from; /* claimed: the offset of the client; origin 0: it sent none */
	uint64_t lost_at;		   /* ms, by the clock of the caller */
	char *kept;			   /* one allocation: the rooms, then the data */
	uint32_t rooms_n, room_count, data_n, bytes;
	struct keeper_waiting *waiting; /* live: the claim that waits; NULL: none */
	uint8_t state;
	bool own;	   /* the socket is in its own room */
	bool needs_offset; /* the client must send an offset that is not older than `first` */
	char pid[SIO_PID_LENGTH];
	char sid[SIO_ID_LENGTH];
};

/*
 * A claim of an unknown session. The worker that has made the session may already have sent it by another connection,
 * which the hub has not read yet. So the claim waits for sio_keeper_settle().
 */
struct keeper_parked {
	struct list link;
	struct claim claim;
	char pid[SIO_PID_LENGTH], offset[SIO_OFFSET_MAX];
	uint32_t nsp_n;
	char nsp[];
};

struct sio_keeper {
	struct sio_keeper_options options;
	char key[SIO_KEEP_KEY];
	struct sio_recovery_store store;
	struct table logs, origins, sessions;
	struct list workers, stored;
	struct list parked; /* struct keeper_parked, until sio_keeper_settle() */
	uint64_t stored_count;
	uint64_t number; /* of the last event */
	uint64_t hole;	 /* an event before this number is missing, so older offsets cannot be continued */
	uint64_t ended, displaced;
	struct wire_message message;
	struct buffer out;
};

/* ------------------------------------------------------------------- logs */

void
sio_keeper_epoch(const char key[SIO_KEEP_KEY], struct text nsp, char out[SIO_EPOCH_LENGTH])
{
	uint64_t hash = table_hash_keyed((const uint8_t *)key, nsp.at, nsp.n);

	for (unsigned i = 0; i < SIO_EPOCH_LENGTH; i++)
		out[i] = base64url_alphabet[hash >> (6 * i) & 63];
}

/* Returns the log of the namespace, which is made if missing. */
static struct keeper_log *
keeper_log_of(struct sio_keeper *keeper, struct text nsp)
{
	struct table_node *node = table_find(&keeper->logs, nsp);
	struct keeper_log *log;

	if (node != NULL)
		return container_of(node, struct keeper_log, node);
	log = mem_zalloc(sizeof *log + nsp.n); /* names of namespaces are short */
	memcpy(log->name, nsp.at, nsp.n);
	log->log = sio_recovery_log_new(&keeper->store);
	sio_keeper_epoch(keeper->key, nsp, log->epoch);
	table_add(&keeper->logs, &log->node, text_of(log->name, nsp.n));
	return log;
}

static void
keeper_free_unused_logs(struct sio_keeper *keeper, bool all)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keeper->logs, &cursor)) != NULL) {
		struct keeper_log *log = container_of(node, struct keeper_log, node);

		if (!all && (log->sessions != 0 || !list_empty(&log->log->entries)))
			continue;
		/* a later log of the same namespace will not have the events of this one */
		if (keeper->hole < log->log->head)
			keeper->hole = log->log->head;
		table_remove(&keeper->logs, node);
		sio_recovery_log_free(log->log);
		mem_free(log);
	}
}

/* --------------------------------------------------------------- messages */

static struct text
origin_text(const uint64_t *id)
{
	return text_of((const char *)id, SIO_ORIGIN_LENGTH);
}

/* Begins a message in keeper->out. The caller appends the fields of its type and calls keeper_send(). */
static struct buffer *
keeper_begin(struct sio_keeper *keeper, enum sio_keep_message type, uint64_t origin)
{
	buffer_reset(&keeper->out);
	buffer_add_byte(&keeper->out, (uint8_t)type);
	keep_put_u64(&keeper->out, origin);
	return &keeper->out;
}

static void
keeper_send(struct sio_keeper *keeper, const char channel[BUS_KEEP_ID])
{
	if (buffer_error(&keeper->out) == 0)
		keeper->options.send(keeper->options.arg, text_of(channel, BUS_KEEP_ID), buffer_text(&keeper->out));
}

/* Returns the worker with this origin, or NULL. */
static struct keeper_origin *
keeper_origin_find(const struct sio_keeper *keeper, uint64_t id)
{
	struct table_node *node = table_find(&keeper->origins, origin_text(&id));

	return node != NULL ? container_of(node, struct keeper_origin, node) : NULL;
}

/* --------------------------------------------------------------- sessions */

/* Finds a session by its pid. Compares the secret part in constant time: see sio_recovery_session_find(). */
static struct keeper_session *
keeper_find(const struct sio_keeper *keeper, struct text pid)
{
	const struct keeper_session *session;
	struct table_node *node;
	unsigned char differs = 0;

	if (pid.n != SIO_PID_LENGTH)
		return NULL;
	node = table_find(&keeper->sessions, text_of(pid.at, SIO_PID_HANDLE));
	if (node == NULL)
		return NULL;
	session = container_of(node, struct keeper_session, node);
	for (size_t i = SIO_PID_HANDLE; i < SIO_PID_LENGTH; i++)
		differs |= (unsigned char)(session->pid[i] ^ pid.at[i]);
	return differs == 0 ? container_of(node, struct keeper_session, node) : NULL;
}

/* Charges the session's memory to the store. Only stored sessions are charged. */
static void
session_charge(struct sio_keeper *keeper, struct keeper_session *session)
{
	uint32_t bytes =
		session->state == KEEPER_STORED ? (uint32_t)sizeof *session + session->rooms_n + session->data_n : 0;

	keeper->store.bytes += bytes;
	keeper->store.bytes -= session->bytes;
	session->bytes = bytes;
}

/* Takes the session off the list of its present state. */
static void
session_unlink(struct sio_keeper *keeper, struct keeper_session *session)
{
	list_remove(&session->link);
	if (session->state == KEEPER_STORED)
		keeper->stored_count--;
}

static void
session_free(struct sio_keeper *keeper, struct keeper_session *session)
{
	session_unlink(keeper, session);
	keeper->store.bytes -= session->bytes;
	session->log->sessions--;
	table_remove(&keeper->sessions, &session->node);
	mem_free(session->kept);
	mem_free(session->waiting);
	mem_free(session);
}

/* Ends a lost client's session. One worker, the first, is told and calls its listeners. */
static void
session_end(struct sio_keeper *keeper, struct keeper_session *session, sio_session_end why)
{
	struct keeper_origin *origin =
		list_empty(&keeper->workers) ? NULL : container_of(keeper->workers.next, struct keeper_origin, link);
	struct buffer *out;

	(*(why == SIO_SESSION_EXPIRED ? &keeper->ended : &keeper->displaced))++;
	if (origin != NULL) {
		out = keeper_begin(keeper, SIO_KEEP_ENDED, origin->id);
		buffer_add_byte(out, (uint8_t)why);
		keep_put_text(out, text_of(session->sid, SIO_ID_LENGTH));
		keep_put_text(out, text_of(session->log->name, session->log->node.key_len));
		keep_put_text(out, text_of(session->kept + session->rooms_n, session->data_n));
		keeper_send(keeper, origin->channel);
	}
	session_free(keeper, session);
}

static struct keeper_session *
keeper_oldest(const struct sio_keeper *keeper)
{
	return container_of(keeper->stored.next, struct keeper_session, link);
}

/* Enforces the limits. Events are dropped before sessions. */
static void
keeper_trim(struct sio_keeper *keeper)
{
	while (keeper->store.bytes > keeper->store.max_bytes && sio_recovery_store_drop(&keeper->store))
		;
	while (keeper->stored_count > keeper->options.max_sessions ||
		(keeper->store.bytes > keeper->store.max_bytes && keeper->stored_count != 0))
		session_end(keeper, keeper_oldest(keeper), SIO_SESSION_DISPLACED);
}

/* Stores the session. The list is in order of lost_at; a released session returns to its former place. */
static void
session_store(struct sio_keeper *keeper, struct keeper_session *session)
{
	struct list *after = keeper->stored.prev;

	session_unlink(keeper, session);
	session->state = KEEPER_STORED;
	session->origin = NULL;
	while (after != &keeper->stored &&
		container_of(after, struct keeper_session, link)->lost_at > session->lost_at)
		after = after->prev;
	list_add_tail(after->next, &session->link);
	keeper->stored_count++;
	session_charge(keeper, session);
}

/* Returns true if the worker has the session in this state. Accepts NULL. */
static bool
session_at(const struct keeper_session *session, uint64_t origin, enum keeper_state state)
{
	return session != NULL && session->state == state && session->origin != NULL && session->origin->id == origin;
}

/* Copies rooms and data, in the form that they have in the message. */
static void
session_take(struct keeper_session *session, struct text rooms, uint32_t count, struct text data)
{
	char *kept = mem_alloc(rooms.n + data.n + 1); /* the worker limits both */

	memcpy(mempcpy(kept, rooms.at, rooms.n), data.at, data.n);
	mem_free(session->kept);
	session->kept = kept;
	session->rooms_n = (uint32_t)rooms.n;
	session->room_count = count;
	session->data_n = (uint32_t)data.n;
}

/* Makes a live session. Returns NULL if an id has the wrong length or another session has the same handle. */
static struct keeper_session *
session_new(struct sio_keeper *keeper, struct text pid, struct text sid, struct text nsp,
	const struct sio_recovery_position *first)
{
	struct keeper_session *session;

	if (pid.n != SIO_PID_LENGTH || sid.n != SIO_ID_LENGTH ||
		table_find(&keeper->sessions, text_of(pid.at, SIO_PID_HANDLE)) != NULL)
		return NULL;
	session = mem_zalloc(sizeof *session);
	memcpy(session->pid, pid.at, SIO_PID_LENGTH);
	memcpy(session->sid, sid.at, SIO_ID_LENGTH);
	session->log = keeper_log_of(keeper, nsp);
	session->log->sessions++;
	session->first = *first;
	session->start = first->heard + first->local;
	table_add(&keeper->sessions, &session->node, text_of(session->pid, SIO_PID_HANDLE));
	session->state = KEEPER_LIVE;
	list_init(&session->link);
	return session;
}

/* Returns the last event for the socket: `last`, or if that is 0, the last event before it came to its worker. */
static struct keeper_bound
session_bound(const struct keeper_session *session, uint64_t last)
{
	return last != 0 ? (struct keeper_bound){session->last_origin, last} : session->entry;
}

static struct sio_recovery_position
position_read(struct keep_reader *in, uint64_t origin)
{
	struct sio_recovery_position position = {.origin = origin};

	position.heard = keep_get_u64(in);
	position.local = keep_get_u64(in);
	return position;
}

/* SESSION: a live session is new, or its rooms or data have changed. */
static void
keeper_on_session(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	struct text pid = keep_get_text(in), sid = keep_get_text(in), nsp = keep_get_text(in), rooms, data;
	bool needs_offset = keep_get_u8(in) != 0, own = keep_get_u8(in) != 0, changed;
	struct sio_recovery_position first = position_read(in, origin->id), at;
	struct keeper_session *session = keeper_find(keeper, pid);
	uint64_t last, count;

	changed = keep_get_u8(in) != 0;
	last = keep_get_u64(in);
	at = position_read(in, origin->id);
	count = keep_get_u64(in);
	rooms = keep_get_text(in);
	data = keep_get_text(in);
	if (in->bad)
		return;
	if (session != NULL && session->state == KEEPER_STORED) {
		session_free(keeper, session); /* the worker was out of reach only, and still has the socket */
		session = NULL;
	}
	if (session == NULL) {
		session = session_new(keeper, pid, sid, nsp, &first);
		if (session == NULL)
			return;
		session->needs_offset = needs_offset;
		session->origin = origin;
		session->last_origin = origin->id;
		list_add_tail(&origin->sessions, &session->link);
	} else if (!session_at(session, origin->id, KEEPER_LIVE)) {
		return;
	}
	session->own = own;
	if (changed) {
		session->before = session_bound(session, last);
		session->changed = at;
	}
	session_take(session, rooms, (uint32_t)count, data);
}

/* --------------------------------------------------------------- position */

/* Returns true if a client with the offset `from` has got the event of the bound. `from` NULL: it sent no offset. */
static bool
session_has_got(const struct keeper_session *session, const struct sio_recovery_position *from,
	const struct keeper_bound *bound)
{
	if (bound->origin == 0)
		return true;
	if (from == NULL)
		return false;
	if (from->origin == bound->origin)
		return from->heard + from->local >= bound->sum;
	return from->origin == session->last_origin && from->heard + from->local >= session->start;
}

/* The positions that a client has reached. An event that one of them covers has been received by the client. */
struct covers {
	const struct sio_recovery_position *at[4];
	unsigned count;
	uint64_t lower; /* all events up to this number are covered */
};

static void
covers_add(struct covers *covers, const struct sio_recovery_position *position)
{
	covers->at[covers->count++] = position;
	if (covers->lower < position->heard)
		covers->lower = position->heard;
}

static bool
covers_entry(const struct covers *covers, const struct sio_recovery_entry *entry)
{
	for (unsigned i = 0; i < covers->count; i++) {
		const struct sio_recovery_position *position = covers->at[i];

		if (entry->origin == position->origin ? entry->local <= position->local
						      : entry->number <= position->heard)
			return true;
	}
	return false;
}

/* Returns SIO_RECOVERY_RECOVERED and the positions that the client has reached, or SIO_RECOVERY_OFFSET_GONE. */
static enum sio_recovery_result
session_covers(const struct sio_keeper *keeper, const struct keeper_session *session, struct covers *covers)
{
	const struct sio_recovery_position *from = session->from.origin != 0 ? &session->from : NULL;
	const struct keeper_bound first = {session->first.origin, session->first.heard + session->first.local};

	*covers = (struct covers){.count = 0};
	/* an offset from before `first` does not show which events the worker delivered while it was out of reach */
	if ((session->needs_offset && !session_has_got(session, from, &first)) ||
		!session_has_got(session, from, &session->before))
		return SIO_RECOVERY_OFFSET_GONE;
	covers_add(covers, &session->first);
	if (from != NULL)
		covers_add(covers, from);
	if (session->changed.origin != 0)
		covers_add(covers, &session->changed);
	if (session->quiet.origin != 0 && session_has_got(session, from, &session->last))
		covers_add(covers, &session->quiet);
	if (covers->lower < session->log->log->floor || covers->lower < keeper->hole)
		return SIO_RECOVERY_OFFSET_GONE;
	return SIO_RECOVERY_RECOVERED;
}

/* Drops covered events from the result of a search. The search knows only their numbers, not their origins. */
static void
found_cut(struct sio_recovery_found *found, const struct covers *covers)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < found->count; i++) {
		if (!covers_entry(covers, found->at[i]))
			found->at[kept++] = found->at[i];
	}
	found->count = kept;
}

/* Finds the events that the client of a session has missed. sio_recovery_found_fini() must be called in any case. */
static enum sio_recovery_result
session_find_missed(const struct sio_keeper *keeper, const struct keeper_session *session, uint64_t max_bytes,
	struct sio_recovery_found *missed)
{
	struct sio_recovery_rooms rooms;
	struct covers covers;
	enum sio_recovery_result result = session_covers(keeper, session, &covers);
	int rc = ERROR_MEMORY;

	*missed = (struct sio_recovery_found){0};
	if (result != SIO_RECOVERY_RECOVERED)
		return result;
	if (sio_recovery_rooms_init(&rooms, session->kept, session->room_count,
		    session->own ? text_of(session->sid, SIO_ID_LENGTH) : TEXT_NONE))
		rc = sio_recovery_log_find(session->log->log, covers.lower, &rooms, max_bytes, missed);
	sio_recovery_rooms_fini(&rooms);
	if (rc != 0)
		return rc == ERROR_TOO_BIG ? SIO_RECOVERY_TOO_BIG : SIO_RECOVERY_FAILED;
	found_cut(missed, &covers);
	return SIO_RECOVERY_RECOVERED;
}

/* ------------------------------------------------------------------ claim */

static void
keeper_answer_claim(struct sio_keeper *keeper, const struct claim *claim, enum sio_recovery_result result,
	const struct keeper_session *session)
{
	const struct keeper_origin *origin = keeper_origin_find(keeper, claim->origin);
	static const char no_pid[SIO_PID_LENGTH];
	struct buffer *out;

	if (origin == NULL)
		return; /* the claiming worker is gone */
	out = keeper_begin(keeper, SIO_KEEP_CLAIMED, origin->id);
	keep_put_u64(out, claim->nonce);
	buffer_add_byte(out, (uint8_t)result);
	buffer_add(out, session != NULL ? session->pid : no_pid, SIO_PID_LENGTH);
	if (result == SIO_RECOVERY_RECOVERED) {
		buffer_add_byte(out, claim->ghost);
		buffer_add_byte(out, session->own);
		keep_put_text(out, text_of(session->sid, SIO_ID_LENGTH));
		keep_put_u64(out, session->room_count);
		keep_put_text(out, text_of(session->kept, session->rooms_n));
		keep_put_text(out, text_of(session->kept + session->rooms_n, session->data_n));
	}
	keeper_send(keeper, origin->channel);
}

/* Sets session->from to the offset of the claim. Returns SIO_RECOVERY_RECOVERED, or why the claim fails. */
static enum sio_recovery_result
session_check_claim(
	struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct sio_recovery_found missed;
	enum sio_recovery_result result;

	if (now - session->lost_at > keeper->options.window_ms)
		return SIO_RECOVERY_EXPIRED;
	session->from = (struct sio_recovery_position){.origin = 0};
	if (claim->has_offset && !sio_recovery_position_read(session->log->epoch, claim->offset, &session->from))
		return SIO_RECOVERY_OFFSET_GONE;
	if (session->from.heard > keeper->number)
		return SIO_RECOVERY_OFFSET_GONE;
	result = session_find_missed(keeper, session, claim->max_bytes, &missed);
	sio_recovery_found_fini(&missed);
	return result;
}

/* Answers a claim: gives the stored session to the claiming worker, or sends the reason for a refusal. */
static void
keeper_decide_claim(
	struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct keeper_origin *origin = keeper_origin_find(keeper, claim->origin);
	enum sio_recovery_result result;

	if (origin == NULL)
		return; /* the claiming worker is gone */
	result = session_check_claim(keeper, session, claim, now);
	keeper_answer_claim(keeper, claim, result, session);
	if (result != SIO_RECOVERY_RECOVERED)
		return;
	session_unlink(keeper, session);
	session->state = KEEPER_CLAIMED;
	session->origin = origin;
	list_add_tail(&session->origin->sessions, &session->link);
	session_charge(keeper, session);
}

/* The session has been stored. Decides the claim that has waited for this, if there is one. */
static void
session_stored(struct sio_keeper *keeper, struct keeper_session *session, uint64_t now)
{
	struct keeper_waiting *waiting = session->waiting;

	session->waiting = NULL;
	if (waiting != NULL && now - waiting->since <= CLAIM_MS)
		keeper_decide_claim(keeper, session, &waiting->claim, now);
	mem_free(waiting);
}

/*
 * The client is back before its loss was noticed. Tells the worker that has the session to let the socket leave; the
 * claim waits until then. Returns SIO_RECOVERY_RECOVERED, or why the claim fails at once.
 */
static enum sio_recovery_result
session_wait(struct sio_keeper *keeper, struct keeper_session *session, const struct claim *claim, uint64_t now)
{
	struct keeper_waiting *waiting = session->waiting;
	struct buffer *out;

	if (waiting != NULL && now - waiting->since <= CLAIM_MS)
		return SIO_RECOVERY_NO_SESSION;
	if (claim->offset.n > SIO_OFFSET_MAX)
		return SIO_RECOVERY_OFFSET_GONE;
	if (waiting == NULL)
		session->waiting = waiting = mem_alloc(sizeof *waiting);
	waiting->claim = *claim;
	waiting->claim.ghost = true;
	waiting->claim.offset.at = waiting->offset;
	waiting->since = now;
	memcpy(waiting->offset, claim->offset.at, claim->offset.n);
	out = keeper_begin(keeper, SIO_KEEP_TAKE, session->origin->id);
	keep_put_text(out, text_of(session->pid, SIO_PID_LENGTH));
	keeper_send(keeper, session->origin->channel);
	return SIO_RECOVERY_RECOVERED;
}

static void
keeper_claim(struct sio_keeper *keeper, const struct claim *claim, struct text pid, struct text nsp, uint64_t now)
{
	struct keeper_session *session = keeper_find(keeper, pid);
	enum sio_recovery_result result = SIO_RECOVERY_RECOVERED;

	if (session == NULL || session->state == KEEPER_CLAIMED)
		result = SIO_RECOVERY_NO_SESSION;
	else if (!text_is(nsp, text_of(session->log->name, session->log->node.key_len)))
		result = SIO_RECOVERY_FOREIGN;
	else if (session->state == KEEPER_LIVE)
		result = session_wait(keeper, session, claim, now);
	else
		keeper_decide_claim(keeper, session, claim, now);
	if (result != SIO_RECOVERY_RECOVERED)
		keeper_answer_claim(keeper, claim, result, session);
}

/* Keeps a claim of an unknown session until sio_keeper_settle(). */
static void
keeper_park(struct sio_keeper *keeper, const struct claim *claim, struct text pid, struct text nsp)
{
	struct keeper_parked *parked = mem_alloc(sizeof *parked + nsp.n); /* names of namespaces are short */

	parked->claim = *claim;
	memcpy(parked->pid, pid.at, SIO_PID_LENGTH);
	memcpy(parked->offset, claim->offset.at, claim->offset.n);
	parked->claim.offset.at = parked->offset;
	parked->nsp_n = (uint32_t)nsp.n;
	memcpy(parked->nsp, nsp.at, nsp.n);
	list_add_tail(&keeper->parked, &parked->link);
	keeper->options.settle_later(keeper->options.arg);
}

void
sio_keeper_settle(struct sio_keeper *keeper, uint64_t now)
{
	while (!list_empty(&keeper->parked)) {
		struct keeper_parked *parked = container_of(keeper->parked.next, struct keeper_parked, link);

		list_remove(&parked->link);
		keeper_claim(keeper, &parked->claim, text_of(parked->pid, SIO_PID_LENGTH),
			text_of(parked->nsp, parked->nsp_n), now);
		mem_free(parked);
	}
}

static void
keeper_on_claim(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, uint64_t now)
{
	struct claim claim = {.origin = origin->id, .nonce = keep_get_u64(in), .max_bytes = keep_get_u64(in)};
	struct text pid = keep_get_text(in), nsp;

	claim.has_offset = keep_get_u8(in) != 0;
	claim.offset = keep_get_text(in);
	nsp = keep_get_text(in);
	if (in->bad)
		return;
	if (pid.n == SIO_PID_LENGTH && claim.offset.n <= SIO_OFFSET_MAX && keeper_find(keeper, pid) == NULL)
		keeper_park(keeper, &claim, pid, nsp);
	else
		keeper_claim(keeper, &claim, pid, nsp, now);
}

/* ----------------------------------------------------------------- replay */

/* Writes the missed events, each with the position of a client that has got it. Returns the last position. */
static struct sio_recovery_position
replay_write(struct buffer *out, const struct keeper_session *session, const struct sio_recovery_found *missed)
{
	struct sio_recovery_position at = session->from.origin != 0 ? session->from : session->first;
	char offset[SIO_OFFSET_MAX + 1];

	for (unsigned i = 0; i < missed->count; i++) {
		const struct sio_recovery_entry *entry = missed->at[i];

		at.heard = entry->number;
		if (entry->origin == at.origin)
			at.local = entry->local;
		keep_put_text(out, text_of(offset, sio_recovery_position_write(session->log->epoch, &at, offset)));
		keep_put_text(out, sio_recovery_entry_json(entry));
	}
	return at;
}

/*
 * Makes a claimed session live at its worker. `at`: the position after the replay; `replayed`: events were missed;
 * `number`: of the keeper's last event.
 */
static void
session_continue(
	struct keeper_session *session, const struct sio_recovery_position *at, bool replayed, uint64_t number)
{
	bool shown = session->from.origin != 0;

	/* `from` replaces `before`: session_covers() has checked that it includes the events before that change */
	session->before =
		shown ? (struct keeper_bound){session->from.origin, session->from.heard + session->from.local}
		      : (struct keeper_bound){0, 0};
	if (shown)
		session->needs_offset = false; /* from now on `before` requires the offset */
	session->entry = replayed ? (struct keeper_bound){at->origin, at->heard + at->local} : session->before;
	session->quiet.origin = 0;
	session->last_origin = session->origin->id;
	session->start = number + session->origin->local;
	session->state = KEEPER_LIVE;
}

static void
keeper_on_replay(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	uint64_t nonce = keep_get_u64(in), max_bytes = keep_get_u64(in);
	struct text pid = keep_get_text(in);
	struct keeper_session *session = keeper_find(keeper, pid);
	enum sio_recovery_result result = SIO_RECOVERY_NO_SESSION;
	struct sio_recovery_found missed = {0};
	struct sio_recovery_position at;
	struct buffer *out;

	if (in->bad || pid.n != SIO_PID_LENGTH)
		return;
	if (session_at(session, origin->id, KEEPER_CLAIMED))
		result = session_find_missed(keeper, session, max_bytes, &missed);
	out = keeper_begin(keeper, SIO_KEEP_REPLAYED, origin->id);
	keep_put_u64(out, nonce);
	buffer_add_byte(out, (uint8_t)result);
	buffer_add(out, pid.at, SIO_PID_LENGTH);
	keep_put_u64(out, keeper->number);
	keep_put_u64(out, missed.count);
	if (result == SIO_RECOVERY_RECOVERED) {
		at = replay_write(out, session, &missed);
		session_continue(session, &at, missed.count != 0, keeper->number);
	} else if (session_at(session, origin->id, KEEPER_CLAIMED)) {
		session_free(keeper, session); /* the socket goes on as a new one */
	}
	keeper_send(keeper, origin->channel);
	sio_recovery_found_fini(&missed);
}

/* ---------------------------------------------------------------- workers */

/* Removes a worker. Its sessions are stored if it is `lost`, else freed. */
static void
keeper_drop_origin(struct sio_keeper *keeper, struct keeper_origin *origin, bool lost, uint64_t now)
{
	table_remove(&keeper->origins, &origin->node);
	list_remove(&origin->link);
	while (!list_empty(&origin->sessions)) {
		struct keeper_session *session = container_of(origin->sessions.next, struct keeper_session, link);

		if (!lost) {
			session_free(keeper, session);
			continue;
		}
		if (session->state == KEEPER_LIVE)
			session->lost_at = now;
		session_store(keeper, session);
		session_stored(keeper, session, now);
	}
	mem_free(origin);
	keeper_trim(keeper);
}

static void
keeper_on_hello(struct sio_keeper *keeper, const void *connection, uint64_t id, struct text channel,
	struct keep_reader *in, uint64_t now)
{
	uint64_t former_id = keep_get_u64(in);
	struct keeper_origin *former = keeper_origin_find(keeper, former_id), *origin;
	struct buffer *out;

	if (in->bad || id == 0 || keeper_origin_find(keeper, id) != NULL)
		return;
	/* the worker was out of reach only; it sends its sessions again */
	if (former != NULL)
		keeper_drop_origin(keeper, former, false, now);
	/* the worker may have delivered events that the keeper does not know */
	if (former_id != 0 && keeper->hole < keeper->number)
		keeper->hole = keeper->number;
	/* the worker's sessions begin behind the hole, so that any later event gives their clients a valid offset */
	if (keeper->number < keeper->hole)
		keeper->number = keeper->hole;
	origin = mem_zalloc(sizeof *origin);
	origin->id = id;
	origin->connection = connection;
	memcpy(origin->channel, channel.at, BUS_KEEP_ID);
	list_init(&origin->sessions);
	list_add_tail(&keeper->workers, &origin->link);
	table_add(&keeper->origins, &origin->node, origin_text(&origin->id));
	out = keeper_begin(keeper, SIO_KEEP_WELCOME, id);
	buffer_add(out, keeper->key, SIO_KEEP_KEY);
	keep_put_u64(out, keeper->number);
	keeper_send(keeper, origin->channel);
}

void
sio_keeper_gone(struct sio_keeper *keeper, const void *connection, uint64_t now)
{
	struct list *it, *next;

	list_each(it, next, &keeper->workers)
	{
		struct keeper_origin *origin = container_of(it, struct keeper_origin, link);

		if (origin->connection == connection)
			keeper_drop_origin(keeper, origin, true, now);
	}
}

/* --------------------------------------------------------------- messages */

static void
keeper_on_store(
	struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, bool leaves, uint64_t now)
{
	struct keeper_session *session = keeper_find(keeper, keep_get_text(in));
	uint64_t last = keep_get_u64(in);
	struct sio_recovery_position at = position_read(in, origin->id);

	if (in->bad || !session_at(session, origin->id, KEEPER_LIVE))
		return;
	session->last = session_bound(session, last);
	session->quiet = at;
	if (!leaves)
		return;
	session->lost_at = now;
	session_store(keeper, session);
	session_stored(keeper, session, now);
	keeper_trim(keeper);
}

static void
keeper_on_end(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	struct keeper_session *session = keeper_find(keeper, keep_get_text(in));

	if (in->bad || session == NULL || session->origin != origin)
		return;
	if (session->waiting != NULL)
		keeper_answer_claim(keeper, &session->waiting->claim, SIO_RECOVERY_NO_SESSION, NULL);
	session_free(keeper, session);
}

static void
keeper_on_release(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	struct keeper_session *session = keeper_find(keeper, keep_get_text(in));

	if (!in->bad && session_at(session, origin->id, KEEPER_CLAIMED))
		session_store(keeper, session);
}

/*
 * The worker has recorded `local` events so far. If that differs from the keeper's count, events were lost on the way
 * here, and older offsets cannot be continued. Returns false if the worker is unknown (NULL): its event reaches
 * clients of other workers, but cannot be recovered, which is a hole as well.
 */
static bool
keeper_count_to(struct sio_keeper *keeper, struct keeper_origin *origin, uint64_t local)
{
	if (origin == NULL || local != origin->local)
		keeper->hole = keeper->number + 1;
	if (origin != NULL)
		origin->local = local;
	return origin != NULL;
}

void
sio_keeper_receive(struct sio_keeper *keeper, const void *connection, struct text message, uint64_t now)
{
	struct keep_reader in = {.rest = message};
	uint8_t type = keep_get_u8(&in);
	uint64_t id = keep_get_u64(&in);
	struct text channel = keep_get_bytes(&in, BUS_KEEP_ID);
	uint64_t local = keep_get_u64(&in);
	struct keeper_origin *origin = keeper_origin_find(keeper, id);

	if (in.bad)
		return;
	if (origin != NULL)
		(void)keeper_count_to(keeper, origin, local);
	if (type == SIO_KEEP_HELLO) {
		keeper_on_hello(keeper, connection, id, channel, &in, now);
	} else if (origin == NULL) {
		(void)keeper_begin(keeper, SIO_KEEP_UNKNOWN, id);
		keeper_send(keeper, channel.at);
	} else if (type == SIO_KEEP_SESSION) {
		keeper_on_session(keeper, origin, &in);
	} else if (type == SIO_KEEP_STORE || type == SIO_KEEP_QUIET) {
		keeper_on_store(keeper, origin, &in, type == SIO_KEEP_STORE, now);
	} else if (type == SIO_KEEP_END) {
		keeper_on_end(keeper, origin, &in);
	} else if (type == SIO_KEEP_CLAIM) {
		keeper_on_claim(keeper, origin, &in, now);
	} else if (type == SIO_KEEP_REPLAY) {
		keeper_on_replay(keeper, origin, &in);
	} else if (type == SIO_KEEP_RELEASE) {
		keeper_on_release(keeper, origin, &in);
	}
}

/* ----------------------------------------------------------------- record */

uint64_t
sio_keeper_record(struct sio_keeper *keeper, uint64_t origin, uint64_t local, struct text payload, uint64_t now)
{
	struct keeper_origin *worker = keeper_origin_find(keeper, origin);
	struct wire_message *message = &keeper->message;
	struct sio_selector who;
	int rc;

	if (origin == SIO_KEEP_NOT_RECORDED)
		return 0;
	rc = wire_read_broadcast(message, payload);
	if (origin != 0 && !keeper_count_to(keeper, worker, local - 1))
		return 0;
	if (origin != 0)
		worker->local = local;
	if (rc < 0 || message->type != WIRE_BROADCAST || message->has_request_id) {
		if (origin != 0)
			keeper->hole = keeper->number + 1;
		return 0;
	}
	if (origin == 0 && (message->target.flags & WIRE_VOLATILE) != 0)
		return 0;
	who = (struct sio_selector){.rooms = message->target.rooms,
		.except = message->target.except,
		.rooms_count = message->target.room_count,
		.except_count = message->target.except_count};
	(void)sio_recovery_log_keep(
		keeper_log_of(keeper, message->nsp)->log, now, ++keeper->number, origin, local, &who, payload);
	keeper_trim(keeper);
	return keeper->number;
}

/* ------------------------------------------------------------------- life */

void
sio_keeper_sweep(struct sio_keeper *keeper, uint64_t now)
{
	struct sio_recovery_store *store = &keeper->store;
	uint64_t log_ms = keeper->options.window_ms + keeper->options.notice_ms;

	while (!list_empty(&store->entries) &&
		now - container_of(store->entries.next, struct sio_recovery_entry, all)->at > log_ms)
		(void)sio_recovery_store_drop(store);
	while (keeper->stored_count != 0 && now - keeper_oldest(keeper)->lost_at > keeper->options.window_ms)
		session_end(keeper, keeper_oldest(keeper), SIO_SESSION_EXPIRED);
	keeper_free_unused_logs(keeper, false);
}

struct sio_keeper *
sio_keeper_new(const struct sio_keeper_options *options)
{
	struct sio_keeper *keeper = mem_zalloc(sizeof *keeper);

	keeper->options = *options;
	random_bytes(keeper->key, sizeof keeper->key);
	sio_recovery_store_init(&keeper->store, options->max_bytes);
	table_init(&keeper->logs);
	table_init(&keeper->origins);
	table_init(&keeper->sessions);
	list_init(&keeper->workers);
	list_init(&keeper->stored);
	list_init(&keeper->parked);
	wire_message_init(&keeper->message);
	buffer_init(&keeper->out, WIRE_PAYLOAD_MAX);
	return keeper;
}

void
sio_keeper_free(struct sio_keeper *keeper)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	if (keeper == NULL)
		return;
	while (!list_empty(&keeper->parked)) {
		struct keeper_parked *parked = container_of(keeper->parked.next, struct keeper_parked, link);

		list_remove(&parked->link);
		mem_free(parked);
	}
	while (!list_empty(&keeper->workers))
		keeper_drop_origin(keeper, container_of(keeper->workers.next, struct keeper_origin, link), false, 0);
	while ((node = table_next(&keeper->sessions, &cursor)) != NULL)
		session_free(keeper, container_of(node, struct keeper_session, node));
	keeper_free_unused_logs(keeper, true);
	table_fini(&keeper->logs);
	table_fini(&keeper->origins);
	table_fini(&keeper->sessions);
	wire_message_fini(&keeper->message);
	buffer_fini(&keeper->out);
	mem_free(keeper);
}

void
sio_keeper_stats(const struct sio_keeper *keeper, uint64_t now, struct sio_recovery_stats *out)
{
	const struct sio_recovery_store *store = &keeper->store;

	*out = (struct sio_recovery_stats){.ended = keeper->ended,
		.displaced = keeper->displaced,
		.sessions = keeper->stored_count,
		.events = store->count,
		.bytes = store->bytes};
	if (!list_empty(&store->entries))
		out->age_ms = now - container_of(store->entries.next, struct sio_recovery_entry, all)->at;
}
