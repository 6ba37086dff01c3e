/*
 * The life of a socket.
 *
 *   state          lists                        ends by
 *   WAITING        the client's                 middlewares or owner: CONNECTED, or dropped;
 *                                               the client goes: dropped
 *   CONNECTED      the client's, nsp->sockets,  sio_socket_close(): CLOSING, with a reason
 *                  nsp->connected
 *   CLOSING        the client's, nsp->sockets,  the end of this turn or of a later one, or the client goes
 *                  io->closing                  or connects again: DISCONNECTING (sio_leave.c)
 *   DISCONNECTING  the client's, nsp->sockets   "disconnecting" listeners have run: rooms are left, GONE
 *   GONE           io->gone                     "disconnect" listeners have run; freed at the end of the turn
 *
 * In CLOSING the socket is still in its rooms, but nothing is sent or received.
 *
 * sio_socket_close() only marks the socket. Its listeners run when no other listener runs, so a handler may
 * disconnect any socket at any time.
 */
#include "node/socketio/sio_socket.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_recovery_state.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"

struct sio_socket *
sio_socket_new(struct sio_client *c, struct sio_nsp *nsp, struct text auth)
{
	struct text sid = TEXT_NONE, prefix = TEXT_NONE;
	struct sio_socket *s;
	size_t id_len = SIO_ID_LENGTH;
	struct block *copy = NULL;

	if (auth.n > 2) { /* not {} */
		copy = block_try_copy(auth.at, auth.n);
		if (copy == NULL)
			return NULL;
	}
	if (c->parser->revision == 4) {
		sid = eio_sid(c->session);
		prefix = text_is(sio_nsp_text(nsp), TEXT("/")) ? TEXT_NONE : sio_nsp_text(nsp);
		id_len = prefix.n + (prefix.n != 0) + sid.n;
	}
	s = mem_zalloc(sizeof *s + id_len + 1);
	sio_born(SIO_A_SOCKET, s);
	list_init(&s->link);
	list_init(&s->rooms);
	s->nsp = nsp;
	s->client = c;
	s->state = SIO_WAITING;
	s->issued = loop_wall_ms();
	s->id_len = (uint16_t)id_len;
	if (sid.n != 0)
		snprintf(s->id, id_len + 1, "%.*s%s%.*s", (int)prefix.n, prefix.n != 0 ? prefix.at : "",
			prefix.n != 0 ? "#" : "", (int)sid.n, sid.at);
	else
		random_id(s->id, SIO_ID_LENGTH);
	if (copy != NULL) {
		s->auth = copy;
		sio_client_hold(c, (int64_t)auth.n);
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
		table_init(&s->extra->events);
		list_init(&s->extra->held);
	}
	return s->extra;
}

void
sio_socket_set_data(struct sio_socket *s, struct sio_stored *data)
{
	struct sio_extra *extra = sio_socket_extra(s);

	sio_client_hold(s->client, (int64_t)sio_stored_size(data) - (int64_t)sio_stored_size(extra->data));
	sio_stored_unref(extra->data);
	extra->data = data;
	if (s->session != NULL && s->session->log->touched != NULL)
		s->session->log->touched(s->session);
	if (s->nsp->io->observer.on_data != NULL && s->state == SIO_CONNECTED)
		s->nsp->io->observer.on_data(s->nsp->io->observer_arg, s);
}

bool
sio_socket_open(const struct sio_socket *s)
{
	return (s->state == SIO_WAITING || s->state == SIO_CONNECTED) && sio_client_open(s->client);
}

void
sio_socket_close(struct sio_socket *s, unsigned reason)
{
	struct sio_server *io = s->nsp->io;

	if (s->state != SIO_CONNECTED)
		return;
	if (s->session != NULL) {
		if (s->extra != NULL && s->extra->joins != NULL)
			io->joins_leaving(s);
		sio_recovery_session_deaf(s->session);
	}
	s->state = SIO_CLOSING;
	s->reason = (uint8_t)reason;
	s->nsp->count--;
	list_remove(&s->link);
	list_add_tail(&io->closing, &s->link);
	sio_turn_defer(&io->turn, &io->closing_job);
}

