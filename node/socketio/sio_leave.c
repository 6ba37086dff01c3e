#include "node/socketio/sio_leave.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_presence_state.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_trace.h"

/*
 * How many closed sockets leave in one turn. Each takes about a microsecond plus the time of its listeners. The limit
 * keeps a disconnect of many thousand sockets from delaying other clients.
 */
#define LEAVES_PER_TURN 256

static void
leave_client_list(struct sio_socket *s)
{
	struct sio_socket **at = &s->client->sockets;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
	s->client->places--;
	sio_client_hold(s->client, s->auth != NULL ? -(int64_t)s->auth->len : 0);
}

static void
leave_mark_gone(struct sio_socket *s)
{
	struct sio_server *io = s->nsp->io;

	if (s->extra != NULL)
		sio_held_orphan(&s->extra->held);
	/* kept events now belong to the application alone; the data is freed at the end of this turn */
	if (s->extra != NULL)
		sio_client_hold(s->client, -(int64_t)(s->extra->waiting_bytes + sio_stored_size(s->extra->data) +
						      sio_present_size(s->extra->present)));
	sio_died(s);
	s->state = SIO_GONE;
	s->client = NULL;
	list_remove(&s->link);
	list_add_tail(&io->gone, &s->link);
	sio_turn_defer_last(&io->turn, &io->gone_job);
}

/* Calls the owner before any listener, while the socket is still in its rooms. */
static void
leave_notify_owner(struct sio_socket *s, const char *reason)
{
	const struct sio_nsp *nsp = s->nsp;

	if (nsp->owner != NULL && nsp->owner->on_closed != NULL)
		nsp->owner->on_closed(nsp->owner_arg, s, reason, !sio_client_open(s->client));
}

void
sio_leave_drop(struct sio_socket *s)
{
	must(s->state == SIO_WAITING);
	if (s->owner_asked) {
		s->owner_asked = s->owner_accepted = false;
		list_remove(&s->link); /* first, because the owner may refuse every socket that still asks */
		leave_notify_owner(s, NULL);
	}
	if (s->session != NULL)
		sio_recovery_session_leave(s->session, s);
	sio_rooms_leave_all(s);
	leave_client_list(s);
	leave_mark_gone(s);
}

/* Calls the application's function that frees sio_set_user()'s pointer. */
static void
leave_free_user(struct sio_socket *s)
{
	struct sio_underway *underway = &s->nsp->io->underway;
	struct sio_underway before = sio_underway_enter(underway, s->nsp->name, "free user");

	s->extra->free_user(s->user);
	sio_underway_leave(underway, before);
}

static void
leave_free_any(struct sio_nsp *nsp, struct sio_any *any)
{
	nsp->any_outgoing_sockets -= any->sent.count;
	sio_listeners_fini(&any->received);
	sio_listeners_fini(&any->sent);
	mem_free(any);
}

static void
leave_free_socket(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	must(s->state == SIO_GONE && list_empty(&s->rooms));
	list_remove(&s->link);
	if (s->extra != NULL) {
		if (s->extra->free_user != NULL)
			leave_free_user(s);
		must(s->extra->acks.count == 0);
		table_fini(&s->extra->acks);
		sio_event_listeners_fini(&s->extra->events);
		sio_listeners_fini(&s->extra->use);
		if (s->extra->any != NULL)
			leave_free_any(nsp, s->extra->any);
		sio_stored_unref(s->extra->data);
		sio_present_free(s->extra->present);
		mem_free(s->extra);
	}
	block_unref(s->auth);
	sio_retire(s);
	sio_nsp_unused(nsp);
}

void
sio_leave_gone(struct sio_job *job)
{
	struct sio_server *io = container_of(job, struct sio_server, gone_job);

	while (!list_empty(&io->gone)) {
		struct sio_socket *s = container_of(io->gone.next, struct sio_socket, link);

		sio_ack_abandon(s);
		leave_free_socket(s);
	}
}

static void
leave_run_listeners(struct sio_listeners *listeners, struct sio_socket *s)
{
	SIO_RUN(listeners, &s->nsp->io->underway, s->nsp->name, "disconnect", sio_disconnect_fn, s,
		sio_reason_text(s->reason));
}

static void
leave_finish(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	must(s->state == SIO_CLOSING);
	list_remove(&s->link);
	sio_socket_announce(s); /* "connection" listeners must run before "disconnect" listeners */
	s->state = SIO_DISCONNECTING;
	nsp->io->disconnects[s->reason]++;
	leave_notify_owner(s, sio_reason_text(s->reason));
	if (log_debug())
		sio_trace_left(s->client->session, sio_nsp_text(nsp), sio_socket_id_text(s), s->reason);
	if (nsp->parent != NULL)
		leave_run_listeners(&nsp->parent->disconnecting, s);
	leave_run_listeners(&nsp->disconnecting, s);
	if (s->session != NULL)
		sio_recovery_session_leave(s->session, s);
	sio_rooms_leave_all(s);
	table_remove(&nsp->sockets, &s->node);
	leave_client_list(s);
	s->state = SIO_GONE;
	if (nsp->parent != NULL)
		leave_run_listeners(&nsp->parent->disconnect, s);
	leave_run_listeners(&nsp->disconnect, s);
	sio_ack_abandon(s);
	leave_mark_gone(s);
}

void
sio_leave_closing(struct sio_job *job)
{
	struct sio_server *io = container_of(job, struct sio_server, closing_job);
	unsigned left = LEAVES_PER_TURN;
	struct list now;

	/* sockets that a listener closes are left to the next round, after those that wait */
	list_init(&now);
	list_move_all(&now, &io->closing);
	for (; !list_empty(&now) && left > 0; left--)
		leave_finish(container_of(now.next, struct sio_socket, link));
	if (list_empty(&now))
		return;
	list_move_all(&now, &io->closing);
	list_move_all(&io->closing, &now);
	sio_job_cancel(job);
	sio_turn_defer_next(&io->turn, job);
}

void
sio_leave_now(struct sio_socket *s, unsigned reason)
{
	if (s->state == SIO_WAITING) {
		sio_leave_drop(s);
		return;
	}
	sio_socket_close(s, reason);
	if (s->state == SIO_CLOSING)
		leave_finish(s);
}

const char *
sio_disconnect_details(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->nsp->io->lost == s ? s->nsp->io->lost_details : NULL;
}
