#include "node/socketio/sio_recovery_session.h"

#include "common/base/base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stream_state.h"

struct sio_recovery_session *
sio_recovery_session_new(struct sio_socket *s)
{
	struct sio_recovery *recovery = s->nsp->io->recovery;
	struct sio_recovery_session *session = mem_zalloc(sizeof *session);

	list_init(&session->kept);
	session->nsp = s->nsp;
	session->log = s->nsp->log;
	session->socket = s;
	if (session->log->touched == NULL) {
		session->start = session->log->head;
		session->newest = sio_client_began(s->client);
	}
	session->pid_n = SIO_PID_LENGTH;
	do
		random_id(session->pid, SIO_PID_LENGTH);
	while (table_find(&recovery->sessions, text_of(session->pid, SIO_PID_HANDLE)) != NULL);
	table_add(&recovery->sessions, &session->node, text_of(session->pid, SIO_PID_HANDLE));
	s->session = session;
	if (session->log->touched != NULL)
		session->log->touched(session);
	return session;
}

/* The socket is lost, or a claim brings the session: from now on the session has a sid of its own. */
static struct sio_recovery_lost *
session_lose(struct sio_recovery_session *session, const char sid[SIO_ID_LENGTH])
{
	struct sio_recovery_lost *lost = session->lost = mem_zalloc(sizeof *lost);

	lost->session = session;
	list_init(&lost->stored);
	memcpy(lost->sid, sid, SIO_ID_LENGTH);
	return lost;
}

struct sio_recovery_session *
sio_recovery_session_of(struct sio_nsp *nsp, struct text pid, struct text sid, struct text rooms, uint32_t room_count)
{
	struct sio_recovery_session *session;
	char *copy = mem_try_alloc(rooms.n + 1);

	if (copy == NULL)
		return NULL;
	session = mem_zalloc(sizeof *session);
	(void)session_lose(session, sid.at);
	memcpy(copy, rooms.at, rooms.n);
	session->lost->rooms = copy;
	session->lost->rooms_n = (uint32_t)rooms.n;
	session->lost->room_count = room_count;
	list_init(&session->kept);
	session->nsp = nsp;
	session->log = nsp->log;
	session->claimed = true;
	memcpy(session->pid, pid.at, pid.n);
	session->pid_n = (unsigned char)pid.n;
	table_add(&nsp->io->recovery->sessions, &session->node, text_of(session->pid, SIO_PID_HANDLE));
	return session;
}

bool
sio_recovery_session_take_given(struct sio_recovery_session *session, struct text given)
{
	struct sio_recovery_lost *lost = session->lost;

	if (given.n == 0)
		return true;
	lost->given = mem_try_alloc(given.n);
	if (lost->given == NULL)
		return false;
	memcpy(lost->given, given.at, given.n);
	lost->given_n = (uint32_t)given.n;
	return true;
}

bool
sio_recovery_session_accepts_id(const struct sio_nsp *nsp, struct text sid)
{
	for (size_t i = 0; i < sid.n; i++) {
		if (base64url_value(sid.at[i]) < 0)
			return false;
	}
	return sid.n == SIO_ID_LENGTH && table_find(&nsp->sockets, sid) == NULL;
}

static void
session_drop_snapshot(struct sio_recovery_session *session)
{
	struct sio_recovery_lost *lost = session->lost;

	if (lost == NULL)
		return;
	session->nsp->io->recovery->store.bytes -= lost->bytes;
	sio_stored_unref(lost->data);
	mem_free(lost->rooms);
	mem_free(lost->given);
	mem_free(lost);
	session->lost = NULL;
}

/* Takes the session off the lists of stored sessions. */
static void
session_unstore(struct sio_recovery_session *session)
{
	if (session->lost == NULL || list_empty(&session->lost->stored))
		return;
	list_remove(&session->lost->stored);
	list_remove(&session->kept);
	session->nsp->io->recovery->stored_count--;
}

/* Removes the session from all lists and from its socket, so that it can no longer be found. */
static void
session_unlink(struct sio_recovery_session *session)
{
	session_unstore(session);
	list_remove(&session->kept);
	table_remove(&session->nsp->io->recovery->sessions, &session->node);
	if (session->socket != NULL)
		session->socket->session = NULL;
	session->socket = NULL;
	if (session->lost != NULL && session->lost->expects)
		sio_rooms_expect_no_more(session->nsp, text_of(session->lost->sid, SIO_ID_LENGTH));
}

void
sio_recovery_session_free(struct sio_recovery_session *session)
{
	struct sio_nsp *nsp = session->nsp;

	session_unlink(session);
	session_drop_snapshot(session);
	mem_free(session);
	sio_nsp_session_ended(nsp);
}

