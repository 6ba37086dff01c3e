/*
 * How a client joins a namespace.
 *
 *   step            case                       next
 *   CONNECT packet  name contains NUL          CONNECT_ERROR "Invalid namespace"
 *                   namespace is known         middlewares
 *                   known but unclaimed        as for an unknown namespace; see sio_of()
 *                   unknown, parents exist     they decide: middlewares, or CONNECT_ERROR "Invalid namespace"
 *                   unknown                    CONNECT_ERROR "Invalid namespace"
 *                   too many refusals          the client is closed
 *   middlewares     all passed                 waits until other nodes are subscribed (sio_arrival.h); then the
 *                                              owner, or CONNECT if the namespace has no owner
 *   owner           on_connect() was called    sio_raw_accept() or sio_raw_refuse() (sio_owner.h)
 *   accepted        recovered                  the missed events; if they are gone, middlewares for a new socket
 *   CONNECT         joined                     reply with the sid, then "connection" listeners
 *   any             refused                    CONNECT_ERROR; the engine stays open
 *   any             the client left            nothing
 */
#include "node/socketio/sio_connect.h"

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_arrival.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_middleware.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stream_state.h"
#include "node/socketio/sio_tables.h"
#include "node/socketio/sio_trace.h"

/*
 * Notes that the reply to a CONNECT is queued but not sent. The engine has one mark per session: if it has passed,
 * the replies noted before have been sent, so their notes are cleared.
 */
static void
connect_mark_reply(struct sio_socket *s)
{
	struct sio_client *c = s->client;

	for (struct sio_socket *other = c->sockets; eio_mark_passed(c->session) && other != NULL; other = other->next)
		other->reply_fresh = false;
	s->reply_fresh = true;
	eio_mark(c->session);
}

#define CONNECT_REPLY_MAX (SIO_ID_LENGTH + SIO_PID_LENGTH + 24)

/* Writes {"sid":...}, or {"sid":...,"pid":...} if the session of the socket can be recovered. */
static struct text
connect_write_reply(const struct sio_socket *s, char reply[CONNECT_REPLY_MAX])
{
	char *at = mempcpy(mempcpy(reply, "{\"sid\":\"", 8), s->id, SIO_ID_LENGTH);

	if (s->session != NULL)
		at = mempcpy(mempcpy(at, "\",\"pid\":\"", 9), s->session->pid, s->session->pid_n);
	at = mempcpy(at, "\"}", 2);
	return text_of(reply, (size_t)(at - reply));
}

/*
 * The socket enters the namespace and its client gets the reply. Returns false if the client is closing. Makes no
 * up-call except to listeners of rooms.
 */
static bool
connect_enter(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;
	struct sio_client *c = s->client;
	char reply[CONNECT_REPLY_MAX];

	must(s->state == SIO_WAITING);
	if (!sio_client_open(c)) {
		sio_leave_drop(s);
		return false;
	}
	if (sio_recovery_on(nsp))
		sio_recovery_enter(s);
	s->state = SIO_CONNECTED;
	s->unannounced = true;
	table_add(&nsp->sockets, &s->node, sio_socket_id_text(s));
	list_add_tail(&nsp->connected, &s->link);
	nsp->count++;
	sio_client_joined(c);
	sio_client_send(c, SIO_CONNECT, sio_nsp_text(nsp), connect_write_reply(s, reply));
	connect_mark_reply(s);
	/* listeners of rooms may emit to the socket or disconnect it, so the reply is queued first */
	sio_rooms_enter(s);
	return true;
}

/*
 * Sends the events that a recovered socket missed. Returns true if they come from the hub or from a stream: then
 * `then` is called later. The socket may be a new one afterwards, and its client may be closing.
 */
static bool
connect_replays(struct sio_socket *s, void (*then)(struct sio_socket *s))
{
	if (!sio_recovery_on(s->nsp) || !sio_client_open(s->client))
		return false;
	if (sio_stream_of(s->nsp) != NULL)
		return s->nsp->io->recovery->stream->ops->replay(s, then);
	if (s->nsp->io->recovery->keep != NULL)
		return sio_keep_replay(s, then);
	sio_recovery_replay(s);
	return false;
}

static void connect_on_passed(struct sio_socket *s, const struct sio_step *refusal);

/*
 * Another socket may have the id of a recovered one only if somebody else has written to the place where sessions are
 * kept. Two sockets with one id are not possible, so the client is closed.
 */
static void
connect_check_id(const struct sio_socket *s)
{
	if (s->recovered && table_find(&s->nsp->sockets, sio_socket_id_text(s)) != NULL)
		sio_client_close(s->client);
}

