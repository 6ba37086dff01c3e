#include "node/socketio/sio_recovery_session.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_rooms.h"

struct sio_recovery_session *
sio_recovery_session_new(struct sio_socket *s)
{
	struct sio_recovery *recovery = s->nsp->io->recovery;
	struct sio_recovery_session *session = mem_zalloc(sizeof *session);

	list_init(&session->stored);
	session->nsp = s->nsp;
	session->log = s->nsp->log;
	session->socket = s;
	session->start = session->log->head;
	memcpy(session->sid, s->id, SIO_ID_LENGTH);
	do
		random_id(session->pid, SIO_PID_LENGTH);
	while (table_find(&recovery->sessions, text_of(session->pid, SIO_PID_HANDLE)) != NULL);
	table_add(&recovery->sessions, &session->node, text_of(session->pid, SIO_PID_HANDLE));
	s->session = session;
	return session;
}

static void
session_drop_snapshot(struct sio_recovery_session *session)
{
	session->nsp->io->recovery->store.bytes -= session->bytes;
	session->bytes = 0;
	sio_stored_unref(session->data);
	session->data = NULL;
	mem_free(session->rooms);
	session->rooms = NULL;
	session->rooms_n = session->room_count = 0;
}

/* Takes the session off the list of stored sessions, without the use of the namespace that a stored session has. */
static void
session_unstore(struct sio_recovery_session *session)
{
	if (list_empty(&session->stored))
		return;
	list_remove(&session->stored);
	session->nsp->io->recovery->stored_count--;
}

void
sio_recovery_session_free(struct sio_recovery_session *session)
{
	struct sio_nsp *nsp = session->nsp;
	bool kept = !list_empty(&session->stored);

	session_unstore(session);
	session_drop_snapshot(session);
	table_remove(&nsp->io->recovery->sessions, &session->node);
	if (session->socket != NULL)
		session->socket->session = NULL;
	mem_free(session);
	if (kept)
		sio_nsp_unused(nsp);
}

/* Compares the secret part of a pid in constant time, so that timing does not show how much of a guess is right. */
struct sio_recovery_session *
sio_recovery_session_find(const struct sio_recovery *recovery, struct text pid)
{
	const struct sio_recovery_session *session;
	struct table_node *node;
	unsigned char differs = 0;

	if (pid.n != SIO_PID_LENGTH)
		return NULL;
	node = table_find(&recovery->sessions, text_of(pid.at, SIO_PID_HANDLE));
	if (node == NULL)
		return NULL;
	session = container_of(node, struct sio_recovery_session, node);
	for (size_t i = SIO_PID_HANDLE; i < SIO_PID_LENGTH; i++)
		differs |= (unsigned char)(session->pid[i] ^ pid.at[i]);
	return differs == 0 ? container_of(node, struct sio_recovery_session, node) : NULL;
}

/* --------------------------------------------------------------- snapshot */

/* Returns false without memory. */
static bool
session_copy_rooms(struct sio_recovery_session *session, const struct sio_socket *s)
{
	struct list *it, *next;
	size_t bytes = 0;
	char *at;

	list_each(it, next, &s->rooms) bytes +=
		sizeof(uint32_t) + container_of(it, struct sio_membership, in_socket)->key.room->node.key_len;
	if (bytes == 0)
		return true;
	session->rooms = at = mem_try_alloc(bytes);
	if (at == NULL)
		return false;
	session->rooms_n = (uint32_t)bytes;
	session->room_count = s->room_count;
	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;
		uint32_t n = room->node.key_len;

		at = mempcpy(at, &n, sizeof n);
		at = mempcpy(at, room->name, n);
	}
	return true;
}

/* Takes the snapshot of the socket and stores the session. Without memory it frees the session. */
static void
session_store(struct sio_recovery_session *session, struct sio_socket *s)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;

	session->own = s->in_own_room;
	session->last = s->last_event;
	if (s->extra != NULL && s->extra->data != NULL)
		session->data = sio_stored_ref(s->extra->data);
	if (!session_copy_rooms(session, s)) {
		loop_count_no_memory(recovery->io->loop);
		sio_recovery_session_free(session);
		return;
	}
	session->socket = NULL;
	s->session = NULL;
	session->bytes = (uint32_t)(sizeof *session + session->rooms_n + sio_stored_size(session->data));
	recovery->store.bytes += session->bytes;
	session->lost_at = recovery->io->loop->now;
	list_add_tail(&recovery->stored, &session->stored);
	recovery->stored_count++;
	sio_nsp_used(session->nsp);
}

