#include "node/socketio/sio_recovery.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stream_state.h"

/* ----------------------------------------------------------------- limits */

/*
 * A client misses events before the server notices its loss. So the log keeps events for the window plus the time
 * that the heartbeat needs to notice a loss.
 */
static uint64_t
recovery_log_ms(const struct sio_recovery *recovery)
{
	return recovery->io->options.max_disconnection_duration + recovery->io->options.loss_notice;
}

static void
recovery_sweep(struct wheel_entry *entry)
{
	struct sio_recovery *recovery = container_of(entry, struct sio_recovery, timer);
	struct sio_recovery_store *store = &recovery->store;
	uint64_t now = recovery->io->loop->now;

	recovery->armed = false;
	if (recovery->store.bytes > store->max_bytes)
		sio_recovery_session_trim(recovery);
	while (!list_empty(&store->entries) &&
		now - container_of(store->entries.next, struct sio_recovery_entry, all)->at >
			recovery_log_ms(recovery))
		(void)sio_recovery_store_drop(store);
	while (recovery->stored_count != 0 && sio_recovery_session_expired(sio_recovery_session_oldest(recovery)))
		sio_recovery_session_drop(recovery, SIO_SESSION_EXPIRED);
	if (!list_empty(&store->entries) || recovery->stored_count != 0)
		sio_recovery_trim_log(recovery);
}

/* ------------------------------------------------------------------- life */

struct sio_recovery *
sio_recovery_new(struct sio_server *io)
{
	struct sio_recovery *recovery = mem_zalloc(sizeof *recovery);
	struct table_cursor cursor = {0};
	struct table_node *node;

	recovery->io = io;
	sio_recovery_store_init(&recovery->store, io->options.recovery_max_bytes);
	table_init(&recovery->sessions);
	list_init(&recovery->stored);
	list_init(&recovery->ended_now);
	recovery->displace = sio_recovery_session_drop_all;
	sio_job_init(&recovery->ended_job, sio_recovery_session_report);
	wheel_entry_init(&recovery->timer, recovery_sweep);
	while ((node = table_next(&io->nsps, &cursor)) != NULL)
		container_of(node, struct sio_nsp, node)->log = sio_recovery_log_new(&recovery->store);
	return recovery;
}

void
sio_recovery_free(struct sio_recovery *recovery)
{
	if (recovery == NULL)
		return;
	while (recovery->stored_count != 0)
		sio_recovery_session_free(sio_recovery_session_oldest(recovery));
	sio_recovery_session_forget(recovery);
	sio_job_cancel(&recovery->ended_job);
	must(recovery->sessions.count == 0);
	table_fini(&recovery->sessions);
	while (sio_recovery_store_drop(&recovery->store))
		;
	loop_disarm(recovery->io->loop, &recovery->timer);
	mem_free(recovery);
}

const char *
sio_recovery_unsaved_word(unsigned reason)
{
	static const char *const words[] = {
		[SIO_UNSAVED_OUT_OF_MEMORY] = "out_of_memory",
		[SIO_UNSAVED_DENIED] = "denied",
		[SIO_UNSAVED_REFUSED] = "refused",
		[SIO_UNSAVED_QUEUE_FULL] = "queue_full",
		[SIO_UNSAVED_TIMEOUT] = "timeout",
		[SIO_UNSAVED_TOO_BIG] = "too_big",
		[SIO_UNSAVED_FAILED] = "failed",
	};

	must(reason < SIO_UNSAVED_REASONS);
	return words[reason];
}

void
sio_recovery_stats(const struct sio_recovery *recovery, struct sio_recovery_stats *out)
{
	const struct sio_recovery_store *store = &recovery->store;

	*out = (struct sio_recovery_stats){
		.replayed = recovery->replayed, .ended = recovery->ended, .displaced = recovery->displaced};
	memcpy(out->results, recovery->results, sizeof out->results);
	memcpy(out->unsaved, recovery->unsaved, sizeof out->unsaved);
	if (recovery->keep != NULL || recovery->stream != NULL)
		return; /* the hub or Redis has the sessions and the events */
	out->sessions = recovery->stored_count;
	out->events = store->count;
	out->bytes = store->bytes;
	if (!list_empty(&store->entries))
		out->age_ms = recovery->io->loop->now -
			      container_of(store->entries.next, struct sio_recovery_entry, all)->at;
}

/* ------------------------------------------------------------------ claim */