/*
 * If the missed events are gone, the socket is a new one, without the data and the rooms of the session. The
 * middlewares have not seen it, or they have seen a recovered one.
 */
static void
connect_accept_now(struct sio_socket *s)
{
	if (connect_replays(s, connect_accept_now))
		return;
	if (s->was_recovered && !s->recovered && sio_client_open(s->client)) {
		s->was_recovered = false;
		sio_middleware_connect(s, connect_on_passed);
		return;
	}
	connect_check_id(s);
	if (connect_enter(s))
		sio_socket_announce(s);
}

static void connect_ask_anew(struct sio_socket *s);

/* A socket whose "connection" listeners wait for the end of the turn. */
struct accepted {
	struct sio_held held; /* the socket's */
	struct sio_job job;
	struct sio_socket *socket;
};

static void
accepted_free(struct accepted *accepted)
{
	list_remove(&accepted->held.link);
	sio_job_cancel(&accepted->job);
	mem_free(accepted);
}

/* The socket has left before the job ran. Its "connection" listeners ran when it left. */
static void
accepted_orphan(struct sio_held *held)
{
	accepted_free(container_of(held, struct accepted, held));
}

static void
connect_announce_later_run(struct sio_job *job)
{
	struct accepted *accepted = container_of(job, struct accepted, job);
	struct sio_socket *s = accepted->socket;

	accepted_free(accepted);
	sio_socket_announce(s);
}

/* The "connection" listeners run at the end of the turn. */
static void
connect_announce_later(struct sio_socket *s)
{
	const struct sio_nsp *nsp = s->nsp;
	struct accepted *accepted;

	if (nsp->io->observer.on_connection == NULL && sio_listeners_empty(&nsp->connection) &&
		(nsp->parent == NULL || sio_listeners_empty(&nsp->parent->connection))) {
		s->unannounced = false;
		return;
	}
	accepted = mem_alloc(sizeof *accepted);
	accepted->socket = s;
	sio_held_init(&accepted->held, accepted_orphan);
	list_add_tail(&sio_socket_extra(s)->held, &accepted->held.link);
	sio_job_init(&accepted->job, connect_announce_later_run);
	sio_turn_defer(&nsp->io->turn, &accepted->job);
}

static void
connect_accept_replayed(struct sio_socket *s)
{
	bool ends = s->ends, ends_client = s->ends_client;

	s->owner_accepted = s->ends = s->ends_client = false;
	if (s->was_recovered && !s->recovered) {
		connect_ask_anew(s);
		return;
	}
	connect_check_id(s);
	if (!sio_client_open(s->client)) {
		sio_leave_drop(s); /* calls the owner, because owner_asked is set */
		return;
	}
	s->owner_asked = false;
	list_remove(&s->link);
	if (!connect_enter(s))
		return;
	connect_announce_later(s);
	if (ends)
		sio_disconnect(s, ends_client);
}

void
sio_connect_accept_later(struct sio_socket *s)
{
	s->owner_accepted = true;
	if (!connect_replays(s, connect_accept_replayed))
		connect_accept_replayed(s);
}

void
sio_connect_restart(struct sio_socket *s)
{
	sio_recovery_reject(s);
	connect_ask_anew(s);
}

/*
 * A refused CONNECT costs the server a pattern match or a middleware call, and costs the client almost nothing. So
 * refusals are limited.
 */
static bool
connect_refused_too_often(struct sio_client *c)
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

/*
 * The payload of CONNECT_ERROR. Revision 4 has the data of a refusal or, without data, its message; but an error of
 * the server itself has the form of revision 5 for all clients.
 */
static void
connect_write_error(struct buffer *out, const char *message, struct text data, unsigned revision)
{
	if (revision == 4) {
		if (data.n != 0)
			buffer_add_text(out, data);
		else
			json_write_string(out, text_from(message));
		return;
	}
	buffer_add_text(out, TEXT("{\"message\":"));
	json_write_string(out, text_from(message));
	if (data.n != 0) {
		buffer_add_text(out, TEXT(",\"data\":"));
		buffer_add_text(out, data);
	}
	buffer_add_byte(out, '}');
}

static void
connect_error_as(struct sio_client *c, struct text nsp, const char *message, struct text data, unsigned revision)
{
	struct sio_scratch *scratch;
	struct buffer *out;

	if (!sio_client_open(c))
		return;
	if (log_debug())
		sio_trace_refused(c->session, nsp, message);
	if (connect_refused_too_often(c)) {
		sio_client_close(c);
		return;
	}
	scratch = sio_scratch_take(&c->io->turn);
	out = &scratch->payload.json;
	connect_write_error(out, message, data, revision);
	if (buffer_error(out) == 0)
		sio_client_send(c, SIO_CONNECT_ERROR, nsp, buffer_text(out));
	else
		sio_client_send(c, SIO_CONNECT_ERROR, nsp, TEXT("{\"message\":\"Refused\"}"));
	sio_scratch_give(&c->io->turn, scratch);
}

