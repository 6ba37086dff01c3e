#include "node/backend/backend_in.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/backend/backend_args.h"
#include "node/backend/backend_ask.h"
#include "node/backend/backend_cast.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_history.h"
#include "node/backend/backend_late.h"
#include "node/backend/backend_log.h"
#include "node/backend/backend_out.h"
#include "node/backend/backend_presence.h"
#include "node/backend/backend_request.h"
#include "node/backend/backend_session.h"

/*
 * Returns the socket of a handle, or NULL if it has left. With `late`, also returns a socket that this backend has
 * handed off, because the backend may still finish what it has begun.
 */
static struct backend_socket *
socket_of(const struct backend_member *m, uint32_t handle, bool late)
{
	struct backend_handle *h = backend_handle_find(m, handle);

	if (h != NULL && h->kind == BACKEND_A_SOCKET)
		return container_of(h, struct backend_socket, handle);
	if (h != NULL && h->kind == BACKEND_A_SHADOW && late)
		return container_of(h, struct backend_shadow, handle)->socket;
	return NULL;
}

static struct backend_session *
session_of(const struct backend_member *m, uint32_t handle)
{
	struct backend_handle *h = backend_handle_find(m, handle);

	return h != NULL && h->kind == BACKEND_A_SESSION ? container_of(h, struct backend_session, handle) : NULL;
}

/* --------------------------------------------------------------- the answer */

static bool
in_accept(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);

	if (bs != NULL && !backend_socket_accept(bs))
		backend_log_dropped(m->core, m->wire, "accept", "the socket has no unanswered OPEN");
	return true;
}

static bool
in_refuse(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);
	struct text message;
	char *plain = NULL;

	if (json_check(f->body, JSON_DEPTH_MAX) != 0 || json_type(f->body) != JSON_OBJECT)
		return false;
	if (bs == NULL)
		return true;
	message = json_object_get(f->body, TEXT("message"));
	if (message.n != 0 && json_type(message) == JSON_STRING) {
		plain = mem_try_alloc(message.n + 1);
		if (plain != NULL)
			plain[json_string_decode_name(message, plain)] = '\0';
	}
	if (!backend_socket_refuse(bs, plain, json_object_get(f->body, TEXT("data"))))
		backend_log_dropped(m->core, m->wire, "refuse", "the socket has no unanswered OPEN");
	mem_free(plain);
	return true;
}

/* ------------------------------------------------------------------- events */

/* The client has answered an EMIT. */
static void
in_acked(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	struct backend_member *m = arg;
	struct backend_socket *bs;
	struct sio_content c;
	uint32_t handle;

	(void)io;
	/* CLOSED tells the backend that the socket has left, and the backend measures timeouts itself. */
	if (error != 0)
		return;
	bs = sio_raw_owned(answers->socket);
	handle = bs != NULL ? backend_socket_number(bs, m) : 0;
	if (handle == 0)
		return;
	c = sio_raw_acked(answers);
	if (!backend_link_has_window(m->wire) && bs->session->member == m)
		backend_session_pause(bs->session);
	if (!backend_link_has_space(m->wire, c.json.n + attachments_bytes(c.attachments))) {
		counter_add(&m->core->loop->counters, COUNT_BACKEND_DROPPED_ACKS, 1);
		return;
	}
	backend_out_args(m->wire, BACKEND_ACKED, 0, handle, (uint32_t)answers->number,
		c.json.n != 0 ? c.json : TEXT("[]"), c.attachments);
}

static unsigned
emit_flags(const struct backend_frame *f)
{
	return ((f->flags & BACKEND_F_VOLATILE) != 0 ? SIO_FLAG_VOLATILE : 0u) |
	       ((f->flags & BACKEND_F_NO_COMPRESS) != 0 ? SIO_FLAG_NO_COMPRESS : 0u);
}

static int
emit_to_socket(struct backend_member *m, sio_socket *s, const struct backend_frame *f, uint32_t timeout_ms,
	const struct sio_content *event)
{
	unsigned flags = emit_flags(f);

	if ((f->flags & BACKEND_F_ACK) == 0)
		return sio_raw_emit(s, flags, event);
	return sio_raw_emit_ack(
		s, flags, timeout_ms, event, &(struct sio_asker){.fn = in_acked, .arg = m, .number = f->id});
}

static bool
in_emit(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, true);
	const struct backend_late *late = bs == NULL && (f->flags & (BACKEND_F_ACK | BACKEND_F_VOLATILE)) == 0
						  ? backend_late_find(m, f->handle)
						  : NULL;
	struct text body = f->body;
	struct backend_args args;
	uint32_t timeout_ms = 0;
	int rc;

	if ((f->flags & BACKEND_F_TIMED) != 0 && !backend_take_u32(&body, &timeout_ms))
		return false;
	if (bs == NULL && late == NULL)
		return true;
	rc = backend_args_take(&args, body, f->flags);
	if (rc == ERROR_SYNTAX)
		return false;
	if (rc == 0) {
		rc = bs != NULL ? emit_to_socket(m, bs->socket, f, timeout_ms, &args.content)
				: backend_late_emit(late, emit_flags(f), &args.content);
		backend_args_fini(&args);
	}
	backend_log_result(m->core, m->wire, "emit", rc);
	return true;
}

