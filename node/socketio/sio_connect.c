/*
 * How a client joins a namespace.
 *
 *   CONNECT packet   namespace known           middlewares
 *                    NUL in its name           CONNECT_ERROR "Invalid namespace"
 *                    without a parent yet  as unknown; see sio_of()
 *                    unknown, some parent      its pattern or function: middlewares, or "Invalid namespace"
 *                    unknown                   CONNECT_ERROR "Invalid namespace"
 *                    too many were refused     the client is closed
 *   middlewares      all passed                once the other nodes are heard (sio_arrival.h): the owner, or CONNECT
 *   the owner        it has one                on_connect(): sio_raw_accept() or sio_raw_refuse() (sio_owner.h)
 *   CONNECT                                    with the sid, then "connection" listeners
 *   meanwhile        one refused               CONNECT_ERROR; the engine stays open
 *                    the client went           nothing
 */
#include "node/socketio/sio_connect.h"

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_arrival.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_middleware.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_tables.h"
#include "node/socketio/sio_trace.h"

/* Notes that the reply to a CONNECT was just sent. What the mark of the engine stood for until now has its own note.
 */
static void
mark_reply(struct sio_socket *s)
{
	struct sio_client *c = s->client;

	for (struct sio_socket *other = c->sockets; eio_mark_passed(c->session) && other != NULL; other = other->next)
		other->reply_fresh = false;
	s->reply_fresh = true;
	eio_mark(c->session);
}

/* In the namespace, and the client knows it. False: it is on its way out. Makes no up-call but listeners of rooms. */
static bool
enter(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;
	struct sio_client *c = s->client;
	char reply[] = "{\"sid\":\"--------------------\"}"; /* the id goes where the dashes are */

	must(s->state == SIO_WAITING);
	if (!sio_client_open(c)) {
		sio_leave_drop(s);
		return false;
	}
	s->state = SIO_CONNECTED;
	s->unannounced = true;
	table_add(&nsp->sockets, &s->node, text_of(s->id, SIO_ID_LENGTH));
	list_add_tail(&nsp->connected, &s->link);
	nsp->count++;
	sio_client_joined(c);
	_Static_assert(sizeof reply - sizeof "{\"sid\":\"\"}" == SIO_ID_LENGTH, "one dash for each character");
	memcpy(reply + sizeof "{\"sid\":\"" - 1, s->id, SIO_ID_LENGTH);
	sio_client_send(c, SIO_CONNECT, sio_nsp_text(nsp), text_of(reply, sizeof reply - 1));
	mark_reply(s);
	/* its listeners may emit to the socket, or disconnect it: the reply comes first */
	sio_rooms_enter(s);
	return true;
}

static void
accept_now(struct sio_socket *s)
{
	if (enter(s))
		sio_socket_announce(s);
}

/* A socket whose "connection" listeners wait for the end of the turn. */
struct accepted {
	struct sio_held held; /* the socket's */
	struct sio_job job;
	struct sio_socket *socket;
};

static void
accepted_free(struct accepted *a)
{
	list_remove(&a->held.link);
	sio_job_cancel(&a->job);
	mem_free(a);
}

/* The socket went first, and its listeners have run. */
static void
accepted_orphan(struct sio_held *held)
{
	accepted_free(container_of(held, struct accepted, held));
}

static void
accepted_run(struct sio_job *job)
{
	struct accepted *a = container_of(job, struct accepted, job);
	struct sio_socket *s = a->socket;

	accepted_free(a);
	sio_socket_announce(s);
}

void
sio_connect_accept_later(struct sio_socket *s)
{
	const struct sio_nsp *nsp = s->nsp;
	struct accepted *a;

	if (!enter(s))
		return;
	if (sio_listeners_empty(&nsp->connection) &&
		(nsp->parent == NULL || sio_listeners_empty(&nsp->parent->connection))) {
		s->unannounced = false;
		return;
	}
	a = mem_alloc(sizeof *a);
	a->socket = s;
	sio_held_init(&a->held, accepted_orphan);
	list_add_tail(&sio_socket_extra(s)->held, &a->held.link);
	sio_job_init(&a->job, accepted_run);
	sio_turn_defer(&nsp->io->turn, &a->job);
}