void
sio_connect_error(struct sio_client *c, struct text nsp, const char *message, struct text data)
{
	connect_error_as(c, nsp, message, data, 5);
}

void
sio_connect_refuse(struct sio_socket *s, const char *message, struct text data)
{
	struct sio_client *c = s->client;
	struct sio_nsp *nsp = s->nsp;

	/* the socket is freed at the end of the turn, so the name stays valid until then */
	sio_leave_drop(s);
	connect_error_as(c, sio_nsp_text(nsp), message, data, c->parser->revision);
}

/* ------------------------------------------------------------------- steps */

/* The other nodes are subscribed. Asks the owner of the namespace, if it has one. */
static void
connect_admit(struct sio_socket *s)
{
	struct sio_nsp *nsp = s->nsp;

	s->was_recovered = s->recovered;
	if (nsp->owner == NULL || nsp->owner->on_connect == NULL) {
		connect_accept_now(s);
		return;
	}
	s->owner_asked = true;
	list_add_tail(&nsp->asking, &s->link);
	nsp->owner->on_connect(nsp->owner_arg, s, sio_handshake_auth(s));
}

static void
connect_on_passed(struct sio_socket *s, const struct sio_step *refusal)
{
	if (refusal != NULL)
		sio_connect_refuse(s, sio_step_message(refusal), text_of(refusal->data, refusal->data_len));
	else if (!sio_arrival_waits(s, connect_admit))
		connect_admit(s);
}

/*
 * The owner was asked about a recovered socket, which has become a new one. For the owner the first one has left, and
 * the new one passes the middlewares and is asked about anew.
 */
static void
connect_ask_anew(struct sio_socket *s)
{
	const struct sio_nsp *nsp = s->nsp;
	bool open = sio_client_open(s->client);

	s->owner_asked = s->owner_accepted = false;
	list_remove(&s->link);
	if (nsp->owner != NULL && nsp->owner->on_closed != NULL)
		nsp->owner->on_closed(nsp->owner_arg, s, NULL, !open);
	if (open)
		sio_middleware_connect(s, connect_on_passed);
	else
		sio_leave_drop(s);
}

/* Makes the socket. It continues the session; NULL: it is a new one. */
static void
connect_socket(struct sio_client *c, struct sio_nsp *nsp, struct text auth, struct sio_recovery_session *session)
{
	struct sio_socket *s;

	/* a listener of the socket that had the session may have closed this client */
	s = sio_client_open(c) ? sio_socket_new(c, nsp, auth) : NULL;
	if (s == NULL) {
		if (session != NULL)
			sio_recovery_unclaim(session);
		sio_client_no_memory(c);
		return;
	}
	if (session != NULL && sio_recovery_attach(s, session) && nsp->io->options.skip_middlewares)
		connect_on_passed(s, NULL);
	else
		sio_middleware_connect(s, connect_on_passed);
}

static void
connect_to_nsp(struct sio_client *c, struct sio_nsp *nsp, struct text auth)
{
	if (!sio_client_open(c))
		return;
	if (!sio_recovery_on(nsp) || !sio_recovery_claim(c, nsp, auth, connect_socket))
		connect_socket(c, nsp, auth, NULL);
}

static void
connect_on_decided(struct sio_client *c, struct text name, struct sio_nsp *nsp, struct text auth, const char *refusal)
{
	if (nsp != NULL)
		connect_to_nsp(c, nsp, auth);
	else
		sio_connect_error(c, name, refusal != NULL ? refusal : "Invalid namespace", TEXT_NONE);
}

void
sio_connect(struct sio_client *c, struct text name, struct text auth)
{
	struct sio_nsp *nsp = sio_nsp_find(c->io, name);

	if (c->places >= c->io->options.max_namespaces) {
		sio_log_limit(&c->io->turn, "connect_refused", eio_sid(c->session), "max-namespaces");
		sio_connect_error(c, name, "Too many namespaces", TEXT_NONE);
		return;
	}
	/* the application gets NUL-terminated names: it would see another name than the client sent */
	if (name.n == 0 || *name.at != '/' || memchr(name.at, '\0', name.n) != NULL)
		sio_connect_error(c, name, "Invalid namespace", TEXT_NONE);
	else if (nsp != NULL && !nsp->unclaimed)
		connect_to_nsp(c, nsp, auth);
	else
		sio_parent_ask(c, name, auth, connect_on_decided);
}