static bool
in_ack(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, true);
	struct text body = f->body;
	struct backend_args args;
	uint32_t high = 0;
	int rc;

	if ((f->flags & BACKEND_F_WIDE) != 0 && !backend_take_u32(&body, &high))
		return false;
	if (bs == NULL)
		return true;
	rc = backend_args_take(&args, body, f->flags);
	if (rc == ERROR_SYNTAX)
		return false;
	if (rc == 0) {
		rc = sio_raw_ack(bs->socket, (uint64_t)high << 32 | f->id, &args.content);
		backend_args_fini(&args);
	}
	if (rc != SIO_ERR_STATE) /* the client is leaving: the normal race */
		backend_log_result(m->core, m->wire, "ack", rc);
	return true;
}

/* -------------------------------------------------------------------- rooms */

static bool
in_rooms(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_core *core = m->core;
	struct backend_socket *bs = socket_of(m, f->handle, false);
	const struct backend_late *late = backend_late_find(m, f->handle);
	struct text body = f->body;
	int n = backend_take_rooms(&body, core->rooms, BACKEND_ROOMS_MAX);

	if (n == ERROR_SYNTAX || (n >= 0 && body.n != 0))
		return false;
	if (n < 0)
		backend_log_result(core, m->wire, "rooms", n);
	else if (bs != NULL && f->type == BACKEND_JOIN)
		backend_log_result(core, m->wire, "join", sio_raw_join(bs->socket, core->rooms, (unsigned)n));
	else if (bs != NULL)
		sio_raw_leave(bs->socket, core->rooms, (unsigned)n);
	else if (late != NULL)
		backend_log_result(core, m->wire, "late rooms",
			backend_late_rooms(late, f->type == BACKEND_JOIN, core->rooms, (unsigned)n));
	return true;
}

static bool
in_catchup(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);

	return backend_history_join(m, f, bs != NULL ? bs->socket : NULL);
}

static bool
in_user(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);

	return backend_presence_user(m, f, bs != NULL ? bs->socket : NULL);
}

static bool
in_data(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);

	if (bs != NULL)
		backend_log_result(m->core, m->wire, "data",
			sio_raw_set_data(bs->socket, &(struct sio_content){.json = f->body}));
	return true;
}

/* ----------------------------------------------------------------- the end */

/* With the handle of a session and CLOSE: closes the connection. Its sockets leave with the reason "forced close". */
static bool
in_disc(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_socket *bs = socket_of(m, f->handle, false);
	struct backend_session *s = session_of(m, f->handle);

	if (bs != NULL)
		sio_disconnect(bs->socket, (f->flags & BACKEND_F_CLOSE) != 0);
	else if (s != NULL && (f->flags & BACKEND_F_CLOSE) != 0)
		eio_close(s->engine, false);
	return true;
}

static bool
in_handoff(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_session *s = session_of(m, f->handle);

	if (s == NULL)
		return true;
	if (!m->draining) {
		backend_log_dropped(m->core, m->wire, "handoff", "the link does not drain");
		return true;
	}
	backend_session_release(s, BACKEND_HANDED_OFF);
	backend_session_serve(m->core);
	return true;
}

static bool
in_nsp_answer(struct backend_member *m, const struct backend_frame *f)
{
	backend_ask_answered(m, f->id, (f->flags & BACKEND_F_ACK) != 0);
	return true;
}

static bool
in_response(struct backend_member *m, const struct backend_frame *f)
{
	return backend_request_answered(m, f->id, f->body);
}

bool
backend_in_frame(struct backend_member *m, const struct backend_frame *f)
{
	static bool (*const handlers[BACKEND_TYPES])(struct backend_member * m, const struct backend_frame *f) = {
		[BACKEND_NSPANSWER] = in_nsp_answer,
		[BACKEND_ACCEPT] = in_accept,
		[BACKEND_REFUSE] = in_refuse,
		[BACKEND_ACK] = in_ack,
		[BACKEND_EMIT] = in_emit,
		[BACKEND_CAST] = backend_cast,
		[BACKEND_JOIN] = in_rooms,
		[BACKEND_LEAVE] = in_rooms,
		[BACKEND_DISC] = in_disc,
		[BACKEND_DATA] = in_data,
		[BACKEND_RESPONSE] = in_response,
		[BACKEND_HANDOFF] = in_handoff,
		[BACKEND_CATCHUP] = in_catchup,
		[BACKEND_HISTORY] = backend_history_read,
		[BACKEND_FORGET] = backend_history_remove,
		[BACKEND_PRESENCE] = backend_presence_start,
		[BACKEND_USER] = in_user,
		[BACKEND_WHO] = backend_presence_who,
	};
	bool good;

	if (f->type >= BACKEND_TYPES || handlers[f->type] == NULL)
		return false;
	m->core->obeying = true;
	good = handlers[f->type](m, f);
	m->core->obeying = false;
	return good;
}
