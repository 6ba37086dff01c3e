#include "node/socketio/sio_keep_session.h"

#include "common/base/error.h"
#include "common/base/json_msgpack.h"
#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stored.h"

#define DATA_DEPTH 64

/* --------------------------------------------------------- rooms and data */

void
sio_keep_put_rooms(struct buffer *out, const struct sio_socket *s)
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

/* Writes the length of the text that begins at `at`, and whose length was written as 0. */
static void
put_length(struct buffer *out, size_t at)
{
	uint32_t n = (uint32_t)(out->len - at);

	if (buffer_error(out) == 0)
		memcpy(out->data + at - sizeof n, &n, sizeof n);
}

void
sio_keep_put_data(struct buffer *out, const struct sio_stored *data)
{
	size_t at = out->len + sizeof(uint32_t);

	keep_put_text(out, TEXT(""));
	if (data == NULL)
		return;
	if (json_to_msgpack(data->owner.json, &data->attachments, out) != 0)
		buffer_fail(out, ERROR_MEMORY);
	put_length(out, at);
}

void
sio_keep_put_given(struct buffer *out, const struct sio_socket *s)
{
	size_t at = out->len + sizeof(uint32_t);

	if (s->extra == NULL || s->extra->joins == NULL)
		return;
	keep_put_text(out, TEXT(""));
	sio_history_give(s, out);
	put_length(out, at);
}

struct sio_stored *
sio_keep_get_data(struct sio_keep *keep, struct text packed)
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

/* ------------------------------------------------------------------ changes */

/* Saves a live session at the peer. */
static void
keep_tell(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset)
{
	if (session->passed_over) {
		session->passed_over = false;
		sio_recovery_session_moved(
			session, session->socket->last_event, session->socket->state != SIO_CONNECTED);
	}
	list_remove(&session->kept);
	if (keep->welcome && !session->claimed)
		keep->peer->save(keep, session, needs_offset);
}

void
sio_keep_before_flush(struct loop_call *call)
{
	struct sio_keep *keep = container_of(call, struct sio_keep, call);

	while (!list_empty(&keep->changed))
		keep_tell(keep, container_of(keep->changed.next, struct sio_recovery_session, kept), false);
}

void
sio_keep_touched(struct sio_recovery_session *session)
{
	struct sio_recovery *recovery = session->nsp->io->recovery;

	session->data_changed = session->claimed;
	if (!recovery->keep->welcome || session->claimed)
		return;
	if (session->start == 0) {
		/* every event up to keep->heard, of any namespace, was delivered before this session began */
		sio_keep_hear(session->log, recovery->keep->heard);
		session->start_heard = session->log->heard;
		session->start = session->log->head;
		if (recovery->keep->peer->begin != NULL)
			recovery->keep->peer->begin(recovery->keep, session);
	}
	list_remove(&session->kept);
	list_add_tail(&recovery->keep->changed, &session->kept);
	loop_defer_to_flush(recovery->io->loop, &recovery->keep->call);
}

void
sio_keep_passed_over(struct sio_recovery_session *session)
{
	if (session->claimed)
		return;
	session->passed_over = true;
	sio_keep_touched(session);
}

void
sio_keep_forget(struct sio_keep *keep, const struct sio_recovery_session *session)
{
	if (keep->welcome)
		keep->peer->end(keep, session->pid);
}

void
sio_keep_end_stored(struct sio_keep *keep, struct text pid)
{
	if (keep->recovery->expiry != NULL && sio_expiry_end(keep->recovery->expiry, pid))
		return;
	if (keep->welcome)
		keep->peer->end(keep, pid.at);
}

void
sio_keep_unclaim(struct sio_recovery_session *session)
{
	struct sio_keep *keep = session->nsp->io->recovery->keep;

	if (keep->welcome)
		keep->peer->release(keep, session->pid);
	sio_recovery_session_free(session);
}

void
sio_keep_leave(struct sio_recovery_session *session, struct sio_socket *s, bool may_return)
{
	const struct sio_keep_position at = {s->last_event, session->deaf_heard, session->heard};
	struct sio_keep *keep = session->nsp->io->recovery->keep;

	if (session->claimed) {
		sio_keep_unclaim(session);
		return;
	}
	if (!list_empty(&session->kept))
		keep_tell(keep, session, false);
	if (keep->welcome && may_return)
		keep->peer->place(keep, session, &at, true);
	else if (keep->welcome)
		keep->peer->end(keep, session->pid);
	sio_recovery_session_free(session);
}

/* ------------------------------------------------------------ all sessions */

void
sio_keep_register_all(struct sio_keep *keep, bool needs_offset)
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
		keep_tell(keep, session, needs_offset);
	}
}

void
sio_keep_tell_quiet(struct sio_keep *keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keep->recovery->sessions, &cursor)) != NULL) {
		struct sio_recovery_session *session = container_of(node, struct sio_recovery_session, node);
		const struct sio_socket *s = session->socket;
		struct sio_keep_position at;

		if (session->claimed || s == NULL || s->state != SIO_CONNECTED)
			continue;
		at = (struct sio_keep_position){s->last_event, session->log->heard, session->log->head};
		keep->peer->place(keep, session, &at, false);
	}
}