void
sio_recovery_session_claim(struct sio_recovery_session *session)
{
	must(session->socket == NULL && !list_empty(&session->stored));
	session_unstore(session);
	session->claimed = true;
}

void
sio_recovery_session_return(struct sio_recovery_session *session)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;
	struct list *after = recovery->stored.prev;

	must(session->claimed);
	session->claimed = false;
	if (session->socket != NULL) {
		session->socket->session = NULL;
		session->socket = NULL;
		sio_nsp_used(session->nsp);
	}
	while (after != &recovery->stored &&
		container_of(after, struct sio_recovery_session, stored)->lost_at > session->lost_at)
		after = after->prev;
	list_add_tail(after->next, &session->stored);
	recovery->stored_count++;
	sio_recovery_trim_log(recovery); /* arms the timer, which may have ended while nothing was kept */
}

void
sio_recovery_session_live(struct sio_recovery_session *session)
{
	session->claimed = session->ghost = false;
	session_drop_snapshot(session);
}

/* ------------------------------------------------------------------ leave */

/* Node.js: RECOVERABLE_DISCONNECT_REASONS of socket.ts. */
static bool
session_may_return_after(unsigned reason)
{
	switch (reason) {
	case SIO_REASON_SERVER_CLOSED:
	case SIO_REASON_SHUTTING_DOWN:
	case SIO_REASON_ENGINE + EIO_TRANSPORT_ERROR:
	case SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE:
	case SIO_REASON_ENGINE + EIO_FORCED_CLOSE:
	case SIO_REASON_ENGINE + EIO_PING_TIMEOUT:
		return true;
	default:
		return false;
	}
}

void
sio_recovery_session_leave(struct sio_recovery_session *session, struct sio_socket *s)
{
	if (session->claimed) {
		sio_recovery_session_return(session);
	} else if (session_may_return_after(s->reason) && s->nsp->owner == NULL) {
		session_store(session, s);
		sio_recovery_session_trim(s->nsp->io->recovery);
	} else {
		sio_recovery_session_free(session);
	}
}

/* ----------------------------------------------------------------- limits */

struct sio_recovery_session *
sio_recovery_session_oldest(const struct sio_recovery *recovery)
{
	return list_empty(&recovery->stored)
		       ? NULL
		       : container_of(recovery->stored.next, struct sio_recovery_session, stored);
}

bool
sio_recovery_session_expired(const struct sio_recovery_session *session)
{
	const struct sio_server *io = session->nsp->io;

	return io->loop->now - session->lost_at > io->options.max_disconnection_duration;
}

void
sio_recovery_session_drop(struct sio_recovery *recovery, uint64_t *counter)
{
	(*counter)++;
	sio_recovery_session_free(sio_recovery_session_oldest(recovery));
}

void
sio_recovery_session_trim(struct sio_recovery *recovery)
{
	struct sio_recovery_store *store = &recovery->store;

	sio_recovery_trim_log(recovery);
	while (recovery->stored_count > recovery->io->options.recovery_max_sessions ||
		(store->bytes > store->max_bytes && recovery->stored_count != 0))
		sio_recovery_session_drop(recovery, &recovery->displaced);
}

/* ------------------------------------------------------------------ rooms */

struct text
sio_recovery_rooms_read(const char **at)
{
	uint32_t n;
	struct text room;

	memcpy(&n, *at, sizeof n);
	room = text_of(*at + sizeof n, n);
	*at += sizeof n + n;
	return room;
}

bool
sio_recovery_rooms_init(struct sio_recovery_rooms *rooms, const struct sio_recovery_session *session)
{
	const char *at = session->rooms;

	table_init(&rooms->table);
	rooms->nodes = mem_try_alloc((session->room_count + 1) * sizeof *rooms->nodes);
	if (rooms->nodes == NULL)
		return false;
	for (uint32_t i = 0; i < session->room_count; i++)
		table_add(&rooms->table, &rooms->nodes[i], sio_recovery_rooms_read(&at));
	if (session->own)
		table_add(&rooms->table, &rooms->nodes[session->room_count], text_of(session->sid, SIO_ID_LENGTH));
	return true;
}

void
sio_recovery_rooms_fini(struct sio_recovery_rooms *rooms)
{
	table_fini(&rooms->table);
	mem_free(rooms->nodes);
}

bool
sio_recovery_rooms_has(void *rooms, struct text room)
{
	return table_find(&((struct sio_recovery_rooms *)rooms)->table, room) != NULL;
}
