#include "node/socketio/sio_keeper_session.h"

#include "common/base/mem.h"
#include "node/socketio/sio_keeper_log.h"

/* --------------------------------------------------------------- messages */

struct buffer *
sio_keeper_begin(struct sio_keeper *keeper, enum sio_keep_message type, uint64_t origin)
{
	buffer_reset(&keeper->out);
	buffer_add_byte(&keeper->out, SIO_KEEP_VERSION);
	buffer_add_byte(&keeper->out, (uint8_t)type);
	keep_put_u64(&keeper->out, origin);
	return &keeper->out;
}

void
sio_keeper_send(struct sio_keeper *keeper, const char channel[BUS_KEEP_ID])
{
	if (buffer_error(&keeper->out) == 0)
		keeper->options.send(keeper->options.arg, text_of(channel, BUS_KEEP_ID), buffer_text(&keeper->out));
}

/* --------------------------------------------------------------- sessions */

/* Sessions are found by the handle of the pid; see SIO_PID_HANDLE. */
#define HANDLE_PACKED SIO_KEEPER_PACKED(SIO_PID_HANDLE)

static struct text
session_key(const uint8_t *packed)
{
	return text_of((const char *)packed, HANDLE_PACKED);
}

struct keeper_session *
sio_keeper_session_find(const struct sio_keeper *keeper, struct text pid)
{
	uint8_t packed[SIO_KEEPER_PACKED(SIO_PID_LENGTH)];
	const struct keeper_session *session;
	struct table_node *node;
	unsigned char differs = 0;

	if (pid.n != SIO_PID_LENGTH || !sio_keeper_id_pack(pid, packed))
		return NULL;
	node = table_find(&keeper->sessions, session_key(packed));
	if (node == NULL)
		return NULL;
	session = container_of(node, struct keeper_session, node);
	for (size_t i = HANDLE_PACKED; i < sizeof packed; i++)
		differs |= (unsigned char)(session->pid[i] ^ packed[i]);
	return differs == 0 ? container_of(node, struct keeper_session, node) : NULL;
}

/* The bytes of a stored session, which count as the store's. They do not change while it is stored. */
static size_t
session_cost(const struct keeper_session *session)
{
	const struct keeper_kept *kept = session->kept;

	return sizeof *session + sizeof *session->past +
	       (kept != NULL ? sizeof *kept + kept->rooms_n + kept->data_n + kept->given_n : 0);
}

/* Takes the session off the list of its present state. */
static void
session_unlink(struct sio_keeper *keeper, struct keeper_session *session)
{
	list_remove(&session->link);
	if (session->state != KEEPER_STORED)
		return;
	keeper->stored_count--;
	keeper->store.bytes -= session_cost(session);
}

struct keeper_waiting *
sio_keeper_session_take_waiting(struct keeper_session *session)
{
	struct keeper_waiting *waiting = session->past != NULL ? session->past->waiting : NULL;

	if (waiting != NULL)
		session->past->waiting = NULL;
	return waiting;
}

void
sio_keeper_session_free(struct sio_keeper *keeper, struct keeper_session *session)
{
	mem_free(sio_keeper_session_take_waiting(session));
	session_unlink(keeper, session);
	session->log->sessions--;
	table_remove(&keeper->sessions, &session->node);
	mem_free(session->kept);
	mem_free(session->past);
	mem_free(session);
}

/*
 * Returns the worker that is told of the session's end, or NULL if there is none. The worker that had the session has
 * its namespace, also if the namespace was made for a client. If that worker is gone, the first one is told.
 */
static struct keeper_origin *
session_reporter(const struct sio_keeper *keeper, const struct keeper_session *session)
{
	struct keeper_origin *origin = sio_keeper_origin(keeper, sio_keeper_session_worker(session));

	if (origin == NULL && !list_empty(&keeper->workers))
		origin = container_of(keeper->workers.next, struct keeper_origin, link);
	return origin;
}

void
sio_keeper_session_end(struct sio_keeper *keeper, struct keeper_session *session, sio_session_end why)
{
	struct keeper_origin *origin = session_reporter(keeper, session);
	char sid[SIO_ID_LENGTH];
	struct buffer *out;

	(*(why == SIO_SESSION_EXPIRED ? &keeper->ended : &keeper->displaced))++;
	if (origin != NULL) {
		out = sio_keeper_begin(keeper, SIO_KEEP_ENDED, origin->id);
		buffer_add_byte(out, (uint8_t)why);
		sio_keeper_id_unpack(session->sid, SIO_ID_LENGTH, sid);
		keep_put_text(out, text_of(sid, SIO_ID_LENGTH));
		keep_put_text(out, text_of(session->log->name, session->log->node.key_len));
		keep_put_text(out, sio_keeper_session_data(session));
		sio_keeper_send(keeper, origin->channel);
	}
	sio_keeper_session_free(keeper, session);
}

struct keeper_session *
sio_keeper_oldest(const struct sio_keeper *keeper)
{
	return container_of(keeper->stored.next, struct keeper_session, link);
}