void
sio_connect_refuse(struct sio_socket *s, const char *message, struct text data)
{
	struct sio_client *c = s->client;
	struct sio_nsp *nsp = s->nsp;

	/* the socket is freed at the end of the turn, so the name stays good */
	sio_leave_drop(s);
	sio_connect_error(c, sio_nsp_text(nsp), message, data);
}

/* Each refusal costs the server some work, a pattern or a middleware, and the client none: they are rationed. */
static bool
refused_too_often(struct sio_client *c)
{
	struct sio_server *io = c->io;

	counter_add(&io->loop->counters, COUNT_CONNECTS_REFUSED, 1);
	if (c->refused == 0 || io->loop->now - c->refused_since >= SIO_REFUSED_MS) {
		c->refused = 0;
		c->refused_since = io->loop->now;
	}
	if (++c->refused <= io->options.max_refused_connects)
		return false;
	counter_add(&io->loop->counters, COUNT_REFUSED_TOO_OFTEN, 1);
	sio_log_limit(&io->turn, "closed", eio_sid(c->session), "max-refused-connects");
	return true;
}

void
sio_connect_error(struct sio_client *c, struct text nsp, const char *message, struct text data)
{
	struct sio_scratch *scratch;
	struct buffer *out;

	if (!sio_client_open(c))
		return;
	if (log_debug())
		sio_trace_refused(c->session, nsp, message);
	if (refused_too_often(c)) {
		sio_client_close(c);
		return;
	}
	scratch = sio_scratch_take(&c->io->turn);
	out = &scratch->payload.json;
	buffer_add_text(out, TEXT("{\"message\":"));
	json_write_string(out, text_from(message));
	if (data.n != 0) {
		buffer_add_text(out, TEXT(",\"data\":"));
		buffer_add_text(out, data);
	}
	buffer_add_byte(out, '}');
	if (buffer_error(out) == 0)
		sio_client_send(c, SIO_CONNECT_ERROR, nsp, buffer_text(out));
	else
		sio_client_send(c, SIO_CONNECT_ERROR, nsp, TEXT("{\"message\":\"Refused\"}"));
	sio_scratch_give(&c->io->turn, scratch);
}

/* ---------------------------------------------------------------- the way */

/* The other nodes are heard: whoever answers for the namespace is asked. */
static void
admit(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	if (nsp->owner == NULL || nsp->owner->on_connect == NULL) {
		accept_now(s);
		return;
	}
	s->owner_asked = true;
	list_add_tail(&nsp->asking, &s->link);
	nsp->owner->on_connect(nsp->owner_arg, s, sio_handshake_auth(s));
}

static void
on_passed(struct sio_socket *s, const struct sio_step *refusal)
{
	if (refusal != NULL)
		sio_connect_refuse(s, sio_step_message(refusal), text_of(refusal->data, refusal->data_len));
	else if (!sio_arrival_waits(s, admit))
		admit(s);
}

static void
connect_to(struct sio_client *c, struct sio_nsp *nsp, struct text auth)
{
	struct sio_socket *s;

	if (!sio_client_open(c))
		return;
	s = sio_socket_new(c, nsp, auth);
	if (s != NULL)
		sio_middleware_connect(s, on_passed);
	else
		sio_client_no_memory(c);
}

static void
on_decided(struct sio_client *c, struct text name, struct sio_nsp *nsp, struct text auth, const char *refusal)
{
	if (nsp != NULL)
		connect_to(c, nsp, auth);
	else
		sio_connect_error(c, name, refusal != NULL ? refusal : "Invalid namespace", TEXT_NONE);
}

void
sio_connect(struct sio_client *c, struct text name, struct text auth)
{
	struct sio_nsp *nsp = sio_nsp_find(c->io, name);

	if (c->places >= c->io->options.max_namespaces) {
		sio_log_limit(&c->io->turn, "connect-refused", eio_sid(c->session), "max-namespaces");
		sio_connect_error(c, name, "Too many namespaces", TEXT_NONE);
		return;
	}
	/* to the application names are NUL-terminated: it would see another one than the client asked for */
	if (memchr(name.at, '\0', name.n) != NULL)
		sio_connect_error(c, name, "Invalid namespace", TEXT_NONE);
	else if (nsp != NULL && !nsp->unclaimed)
		connect_to(c, nsp, auth);
	else
		sio_parent_ask(c, name, auth, on_decided);
}