static void
socket_run_connection(struct sio_listeners *listeners, struct sio_socket *s)
{
	SIO_RUN(listeners, &s->nsp->io->underway, s->nsp->name, "connection", sio_connection_fn, s);
}

void
sio_socket_announce(struct sio_socket *s)
{
	const struct sio_server *io = s->nsp->io;

	if (!s->unannounced)
		return;
	s->unannounced = false;
	if (io->observer.on_connection != NULL)
		io->observer.on_connection(io->observer_arg, s);
	if (s->nsp->parent != NULL)
		socket_run_connection(&s->nsp->parent->connection, s);
	socket_run_connection(&s->nsp->connection, s);
}

static void
socket_run_error(struct sio_listeners *listeners, struct sio_socket *s, const char *message)
{
	SIO_RUN(listeners, &s->nsp->io->underway, s->nsp->name, "error", sio_error_fn, s, message);
}

void
sio_socket_error(struct sio_socket *s, const char *message)
{
	if (s->state != SIO_CONNECTED)
		return;
	sio_socket_announce(s);
	if (s->nsp->parent != NULL)
		socket_run_error(&s->nsp->parent->error, s, message);
	socket_run_error(&s->nsp->error, s, message);
}

void
sio_socket_waits(struct sio_socket *s, size_t bytes)
{
	struct sio_extra *extra = sio_socket_extra(s);
	struct sio_server *io = s->nsp->io;

	extra->waiting++;
	extra->waiting_bytes += bytes;
	if (s->client != NULL)
		sio_client_hold(s->client, (int64_t)bytes);
	if (extra->waiting <= io->options.max_pending_acks &&
		extra->waiting_bytes <= SIO_WAITING_BYTES * io->max_payload)
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
	if (s->client != NULL)
		sio_client_hold(s->client, -(int64_t)bytes);
}

/* ----------------------------------------------------------------- public */

const char *
sio_id(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->id;
}

struct sio_socket *
sio_socket_find(const struct sio_nsp *nsp, struct text id)
{
	struct table_node *n = id.n != 0 ? table_find(&nsp->sockets, id) : NULL;
	struct sio_socket *s = n != NULL ? container_of(n, struct sio_socket, node) : NULL;

	return s != NULL && sio_connected(s) ? s : NULL;
}

sio_socket *
sio_find(const sio_nsp *nsp, const char *id)
{
	SIO_NEEDS(SIO_A_NSP, nsp, NULL);
	return sio_is_pointer(id) ? sio_socket_find(nsp, text_from(id)) : NULL;
}

sio_nsp *
sio_socket_nsp(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->nsp;
}

sio_server *
sio_socket_server(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->nsp->io;
}

bool
sio_connected(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	/* as in Node.js: still true in "disconnecting" */
	return s->state == SIO_CONNECTED || s->state == SIO_DISCONNECTING;
}

const char *
sio_transport(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->client != NULL && s->client->session != NULL ? eio_transport(s->client->session) : "";
}

void
sio_disconnect(sio_socket *s, bool close)
{
	SIO_NEEDS(SIO_A_SOCKET, s, );
	struct sio_client *c = s->client;

	if (s->owner_accepted) {
		s->ends = true;
		s->ends_client |= close;
	}
	if (s->state != SIO_CONNECTED)
		return;
	if (!close) {
		sio_client_send(c, SIO_DISCONNECT, sio_nsp_text(s->nsp), TEXT_NONE);
		sio_socket_close(s, SIO_REASON_SERVER_LEFT);
		return;
	}
	for (struct sio_socket *other = c->sockets; other != NULL; other = other->next)
		sio_disconnect(other, false);
	sio_client_close(c);
}

void
sio_set_user(sio_socket *s, void *user)
{
	SIO_NEEDS(SIO_A_SOCKET, s, );
	s->user = user;
	if (s->extra != NULL)
		s->extra->free_user = NULL;
}

int
sio_set_user_free(sio_socket *s, void *user, void (*fn)(void *pointer))
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	if (s->state == SIO_GONE)
		return SIO_ERR_STATE;
	s->user = user;
	sio_socket_extra(s)->free_user = fn;
	return 0;
}

void *
sio_user(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	return s->user;
}
