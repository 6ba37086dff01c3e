/*
 * The life of a socket.
 *
 *   state          in                        ends by
 *   WAITING        the client's list         middlewares: CONNECTED or dropped; the client going: dropped
 *   CONNECTED      + nsp->sockets,           sio_socket_close(): CLOSING, with a reason
 *                    nsp->connected
 *   CLOSING        + nsp->sockets,           the end of the turn, or the client going: finish()
 *                    io->closing             (rooms are still there, nothing is sent or received any more)
 *   DISCONNECTING  the same                  "disconnecting" listeners have run; rooms are left
 *   GONE           io->gone                  "disconnect" listeners have run; freed at the end of the turn
 *
 * Closing is noted only, listeners run when no other listener does, so a handler may disconnect anybody anywhere.
 */
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_socket.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_step.h"

struct sio_socket *
sio_socket_new(struct sio_client *c, struct sio_nsp *nsp, struct text auth)
{
	struct sio_socket *s = mem_zalloc(sizeof *s);

	list_init(&s->link);
	list_init(&s->rooms);
	s->nsp = nsp;
	s->client = c;
	s->state = SIO_WAITING;
	s->issued = loop_wall_ms();
	random_id(s->id, SIO_ID_LENGTH);
	if (auth.n > 2) { /* more than {} */
		s->auth = mem_copy(auth.at, auth.n);
		s->auth_len = (uint32_t)auth.n;
	}
	s->next = c->sockets;
	c->sockets = s;
	c->places++;
	sio_nsp_used(nsp);
	return s;
}

struct sio_extra *
sio_socket_extra(struct sio_socket *s)
{
	must(s->state != SIO_GONE);
	if (s->extra == NULL) {
		s->extra = mem_zalloc(sizeof *s->extra);
		table_init(&s->extra->acks);
		list_init(&s->extra->steps);
		list_init(&s->extra->events);
	}
	return s->extra;
}

bool
sio_socket_open(const struct sio_socket *s)
{
	return (s->state == SIO_WAITING || s->state == SIO_CONNECTED) && sio_client_open(s->client);
}

/* Whatever the application still holds of it loses its socket. */
static void
orphan(struct sio_socket *s)
{
	struct sio_extra *x = s->extra;

	if (x == NULL)
		return;
	while (!list_empty(&x->steps))
		sio_step_orphan(container_of(x->steps.next, struct sio_step, owned));
	while (!list_empty(&x->events)) {
		struct sio_event *e = container_of(x->events.next, struct sio_event, link);

		list_remove(&e->link);
		e->socket = NULL;
	}
}

static void
leave_client(struct sio_socket *s)
{
	struct sio_socket **at = &s->client->sockets;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
	s->client->places--;
}

static void
go(struct sio_socket *s)
{
	struct sio_server *io = s->nsp->io;

	orphan(s);
	s->state = SIO_GONE;
	s->client = NULL;
	list_remove(&s->link);
	list_add_tail(&io->gone, &s->link);
	sio_turn_defer_last(&io->turn, &io->gone_job);
}

void
sio_socket_drop(struct sio_socket *s)
{
	must(s->state == SIO_WAITING);
	sio_rooms_leave_all(s);
	leave_client(s);
	s->state = SIO_GONE;
	sio_ack_abandon(s);
	go(s);
}

/* The up-call. */
static void
free_user(struct sio_socket *s)
{
	struct sio_underway *underway = &s->nsp->io->underway;
	struct sio_underway before = sio_underway_enter(underway, s->nsp->name, "free user");

	s->extra->free_user(s->user);
	sio_underway_leave(underway, before);
}

static void
socket_free(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	must(s->state == SIO_GONE && list_empty(&s->rooms));
	list_remove(&s->link);
	if (s->extra != NULL) {
		if (s->extra->free_user != NULL)
			free_user(s);
		must(s->extra->acks.count == 0);
		table_fini(&s->extra->acks);
		sio_listeners_fini(&s->extra->use);
		sio_stored_free(s->extra->data);
		mem_free(s->extra);
	}
	mem_free(s->auth);
	mem_free(s);
	sio_nsp_unused(nsp);
}

void
sio_socket_free_all(struct sio_job *job)
{
	struct sio_server *io = container_of(job, struct sio_server, gone_job);

	while (!list_empty(&io->gone))
		socket_free(container_of(io->gone.next, struct sio_socket, link));
}

void
sio_socket_close(struct sio_socket *s, unsigned reason)
{
	struct sio_server *io = s->nsp->io;

	if (s->state != SIO_CONNECTED)
		return;
	s->state = SIO_CLOSING;
	s->reason = (uint8_t)reason;
	s->nsp->count--;
	list_remove(&s->link);
	list_add_tail(&io->closing, &s->link);
	sio_turn_defer(&io->turn, &io->closing_job);
}

static void
run_disconnect(struct sio_listeners *l, struct sio_socket *s)
{
	const struct sio_listener *it;
	struct sio_underway *underway = &s->nsp->io->underway, before;
	struct sio_run run;

	if (sio_listeners_empty(l))
		return;
	sio_run_begin(&run, l);
	before = sio_underway_enter(underway, s->nsp->name, "disconnect");
	while ((it = sio_run_next(&run)) != NULL)
		((sio_disconnect_fn *)it->fn)(s, sio_reason_text(s->reason), it->arg);
	sio_underway_leave(underway, before);
}