/*
 * Finds the number after which the client has missed events. A client without an offset has received no event since
 * its CONNECT. The same holds for a client with an older offset: stock clients keep the offset of an earlier session
 * until the next event. A client that has received the last event for its socket, however long ago, needs only the
 * events after its loss. The rooms of the snapshot decide which events were for the socket, so the rooms must not
 * have changed since the first event that the client missed. Returns SIO_RECOVERY_RECOVERED or
 * SIO_RECOVERY_OFFSET_GONE.
 */
static enum sio_recovery_result
session_position(const struct sio_recovery_session *session, struct text offset, uint64_t *from)
{
	const struct sio_recovery_log *log = session->nsp->log;
	uint64_t last = session->socket != NULL ? session->socket->last_event : session->last;
	uint64_t heard = session->socket != NULL && !session->claimed && session->socket->state == SIO_CONNECTED
				 ? log->head
				 : session->heard;

	*from = session->start;
	if (offset.at != NULL && !sio_recovery_offset_read(log, offset, from))
		return SIO_RECOVERY_OFFSET_GONE;
	if (session->socket != NULL && sio_history_waits(session->socket))
		return SIO_RECOVERY_OFFSET_GONE; /* no offset shows that the client has got the history of its room */
	if (*from < session->start)
		*from = session->start;
	if (*from < session->changed_last)
		return SIO_RECOVERY_OFFSET_GONE;
	if (*from < session->changed_head)
		*from = session->changed_head;
	if (*from >= last && *from < heard)
		*from = heard;
	return *from < log->floor ? SIO_RECOVERY_OFFSET_GONE : SIO_RECOVERY_RECOVERED;
}

/*
 * Finds the missed events. Returns SIO_RECOVERY_RECOVERED, or why they cannot be sent. The caller calls
 * sio_recovery_found_fini() in any case.
 */
static enum sio_recovery_result
session_find_missed(const struct sio_recovery_session *session, struct sio_recovery_found *missed)
{
	struct sio_recovery_rooms rooms;
	int rc = ERROR_MEMORY;

	*missed = (struct sio_recovery_found){0};
	if (sio_recovery_session_rooms(session, &rooms))
		rc = sio_recovery_log_find(
			session->nsp->log, session->lost->from, &rooms, session->nsp->io->max_emit, missed);
	sio_recovery_rooms_fini(&rooms);
	if (rc == 0)
		return SIO_RECOVERY_RECOVERED;
	return rc == ERROR_TOO_BIG ? SIO_RECOVERY_TOO_BIG : SIO_RECOVERY_FAILED;
}

void
sio_recovery_end_ghost(const struct sio_client *c, struct sio_socket *old)
{
	struct sio_client *ghost = old->client;

	sio_leave_now(old, SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE);
	if (ghost != c)
		sio_client_end(ghost, SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE);
}

/* Claims the session for `c`. Returns SIO_RECOVERY_RECOVERED and the session, or why the claim fails. */
static enum sio_recovery_result
recovery_take(struct sio_client *c, struct sio_nsp *nsp, struct text pid, struct text offset,
	struct sio_recovery_session **out)
{
	struct sio_recovery *recovery = nsp->io->recovery;
	struct sio_recovery_session *session = sio_recovery_session_find(recovery, pid);
	bool ghost = session != NULL && session->socket != NULL;
	struct sio_recovery_found missed;
	uint64_t from;
	enum sio_recovery_result result;

	if (session == NULL)
		return SIO_RECOVERY_NO_SESSION;
	if (session->nsp != nsp)
		return SIO_RECOVERY_FOREIGN;
	if (sio_client_began(c) < session->newest)
		return SIO_RECOVERY_NO_SESSION; /* the CONNECT of a connection that the client has left came late */
	session->newest = sio_client_began(c);
	if (!ghost && sio_recovery_session_expired(session))
		return SIO_RECOVERY_EXPIRED;
	result = session_position(session, offset, &from);
	if (result != SIO_RECOVERY_RECOVERED)
		return result;
	if (ghost) {
		sio_recovery_end_ghost(c, session->socket);
		session = sio_recovery_session_find(recovery, pid); /* listeners or the reason may have ended it */
		if (session == NULL || session->socket != NULL)
			return SIO_RECOVERY_NO_SESSION;
		result = session_position(session, offset, &from);
		if (result != SIO_RECOVERY_RECOVERED)
			return result;
	}
	session->lost->from = from;
	result = session_find_missed(session, &missed);
	sio_recovery_found_fini(&missed);
	if (result != SIO_RECOVERY_RECOVERED)
		return result;
	sio_recovery_session_claim(session);
	session->ghost = ghost;
	*out = session;
	return SIO_RECOVERY_RECOVERED;
}

