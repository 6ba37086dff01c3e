/*
 * A client in a namespace.
 *
 *   state      event                              next       action
 *   WAITING    the session gets a backend, or     OPENING    OPEN
 *              its backend has window again
 *              no backend comes in time           gone       CONNECT_ERROR "Service unavailable"
 *   OPENING    ACCEPT                             ATTACHED   CONNECT to the client
 *              REFUSE                             gone       CONNECT_ERROR
 *              JOIN, LEAVE, DATA                  OPENING    carried out at once; valid after ACCEPT
 *              the session loses its backend      WAITING    its rooms and data are forgotten, unless the client is
 *                                                            recovered
 *   ATTACHED   an event                           ATTACHED   EVENT; held while the link drains or has no window
 *              the session loses its backend      ORPHAN     unanswered acknowledgements are forgotten,
 *                                                            except after a hand-off
 *   ORPHAN     an event                           ORPHAN     held
 *              the session gets a backend, or     REOPENING  OPEN with REATTACH
 *              its backend has window again
 *   REOPENING  an event                           REOPENING  held
 *              ACCEPT                             ATTACHED   the held events are sent
 *              REFUSE                             gone       DISCONNECT to the client
 *              the session loses its backend      ORPHAN
 *   WAITING,   OPEN would be larger than a frame  gone       CONNECT_ERROR "Too large"; DISCONNECT if ORPHAN
 *   ORPHAN
 *   any        the client or the server leaves    gone       CLOSED, if a backend knows the socket
 *
 * ACCEPT and REFUSE in any other state are dropped.
 *
 * A client that connection state recovery brings back (sio_recovered()) is WAITING like a new one, with its id, rooms
 * and data. Its OPEN has the flags REATTACH and RECOVERED. If its session cannot be continued, because the backend
 * does not know this flag or missed events are gone after ACCEPT, the socket is gone here (CLOSED), and a new one
 * begins.
 */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_late.h"
#include "node/backend/backend_out.h"
#include "node/socketio/sio_raw.h"

static bool
is_orphan(const struct backend_socket *bs)
{
	return bs->state == BACKEND_ORPHAN || bs->state == BACKEND_REOPENING;
}

static void
socket_set_state(struct backend_socket *bs, enum backend_socket_state state)
{
	struct backend_core *core = bs->session->core;

	core->orphans -= is_orphan(bs);
	bs->state = (uint8_t)state;
	core->orphans += is_orphan(bs);
}

/* -------------------------------------------------------------------- life */

struct backend_socket *
backend_socket_new(struct backend_session *s, sio_socket *socket)
{
	struct backend_socket *bs = mem_zalloc(sizeof *bs);

	bs->session = s;
	bs->socket = socket;
	backend_held_init(&bs->held);
	list_init(&bs->shadows);
	list_add_tail(&s->sockets, &bs->link);
	sio_raw_set_owned(socket, bs);
	eio_hold(s->engine, (int64_t)sizeof *bs);
	return bs;
}

static void
drop_first_event(struct backend_socket *bs)
{
	struct backend_session *s = bs->session;
	size_t size = backend_held_drop(&bs->held);

	s->held -= size;
	s->core->held -= size;
	eio_hold(s->engine, -(int64_t)size);
}

void
backend_shadow_free(struct backend_shadow *shadow)
{
	backend_handle_take(shadow->member, &shadow->handle);
	list_remove(&shadow->of_member);
	list_remove(&shadow->of_socket);
	eio_hold(shadow->socket->session->engine, -(int64_t)sizeof *shadow);
	mem_free(shadow);
}

/* Frees everything that this layer knows of the socket. */
static void
socket_forget(struct backend_socket *bs)
{
	struct backend_session *s = bs->session;
	bool held = bs->held.first != NULL;

	sio_raw_set_owned(bs->socket, NULL);
	while (bs->held.first != NULL) {
		counter_add(&s->core->loop->counters, COUNT_BACKEND_DROPPED_EVENTS, 1);
		drop_first_event(bs);
	}
	while (!list_empty(&bs->shadows)) {
		struct backend_shadow *shadow = container_of(bs->shadows.next, struct backend_shadow, of_socket);

		sio_raw_forget(bs->socket, shadow->member);
		backend_shadow_free(shadow);
	}
	if (s->member != NULL) {
		sio_raw_forget(bs->socket, s->member);
		backend_handle_take(s->member, &bs->handle);
	}
	socket_set_state(bs, BACKEND_WAITING);
	list_remove(&bs->link);
	eio_hold(s->engine, -(int64_t)sizeof *bs);
	mem_free(bs);
	if (held)
		backend_session_relieved(s);
}