static void
finish(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	must(s->state == SIO_CLOSING);
	list_remove(&s->link);
	s->state = SIO_DISCONNECTING;
	nsp->io->disconnects[s->reason]++;
	if (nsp->parent != NULL)
		run_disconnect(&nsp->parent->disconnecting, s);
	run_disconnect(&nsp->disconnecting, s);
	sio_rooms_leave_all(s);
	table_remove(&nsp->sockets, &s->node);
	leave_client(s);
	s->state = SIO_GONE;
	if (nsp->parent != NULL)
		run_disconnect(&nsp->parent->disconnect, s);
	run_disconnect(&nsp->disconnect, s);
	sio_ack_abandon(s);
	go(s);
}

void
sio_socket_finish_all(struct sio_job *job)
{
	struct sio_server *io = container_of(job, struct sio_server, closing_job);
	struct list now;

	/* those that a listener closes are for the next round */
	list_init(&now);
	list_move_all(&now, &io->closing);
	while (!list_empty(&now))
		finish(container_of(now.next, struct sio_socket, link));
}

void
sio_socket_close_now(struct sio_socket *s, unsigned reason)
{
	if (s->state == SIO_WAITING) {
		sio_socket_drop(s);
		return;
	}
	sio_socket_close(s, reason);
	if (s->state == SIO_CLOSING)
		finish(s);
}

static void
run_error(struct sio_listeners *l, struct sio_socket *s, const char *message)
{
	const struct sio_listener *it;
	struct sio_underway *underway = &s->nsp->io->underway, before;
	struct sio_run run;

	if (sio_listeners_empty(l))
		return;
	sio_run_begin(&run, l);
	before = sio_underway_enter(underway, s->nsp->name, "error");
	while ((it = sio_run_next(&run)) != NULL)
		((sio_error_fn *)it->fn)(s, message, it->arg);
	sio_underway_leave(underway, before);
}

void
sio_socket_error(struct sio_socket *s, const char *message)
{
	if (s->state != SIO_CONNECTED)
		return;
	if (s->nsp->parent != NULL)
		run_error(&s->nsp->parent->error, s, message);
	run_error(&s->nsp->error, s, message);
}

void
sio_socket_waits(struct sio_socket *s, size_t bytes)
{
	struct sio_extra *x = sio_socket_extra(s);
	struct sio_server *io = s->nsp->io;

	x->waiting++;
	x->waiting_bytes += bytes;
	if (x->waiting <= io->options.max_pending_acks && x->waiting_bytes <= SIO_WAITING_BYTES * io->max_payload)
		return;
	if (!sio_client_open(s->client))
		return;
	sio_log_limit(&io->turn, "closed", eio_sid(s->client->session), "events that wait for the application");
	sio_client_close(s->client);
}

void
sio_socket_waits_no_more(struct sio_socket *s, size_t bytes)
{
	must(s->extra != NULL && s->extra->waiting > 0 && s->extra->waiting_bytes >= bytes);
	s->extra->waiting--;
	s->extra->waiting_bytes -= bytes;
}

/* ----------------------------------------------------------------- public */

const char *
sio_id(const sio_socket *s)
{
	return s->id;
}

sio_socket *
sio_find(const sio_nsp *nsp, const char *id)
{
	struct table_node *n = table_find(&nsp->sockets, text_from(id));
	struct sio_socket *s = n != NULL ? container_of(n, struct sio_socket, node) : NULL;

	return s != NULL && sio_connected(s) ? s : NULL;
}

sio_nsp *
sio_socket_nsp(const sio_socket *s)
{
	return s->nsp;
}

sio_server *
sio_socket_server(const sio_socket *s)
{
	return s->nsp->io;
}

bool
sio_connected(const sio_socket *s)
{
	/* as in the original: still true in "disconnecting" */
	return s->state == SIO_CONNECTED || s->state == SIO_DISCONNECTING;
}

const char *
sio_transport(const sio_socket *s)
{
	return s->client != NULL && s->client->session != NULL ? eio_transport(s->client->session) : "";
}

void
sio_disconnect(sio_socket *s, bool close)
{
	struct sio_client *c = s->client;

	if (s->state != SIO_CONNECTED)
		return;
	if (!close) {
		sio_client_send(c, SIO_DISCONNECT, sio_nsp_text(s->nsp), TEXT_NONE);
		sio_socket_close(s, SIO_REASON_SERVER_LEFT);
		return;
	}
	for (struct sio_socket *it = c->sockets; it != NULL; it = it->next)
		sio_disconnect(it, false);
	sio_client_close(c);
}

int
sio_set_data(sio_socket *s, const char *format, ...)
{
	struct sio_server *io = s->nsp->io;
	struct sio_stored *data = NULL;
	struct sio_scratch *scratch;
	va_list args;
	int rc;

	if (s->state == SIO_GONE)
		return SIO_ERR_STATE;
	scratch = sio_scratch_take(&io->turn);
	va_start(args, format);
	rc = sio_pack_data(&scratch->payload, format, args);
	va_end(args);
	if (rc == 0 && scratch->payload.json.len != 0)
		data = sio_stored_new(buffer_text(&scratch->payload.json), &scratch->payload.attachments);
	sio_scratch_give(&io->turn, scratch);
	if (rc != 0)
		return rc;
	sio_stored_free(sio_socket_extra(s)->data);
	s->extra->data = data;
	return 0;
}

sio_value
sio_data(const sio_socket *s)
{
	return s->extra != NULL ? sio_stored_value(s->extra->data) : sio_value_none();
}

void
sio_set_user(sio_socket *s, void *user)
{
	s->user = user;
	if (s->extra != NULL)
		s->extra->free_user = NULL;
}

int
sio_set_user_free(sio_socket *s, void *user, void (*fn)(void *pointer))
{
	if (s->state == SIO_GONE)
		return SIO_ERR_STATE;
	s->user = user;
	sio_socket_extra(s)->free_user = fn;
	return 0;
}

void *
sio_user(const sio_socket *s)
{
	return s->user;
}