/* Compares the secret part of a pid in constant time, so that timing does not show how much of a guess is right. */
struct sio_recovery_session *
sio_recovery_session_find(const struct sio_recovery *recovery, struct text pid)
{
	const struct sio_recovery_session *session;
	struct table_node *node;
	unsigned char differs = 0;

	if (pid.n <= SIO_PID_HANDLE || pid.n > SIO_PID_LENGTH)
		return NULL;
	node = table_find(&recovery->sessions, text_of(pid.at, SIO_PID_HANDLE));
	if (node == NULL)
		return NULL;
	session = container_of(node, struct sio_recovery_session, node);
	if (session->pid_n != pid.n)
		return NULL;
	for (size_t i = SIO_PID_HANDLE; i < pid.n; i++)
		differs |= (unsigned char)(session->pid[i] ^ pid.at[i]);
	return differs == 0 ? container_of(node, struct sio_recovery_session, node) : NULL;
}

/* -------------------------------------------------------------------- end */

bool
sio_recovery_session_has_listeners(const struct sio_nsp *nsp)
{
	return !sio_listeners_empty(&nsp->session_ended) ||
	       (nsp->owner != NULL && nsp->owner->on_session_ended != NULL) ||
	       (nsp->parent != NULL && !sio_listeners_empty(&nsp->parent->session_ended));
}

/*
 * Ends a session of a lost client. Listeners run at the end of the turn, because this may happen while another socket
 * leaves. Until then the session keeps its namespace in use.
 */
static void
session_end(struct sio_recovery_session *session, sio_session_end why)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;

	if (!sio_recovery_session_has_listeners(session->nsp)) {
		sio_recovery_session_free(session);
		return;
	}
	sio_nsp_used(session->nsp);
	session_unlink(session);
	session->lost->why = (unsigned char)why;
	list_add_tail(&recovery->ended_now, &session->lost->stored);
	sio_turn_defer(&recovery->io->turn, &recovery->ended_job);
}

/* Frees an ended session. */
static void
session_done(struct sio_recovery_session *session)
{
	struct sio_nsp *nsp = session->nsp;

	list_remove(&session->lost->stored);
	session_drop_snapshot(session);
	mem_free(session);
	sio_nsp_unused(nsp);
}

static void
session_run_listeners(struct sio_listeners *listeners, sio_nsp *nsp, const sio_ended_session *ended)
{
	SIO_RUN(listeners, &nsp->io->underway, nsp->name, "session ended", sio_session_ended_fn, nsp, ended);
}

void
sio_recovery_session_ended(struct sio_nsp *nsp, struct text sid, const struct sio_stored *data, sio_session_end why)
{
	char id[SIO_ID_LENGTH + 1] = "";
	sio_ended_session ended = {.id = id, .data = sio_stored_value(data), .why = why};

	memcpy(id, sid.at, sid.n < SIO_ID_LENGTH ? sid.n : SIO_ID_LENGTH);
	if (nsp->owner != NULL && nsp->owner->on_session_ended != NULL)
		nsp->owner->on_session_ended(nsp->owner_arg, nsp, &ended);
	if (nsp->parent != NULL)
		session_run_listeners(&nsp->parent->session_ended, nsp, &ended);
	session_run_listeners(&nsp->session_ended, nsp, &ended);
}

void
sio_recovery_session_report(struct sio_job *job)
{
	struct sio_recovery *recovery = container_of(job, struct sio_recovery, ended_job);

	while (!list_empty(&recovery->ended_now)) {
		struct sio_recovery_lost *lost =
			container_of(recovery->ended_now.next, struct sio_recovery_lost, stored);

		sio_recovery_session_ended(lost->session->nsp, text_of(lost->sid, SIO_ID_LENGTH), lost->data,
			(sio_session_end)lost->why);
		session_done(lost->session);
	}
}

void
sio_recovery_session_forget(struct sio_recovery *recovery)
{
	while (!list_empty(&recovery->ended_now))
		session_done(container_of(recovery->ended_now.next, struct sio_recovery_lost, stored)->session);
}

void
sio_on_session_ended(sio_nsp *nsp, sio_session_ended_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->session_ended, (sio_any_fn *)fn, arg);
}

int
sio_off_session_ended(sio_nsp *nsp, sio_session_ended_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->session_ended, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

/* --------------------------------------------------------------- snapshot */

/* Returns false if memory is short. */
static bool
session_copy_rooms(struct sio_recovery_lost *lost, const struct sio_socket *s)
{
	struct list *it, *next;
	size_t bytes = 0;
	char *at;

	list_each(it, next, &s->rooms) bytes +=
		sizeof(uint32_t) + container_of(it, struct sio_membership, in_socket)->key.room->node.key_len;
	if (bytes == 0)
		return true;
	lost->rooms = at = mem_try_alloc(bytes);
	if (at == NULL)
		return false;
	lost->rooms_n = (uint32_t)bytes;
	lost->room_count = s->room_count;
	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;

		at = sio_recovery_room_write(at, text_of(room->name, room->node.key_len));
	}
	return true;
}