void
backend_socket_rebind(struct backend_socket *bs, struct backend_session *to)
{
	must(bs->state == BACKEND_WAITING && bs->handle.number == 0);
	list_remove(&bs->link);
	bs->session = to;
	list_add_tail(&to->sockets, &bs->link);
}

void
backend_socket_closed(struct backend_socket *bs, const char *reason)
{
	struct backend_session *s = bs->session;

	if (bs->handle.number != 0)
		backend_out_text(s->member->wire, BACKEND_CLOSED, bs->handle.number, 0,
			text_from(reason != NULL ? reason : "transport close"));
	if (bs->state == BACKEND_ATTACHED && bs->handle.number != 0 && sio_raw_may_return(bs->socket))
		backend_late_add(s->member, bs->socket, &bs->handle);
	socket_forget(bs);
	backend_session_unused(s);
}

/* --------------------------------------------------------------- attaching */

/* Refuses the socket, or disconnects it if the client is connected to the namespace. */
static void
socket_turn_away(struct backend_socket *bs, const char *message, struct text data)
{
	sio_socket *socket = bs->socket;
	bool joined = is_orphan(bs);

	socket_forget(bs);
	if (joined)
		sio_disconnect(socket, false);
	else
		(void)sio_raw_refuse(socket, message, data);
}

void
backend_socket_open(struct backend_socket *bs)
{
	bool again = bs->state == BACKEND_ORPHAN, recovered = !again && sio_recovered(bs->socket);
	struct backend_member *m = bs->session->member;

	must(again || bs->state == BACKEND_WAITING);
	if (recovered && !backend_link_hello(m->wire)->recovers) {
		(void)sio_raw_restart(bs->socket); /* frees bs; clients_on_connect() opens the new socket */
		return;
	}
	backend_handle_give(m, &bs->handle, BACKEND_A_SOCKET);
	socket_set_state(bs, again ? BACKEND_REOPENING : BACKEND_OPENING);
	if (!backend_out_open(bs,
		    (uint8_t)((again || recovered ? BACKEND_F_REATTACH : 0) | (recovered ? BACKEND_F_RECOVERED : 0))))
		socket_turn_away(bs, "Too large", TEXT_NONE);
}

/* The backend that hands the socket off may still answer and emit. */
static void
leave_shadow(struct backend_socket *bs)
{
	struct backend_member *m = bs->session->member;
	struct backend_shadow *shadow = mem_zalloc(sizeof *shadow);

	shadow->member = m;
	shadow->socket = bs;
	list_add_tail(&m->shadows, &shadow->of_member);
	list_add_tail(&bs->shadows, &shadow->of_socket);
	backend_handle_move(m, &bs->handle, &shadow->handle, BACKEND_A_SHADOW);
	eio_hold(bs->session->engine, (int64_t)sizeof *shadow);
}

/*
 * Forgets the rooms and data that middlewares have set, because the next backend runs its middlewares anew. Those of
 * a recovered socket stay: they are from before its loss.
 */
static void
socket_begin_anew(struct backend_socket *bs)
{
	socket_set_state(bs, BACKEND_WAITING);
	if (sio_recovered(bs->socket))
		return;
	sio_leave_all(bs->socket);
	(void)sio_raw_set_data(bs->socket, &(struct sio_content){.json = TEXT_NONE});
}

void
backend_socket_lose(struct backend_socket *bs, bool handed_off)
{
	struct backend_member *m = bs->session->member;

	if (bs->state == BACKEND_ATTACHED && handed_off) {
		leave_shadow(bs);
	} else {
		sio_raw_forget(bs->socket, m);
		backend_handle_take(m, &bs->handle);
	}
	if (bs->state == BACKEND_OPENING)
		socket_begin_anew(bs);
	else if (bs->state != BACKEND_WAITING)
		socket_set_state(bs, BACKEND_ORPHAN);
}