static bool
is_private_member(struct text key)
{
	return json_string_is(key, TEXT("pid")) || json_string_is(key, TEXT("offset"));
}

/* Returns the auth without pid and offset, or {} if memory is short. */
static struct text
auth_without_secret(struct sio_server *io, struct text auth)
{
	struct text rest = auth, key, value;
	char *copy = sio_turn_room(&io->turn, auth.n), *at = copy;

	if (copy == NULL)
		return TEXT("{}");
	*at++ = '{';
	while (json_object_next(&rest, &key, &value)) {
		if (is_private_member(key))
			continue;
		if (at != copy + 1)
			*at++ = ',';
		at = mempcpy(at, key.at, key.n);
		*at++ = ':';
		at = mempcpy(at, value.at, value.n);
	}
	*at++ = '}';
	return text_of(copy, (size_t)(at - copy));
}

#define SECRET_MAX (SIO_OFFSET_LONG > SIO_PID_LENGTH ? SIO_OFFSET_LONG : SIO_PID_LENGTH)

/* Decodes a string from a client. Returns an empty text if it is longer than any pid or offset of this server. */
static struct text
secret_of(struct text value, char room[SECRET_MAX + 1])
{
	if (value.at == NULL || json_type(value) != JSON_STRING || value.n > SECRET_MAX + 2)
		return TEXT("");
	return text_of(room, json_string_decode(value, room));
}

bool
sio_recovery_claim(struct sio_client *c, struct sio_nsp *nsp, struct text auth, sio_recovery_then *then)
{
	char pid_room[SECRET_MAX + 1], offset_room[SECRET_MAX + 1];
	struct sio_recovery_session *session = NULL;
	struct text pid, offset;
	enum sio_recovery_result result;

	if (auth.n <= 2 || c->parser->revision < 5)
		return false;
	pid = json_object_get(auth, TEXT("pid"));
	if (pid.at == NULL)
		return false;
	pid = secret_of(pid, pid_room);
	offset = json_object_get(auth, TEXT("offset"));
	/* a client with the MessagePack parser that has got no event sends undefined, which is null in JSON */
	if (offset.at != NULL && json_type(offset) == JSON_NULL)
		offset = TEXT_NONE;
	if (offset.at != NULL)
		offset = secret_of(offset, offset_room);
	auth = auth_without_secret(nsp->io, auth);
	if (sio_stream_of(nsp) != NULL) {
		if (!nsp->io->recovery->stream->ops->claim(
			    c, nsp, pid, offset.at != NULL ? &offset : NULL, auth, then))
			then(c, nsp, auth, NULL);
		return true;
	}
	if (nsp->io->recovery->keep != NULL) {
		if (!nsp->io->recovery->keep->ops->claim(c, nsp, pid, offset.at != NULL ? &offset : NULL, auth, then))
			then(c, nsp, auth, NULL);
		return true;
	}
	result = recovery_take(c, nsp, pid, offset, &session);
	if (result != SIO_RECOVERY_RECOVERED)
		nsp->io->recovery->results[result]++;
	then(c, nsp, auth, session);
	return true;
}

void
sio_recovery_unclaim(struct sio_recovery_session *session)
{
	if (session->nsp->io->recovery->stream != NULL)
		session->nsp->io->recovery->stream->ops->unclaim(session);
	else if (session->nsp->io->recovery->keep != NULL)
		session->nsp->io->recovery->keep->ops->unclaim(session);
	else
		sio_recovery_session_return(session);
}

void
sio_recovery_give_up(struct sio_socket *s, enum sio_recovery_result result)
{
	s->nsp->io->recovery->results[result]++;
	sio_recovery_session_fail(s->session);
	sio_rooms_leave_all(s);
	sio_socket_set_data(s, NULL);
	random_id(s->id, SIO_ID_LENGTH);
	s->recovered = false;
	s->last_event = 0;
}

void
sio_recovery_reject(struct sio_socket *s)
{
	struct sio_keep *keep = s->nsp->io->recovery->keep;

	if (keep != NULL)
		keep->ops->forget(keep, s->session);
	sio_recovery_give_up(s, SIO_RECOVERY_FAILED);
}