/* Takes the snapshot of the socket and stores the session. If memory is short, it frees the session. */
static void
session_store(struct sio_recovery_session *session, struct sio_socket *s)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;
	struct sio_recovery_lost *lost = session_lose(session, s->id);

	session->own = s->in_own_room;
	session->last = s->last_event;
	if (s->extra != NULL && s->extra->data != NULL)
		lost->data = sio_stored_ref(s->extra->data);
	if (!session_copy_rooms(lost, s)) {
		loop_count_no_memory(recovery->io->loop);
		recovery->displaced++;
		session_end(session, SIO_SESSION_DISPLACED);
		return;
	}
	session->socket = NULL;
	s->session = NULL;
	lost->bytes = (uint32_t)(sizeof *session + sizeof *lost + lost->rooms_n + sio_stored_size(lost->data));
	recovery->store.bytes += lost->bytes;
	session->lost_at = recovery->io->loop->now;
	list_add_tail(&recovery->stored, &lost->stored);
	list_add_tail(&session->log->kept, &session->kept);
	recovery->stored_count++;
}

void
sio_recovery_session_claim(struct sio_recovery_session *session)
{
	must(session->socket == NULL && !list_empty(&session->lost->stored));
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
	}
	while (after != &recovery->stored &&
		container_of(after, struct sio_recovery_lost, stored)->session->lost_at > session->lost_at)
		after = after->prev;
	list_add_tail(after->next, &session->lost->stored);
	list_add_tail(&session->log->kept, &session->kept);
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

bool
sio_recovery_session_may_return(const struct sio_socket *s)
{
	return session_may_return_after(s->reason) && sio_recovery_on(s->nsp);
}

void
sio_recovery_end_stored(struct sio_nsp *nsp, struct text pid)
{
	struct sio_recovery *recovery = nsp->io->recovery;
	struct sio_recovery_session *session;

	if (recovery->stream != NULL) {
		recovery->stream->ops->end_stored(nsp, pid);
		return;
	}
	if (recovery->keep != NULL) {
		recovery->keep->ops->end_stored(recovery->keep, pid);
		return;
	}
	session = sio_recovery_session_find(recovery, pid);
	if (session != NULL && session->socket == NULL && !session->claimed) {
		recovery->displaced++;
		session_end(session, SIO_SESSION_DISPLACED);
	}
}

void
sio_recovery_session_leave(struct sio_recovery_session *session, struct sio_socket *s)
{
	if (s->nsp->io->recovery->stream != NULL) {
		s->nsp->io->recovery->stream->ops->leave(session, s, sio_recovery_session_may_return(s));
	} else if (s->nsp->io->recovery->keep != NULL) {
		s->nsp->io->recovery->keep->ops->leave(session, s, sio_recovery_session_may_return(s));
	} else if (session->claimed) {
		sio_recovery_session_return(session);
	} else if (sio_recovery_session_may_return(s)) {
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
		       : container_of(recovery->stored.next, struct sio_recovery_lost, stored)->session;
}

bool
sio_recovery_session_expired(const struct sio_recovery_session *session)
{
	const struct sio_server *io = session->nsp->io;

	return io->loop->now - session->lost_at > io->options.max_disconnection_duration;
}

void
sio_recovery_session_drop(struct sio_recovery *recovery, sio_session_end why)
{
	(*(why == SIO_SESSION_EXPIRED ? &recovery->ended : &recovery->displaced))++;
	session_end(sio_recovery_session_oldest(recovery), why);
}

void
sio_recovery_session_drop_all(struct sio_nsp *nsp)
{
	while (!list_empty(&nsp->log->kept)) {
		nsp->io->recovery->displaced++;
		session_end(
			container_of(nsp->log->kept.next, struct sio_recovery_session, kept), SIO_SESSION_DISPLACED);
	}
}

void
sio_recovery_session_fail(struct sio_recovery_session *session)
{
	const struct sio_stream *stream = session->nsp->io->recovery->stream;

	if (stream != NULL)
		stream->ops->fail(session);
	session_end(session, SIO_SESSION_FAILED);
}

void
sio_recovery_session_trim(struct sio_recovery *recovery)
{
	struct sio_recovery_store *store = &recovery->store;

	sio_recovery_trim_log(recovery);
	while (recovery->stored_count > recovery->io->options.recovery_max_sessions ||
		(store->bytes > store->max_bytes && recovery->stored_count != 0))
		sio_recovery_session_drop(recovery, SIO_SESSION_DISPLACED);
}

/* ------------------------------------------------------------------ rooms */

bool
sio_recovery_session_rooms(const struct sio_recovery_session *session, struct sio_recovery_rooms *out)
{
	const struct sio_recovery_lost *lost = session->lost;

	return sio_recovery_rooms_init(
		out, lost->rooms, lost->room_count, session->own ? text_of(lost->sid, SIO_ID_LENGTH) : TEXT_NONE);
}