void
sio_keeper_trim(struct sio_keeper *keeper)
{
	while (keeper->store.bytes > keeper->store.max_bytes && sio_recovery_store_drop(&keeper->store))
		;
	while (keeper->stored_count > keeper->options.max_sessions ||
		(keeper->store.bytes > keeper->store.max_bytes && keeper->stored_count != 0))
		sio_keeper_session_end(keeper, sio_keeper_oldest(keeper), SIO_SESSION_DISPLACED);
}

void
sio_keeper_session_store(struct sio_keeper *keeper, struct keeper_session *session)
{
	struct list *after = keeper->stored.prev;

	session_unlink(keeper, session);
	session->state = KEEPER_STORED;
	session->origin = NULL;
	while (after != &keeper->stored &&
		container_of(after, struct keeper_session, link)->past->lost_at > session->past->lost_at)
		after = after->prev;
	list_add_tail(after->next, &session->link);
	keeper->stored_count++;
	keeper->store.bytes += session_cost(session);
}

struct keeper_session *
sio_keeper_session_lost(struct keeper_session *session, uint64_t now)
{
	struct keeper_past *past = sio_keeper_session_past(session);

	past->last_origin = session->origin->id;
	past->lost_at = now;
	return session;
}

struct keeper_past
sio_keeper_session_history(const struct keeper_session *session)
{
	if (session->past != NULL)
		return *session->past;
	return (struct keeper_past){
		.first_origin = session->origin->id, .start = session->first_heard + session->first_local};
}

struct keeper_past *
sio_keeper_session_past(struct keeper_session *session)
{
	struct keeper_past past = sio_keeper_session_history(session);

	if (session->past == NULL) {
		session->past = mem_alloc(sizeof *session->past);
		*session->past = past;
	}
	return session->past;
}

struct text
sio_keeper_session_rooms(const struct keeper_session *session)
{
	return session->kept != NULL ? text_of(session->kept->bytes, session->kept->rooms_n) : TEXT("");
}

uint32_t
sio_keeper_session_room_count(const struct keeper_session *session)
{
	return session->kept != NULL ? session->kept->room_count : 0;
}

struct text
sio_keeper_session_data(const struct keeper_session *session)
{
	const struct keeper_kept *kept = session->kept;

	return kept != NULL ? text_of(kept->bytes + kept->rooms_n, kept->data_n) : TEXT("");
}

struct text
sio_keeper_session_given(const struct keeper_session *session)
{
	const struct keeper_kept *kept = session->kept;

	return kept != NULL ? text_of(kept->bytes + kept->rooms_n + kept->data_n, kept->given_n) : TEXT("");
}

bool
sio_keeper_session_at(const struct keeper_session *session, uint64_t origin, enum keeper_state state)
{
	return session != NULL && session->state == state && session->origin != NULL && session->origin->id == origin;
}

bool
sio_keeper_session_take(
	struct keeper_session *session, struct text rooms, uint32_t count, struct text data, struct text given)
{
	size_t n = rooms.n + data.n + given.n;
	struct keeper_kept *kept = n != 0 ? mem_try_alloc(sizeof *kept + n) : NULL; /* clients choose the size */

	if (n != 0 && kept == NULL)
		return false;
	if (kept != NULL) {
		*kept = (struct keeper_kept){(uint32_t)rooms.n, count, (uint32_t)data.n, (uint32_t)given.n};
		memcpy(mempcpy(mempcpy(kept->bytes, rooms.at, rooms.n), data.at, data.n), given.at, given.n);
	}
	mem_free(session->kept);
	session->kept = kept;
	return true;
}

struct keeper_session *
sio_keeper_session_new(struct sio_keeper *keeper, struct keeper_origin *origin, struct text pid, struct text sid,
	struct text nsp, const struct sio_recovery_position *first)
{
	struct keeper_session packed, *session;

	if (pid.n != SIO_PID_LENGTH || sid.n != SIO_ID_LENGTH || !sio_keeper_id_pack(pid, packed.pid) ||
		!sio_keeper_id_pack(sid, packed.sid) ||
		table_find(&keeper->sessions, session_key(packed.pid)) != NULL)
		return NULL;
	session = mem_zalloc(sizeof *session);
	memcpy(session->pid, packed.pid, sizeof session->pid);
	memcpy(session->sid, packed.sid, sizeof session->sid);
	session->log = sio_keeper_log_of(keeper, nsp);
	session->log->sessions++;
	session->first_heard = first->heard;
	session->first_local = first->local;
	table_add(&keeper->sessions, &session->node, session_key(session->pid));
	session->state = KEEPER_LIVE;
	session->origin = origin;
	list_add_tail(&origin->sessions, &session->link);
	return session;
}

void
sio_keeper_session_give(struct sio_keeper *keeper, struct keeper_session *session, struct keeper_origin *origin)
{
	session_unlink(keeper, session);
	session->state = KEEPER_CLAIMED;
	session->orphan = false;
	session->origin = origin;
	list_add_tail(&origin->sessions, &session->link);
}
