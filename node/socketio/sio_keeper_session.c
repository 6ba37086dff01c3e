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

struct keeper_session *
sio_keeper_session_find(const struct sio_keeper *keeper, struct text pid)
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

	if (session->state == KEEPER_STORED && session->past != NULL)
		bytes += sizeof *session->past;

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

void
sio_keeper_session_free(struct sio_keeper *keeper, struct keeper_session *session)
{
	session_unlink(keeper, session);
	keeper->store.bytes -= session->bytes;
	session->log->sessions--;
	table_remove(&keeper->sessions, &session->node);
	mem_free(session->kept);
	if (session->past != NULL)
		mem_free(session->past->waiting);
	mem_free(session->past);
	mem_free(session);
}

void
sio_keeper_session_end(struct sio_keeper *keeper, struct keeper_session *session, sio_session_end why)
{
	struct keeper_origin *origin =
		list_empty(&keeper->workers) ? NULL : container_of(keeper->workers.next, struct keeper_origin, link);
	struct buffer *out;

	(*(why == SIO_SESSION_EXPIRED ? &keeper->ended : &keeper->displaced))++;
	if (origin != NULL) {
		out = sio_keeper_begin(keeper, SIO_KEEP_ENDED, origin->id);
		buffer_add_byte(out, (uint8_t)why);
		keep_put_text(out, text_of(session->sid, SIO_ID_LENGTH));
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
		container_of(after, struct keeper_session, link)->lost_at > session->lost_at)
		after = after->prev;
	list_add_tail(after->next, &session->link);
	keeper->stored_count++;
	session_charge(keeper, session);
}

struct keeper_past
sio_keeper_session_history(const struct keeper_session *session)
{
	if (session->past != NULL)
		return *session->past;
	return (struct keeper_past){.start = session->first.heard + session->first.local};
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
	return session->rooms_n != 0 ? text_of(session->kept, session->rooms_n) : TEXT("");
}

struct text
sio_keeper_session_data(const struct keeper_session *session)
{
	return session->data_n != 0 ? text_of(session->kept + session->rooms_n, session->data_n) : TEXT("");
}

bool
sio_keeper_session_at(const struct keeper_session *session, uint64_t origin, enum keeper_state state)
{
	return session != NULL && session->state == state && session->origin != NULL && session->origin->id == origin;
}

bool
sio_keeper_session_take(struct keeper_session *session, struct text rooms, uint32_t count, struct text data)
{
	size_t n = rooms.n + data.n;
	char *kept = n != 0 ? mem_try_alloc(n) : NULL; /* clients choose the size */

	if (n != 0 && kept == NULL)
		return false;
	if (kept != NULL)
		memcpy(mempcpy(kept, rooms.at, rooms.n), data.at, data.n);
	mem_free(session->kept);
	session->kept = kept;
	session->rooms_n = (uint32_t)rooms.n;
	session->room_count = count;
	session->data_n = (uint32_t)data.n;
	return true;
}

struct keeper_session *
sio_keeper_session_new(struct sio_keeper *keeper, struct text pid, struct text sid, struct text nsp,
	const struct sio_recovery_position *first)
{
	struct keeper_session *session;

	if (pid.n != SIO_PID_LENGTH || sid.n != SIO_ID_LENGTH ||
		table_find(&keeper->sessions, text_of(pid.at, SIO_PID_HANDLE)) != NULL)
		return NULL;
	session = mem_zalloc(sizeof *session);
	memcpy(session->pid, pid.at, SIO_PID_LENGTH);
	memcpy(session->sid, sid.at, SIO_ID_LENGTH);
	session->log = sio_keeper_log_of(keeper, nsp);
	session->log->sessions++;
	session->first = *first;
	table_add(&keeper->sessions, &session->node, text_of(session->pid, SIO_PID_HANDLE));
	session->state = KEEPER_LIVE;
	list_init(&session->link);
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
	session_charge(keeper, session);
}