/* Returns false if this server cannot tell which events the client has got with histories. */
static bool
attach_given(struct sio_socket *s, const struct sio_recovery_lost *lost)
{
	const struct sio_history *history = s->nsp->io->history;

	return lost->given_n == 0 ||
	       (history != NULL && history->work->adopt(s, text_of(lost->given, lost->given_n)));
}

bool
sio_recovery_attach(struct sio_socket *s, struct sio_recovery_session *session)
{
	const struct sio_recovery_lost *lost = session->lost;
	const char *at = lost->rooms;
	int rc = 0;

	must(session->claimed && s->state == SIO_WAITING);
	memcpy(s->id, lost->sid, SIO_ID_LENGTH);
	s->recovered = true;
	s->session = session;
	s->last_event = session->log->touched == NULL ? session->last : 0;
	session->socket = s;
	if (lost->data != NULL)
		sio_socket_set_data(s, sio_stored_ref(lost->data));
	for (uint32_t i = 0; rc == 0 && i < lost->room_count; i++)
		rc = sio_rooms_join(s, sio_recovery_room_read(&at));
	session->moved = session->data_changed = false;
	if (rc == 0 && !attach_given(s, lost))
		rc = ERROR_SYNTAX;
	if (rc != 0)
		sio_recovery_reject(s);
	return rc == 0;
}

/* ---------------------------------------------------------------- connect */

bool
sio_recovery_send(struct sio_socket *s, struct text json, const struct attachments *attachments, bool compress)
{
	struct sio_scratch *scratch = sio_scratch_take(&s->nsp->io->turn);
	struct sio_outgoing out;
	bool sent;

	out.packet = (struct sio_packet_out){
		.type = SIO_EVENT, .nsp = sio_nsp_text(s->nsp), .json = json, .attachments = attachments};
	(void)sio_outgoing_init(&out, s->nsp->io->max_emit, &scratch->head, compress);
	sio_client_put(s->client, &out, false);
	sent = sio_outgoing_result(&out) == 0 && sio_client_open(s->client);
	sio_outgoing_fini(&out);
	sio_scratch_give(&s->nsp->io->turn, scratch);
	return sent;
}

/* Sends the missed events. Returns false if not all of them could be sent. */
static bool
recovery_replay(struct sio_socket *s, const struct sio_recovery_found *missed)
{
	bool whole = true;

	for (unsigned i = 0; whole && i < missed->count; i++) {
		const struct sio_recovery_entry *entry = missed->at[i];

		whole = sio_recovery_send(s, sio_recovery_entry_json(entry),
			entry->attachments.count != 0 ? &entry->attachments : NULL, entry->compress);
		s->last_event = entry->number;
		s->nsp->io->recovery->replayed++;
	}
	return whole;
}

/*
 * Sends the events that the claimed session missed. Searches for them again, because events may have been dropped or
 * added while middlewares ran.
 */
static enum sio_recovery_result
recovery_continue(struct sio_socket *s)
{
	struct sio_recovery_found missed;
	enum sio_recovery_result result;

	if (s->session->lost->from < s->nsp->log->floor)
		return SIO_RECOVERY_OFFSET_GONE;
	result = session_find_missed(s->session, &missed);
	if (result == SIO_RECOVERY_RECOVERED && !recovery_replay(s, &missed)) {
		/* the client may have received some of the events, so it must come back as a new one */
		sio_client_close(s->client);
		result = SIO_RECOVERY_FAILED;
	}
	sio_recovery_found_fini(&missed);
	return result;
}

void
sio_recovery_replay(struct sio_socket *s)
{
	enum sio_recovery_result result;

	if (s->session == NULL)
		return;
	result = recovery_continue(s);
	if (result != SIO_RECOVERY_RECOVERED)
		sio_recovery_give_up(s, result);
}

void
sio_recovery_enter(struct sio_socket *s)
{
	struct sio_recovery_session *session = s->session;

	if (s->session != NULL) {
		s->nsp->io->recovery->results[session->ghost ? SIO_RECOVERY_TAKEN_OVER : SIO_RECOVERY_RECOVERED]++;
		sio_recovery_session_live(session);
		/* the socket enters its own room, which it may have left before its loss */
		if (session->moved || !session->own)
			sio_recovery_session_moved(session, s->last_event, false);
		else if (session->data_changed || s->nsp->io->recovery->stream != NULL)
			session->log->touched(session); /* in streams mode, the claim has removed the session */
	} else if (s->client->parser->revision >= 5) {
		(void)sio_recovery_session_new(s);
	}
}

bool
sio_recovered(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	return s->recovered;
}