bool
backend_socket_accept(struct backend_socket *bs)
{
	bool again = bs->state == BACKEND_REOPENING;

	if (!again && bs->state != BACKEND_OPENING)
		return false;
	socket_set_state(bs, BACKEND_ATTACHED);
	if (!again) {
		(void)sio_raw_accept(bs->socket);
		return true;
	}
	counter_add(&bs->session->core->loop->counters, COUNT_BACKEND_REATTACHED, 1);
	backend_session_flush(bs->session);
	return true;
}

bool
backend_socket_refuse(struct backend_socket *bs, const char *message, struct text data)
{
	if (bs->state != BACKEND_OPENING && bs->state != BACKEND_REOPENING)
		return false;
	socket_turn_away(bs, message, data);
	return true;
}

void
backend_socket_unavailable(struct backend_socket *bs)
{
	socket_turn_away(bs, "Service unavailable", TEXT_NONE);
}

uint32_t
backend_socket_number(const struct backend_socket *bs, const struct backend_member *m)
{
	struct list *it, *next;

	if (bs->session->member == m && bs->handle.number != 0)
		return bs->handle.number;
	list_each(it, next, (struct list *)&bs->shadows)
	{
		const struct backend_shadow *shadow = container_of(it, struct backend_shadow, of_socket);

		if (shadow->member == m)
			return shadow->handle.number;
	}
	return 0;
}

/* ------------------------------------------------------------------ events */

/* Returns false if the event must wait: the backend has not accepted the socket, or has no window. */
static bool
can_send(const struct backend_socket *bs)
{
	return bs->state == BACKEND_ATTACHED && backend_member_takes(bs->session->member);
}

/*
 * A client without a backend is closed at a limit, so that a flood does not fill the worker's memory. A client with a
 * backend is paused instead: only what it has already sent waits, which may exceed the limit by one event.
 */
static bool
may_wait(struct backend_socket *bs, size_t size)
{
	struct backend_session *s = bs->session;
	const struct backend_limits *limits = &s->core->limits;
	bool full = (s->held != 0 && s->held + size > limits->orphan_queue) ||
		    s->core->held + size > limits->orphan_total;

	if (s->dropped)
		return false;
	if (s->member == NULL && full) {
		backend_session_overflow(s);
		return false;
	}
	if (s->member != NULL && (full || !s->member->draining))
		backend_session_pause(s);
	return true;
}

static void
socket_hold(struct backend_socket *bs, const struct sio_raw_event *event)
{
	struct backend_session *s = bs->session;
	size_t size = backend_held_size(event);

	if (!may_wait(bs, size)) {
		counter_add(&s->core->loop->counters, COUNT_BACKEND_DROPPED_EVENTS, 1);
		return;
	}
	if (!backend_held_add(&bs->held, event)) {
		loop_count_no_memory(s->core->loop);
		eio_drop(s->engine, "no-memory");
		return;
	}
	s->held += size;
	s->core->held += size;
	eio_hold(s->engine, (int64_t)size);
	counter_add(&s->core->loop->counters, COUNT_BACKEND_HELD, 1);
	if (s->held == size)
		backend_session_urgent(s);
	loop_keep_budget(s->core->loop);
}

void
backend_socket_event(struct backend_socket *bs, const struct sio_raw_event *event)
{
	if (bs->held.first == NULL && can_send(bs))
		backend_out_event(bs->session->member->wire, bs->handle.number, event);
	else
		socket_hold(bs, event);
}

void
backend_socket_flush(struct backend_socket *bs)
{
	struct sio_raw_event event;

	if (bs->state == BACKEND_WAITING || bs->state == BACKEND_ORPHAN) {
		if (backend_member_takes(bs->session->member))
			backend_socket_open(bs);
		return;
	}
	while (can_send(bs) && backend_held_first(&bs->held, &event)) {
		backend_out_event(bs->session->member->wire, bs->handle.number, &event);
		drop_first_event(bs);
	}
}

void
backend_socket_room(struct backend_socket *bs, bool joined, struct text room)
{
	if (bs->handle.number != 0 && !bs->session->core->obeying)
		backend_out_rooms(bs->session->member->wire, joined ? BACKEND_JOIN : BACKEND_LEAVE, bs->handle.number,
			&room, 1);
}
