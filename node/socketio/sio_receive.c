/*
 * What the engine's messages of one session mean.
 *
 *   message            when                                  what
 *   text               a binary packet is incomplete         decode error
 *   binary             none is incomplete                    decode error
 *   undecodable                                              decode error
 *   CONNECT            not in that namespace                 sio_connect()
 *   CONNECT            asked for it, no reply has left       ignored
 *   CONNECT            in it                                 violation
 *   CONNECT_ERROR                                            violation
 *   any other          not in that namespace                 violation (BINARY_ ones before their attachments)
 *   EVENT, ACK         in it                                 handled
 *   DISCONNECT         in it                                 "client namespace disconnect"
 *
 * Decode error: error listeners, then the engine is closed; sockets get the engine's "forced close".
 * Violation: the engine is closed; sockets get "forced server close".
 */
#include "node/socketio/sio_receive.h"

#include "common/base/error.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_connect.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_middleware.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_tables.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_trace.h"

void *
sio_receive_open(void *arg, struct eio_session *session)
{
	struct sio_server *io = arg;
	struct sio_client *c = sio_client_new(io, session);

	if (io->watcher != NULL && io->watcher->on_open != NULL)
		io->watcher->on_open(io->watcher_arg, session, eio_ticket(io->engine));
	return c;
}

void
sio_receive_upgrade(struct eio_session *session, void *owner)
{
	struct sio_client *c = owner;
	const struct sio_watcher *watcher = c->io->watcher;

	if (watcher != NULL && watcher->on_upgrade != NULL)
		watcher->on_upgrade(c->io->watcher_arg, session);
}

void
sio_receive_close(struct eio_session *session, void *owner, enum eio_close_reason reason, const char *description)
{
	struct sio_client *c = owner;

	const struct sio_watcher *watcher = c->io->watcher;

	(void)description;
	c->closed = true;
	sio_held_orphan(&c->checks);
	while (c->sockets != NULL)
		sio_leave_now(c->sockets, SIO_REASON_ENGINE + (unsigned)reason);
	if (watcher != NULL && watcher->on_gone != NULL)
		watcher->on_gone(c->io->watcher_arg, session, eio_close_reason_text(reason));
	c->session = NULL;
	sio_client_free(c);
}

static struct sio_socket *
socket_in(const struct sio_client *c, struct text name)
{
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if ((s->state == SIO_CONNECTED || s->state == SIO_CLOSING) && text_is(sio_nsp_text(s->nsp), name))
			return s;
	}
	return NULL;
}

/*
 * A client that opens a namespace twice at the same moment (a stock one does: its manager opens, and its owner
 * connects the socket) asks for one socket. The second CONNECT is ignored as long as the client cannot have read a
 * reply to the first; afterwards it is a violation.
 */
static bool
asked_already(const struct sio_client *c, const struct sio_socket *in, struct text name)
{
	struct list *it, *next;

	if (in != NULL)
		return in->reply_fresh && !eio_mark_passed(c->session);
	for (const struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if (s->state == SIO_WAITING && text_is(sio_nsp_text(s->nsp), name))
			return true;
	}
	list_each(it, next, &c->checks)
	{
		if (text_is(container_of(it, struct sio_step, held.link)->nsp, name))
			return true;
	}
	return false;
}

/* The owner of the namespace hears it first, as it came. False: and nobody else does. */
static bool
offer_to_owner(struct sio_socket *s, const struct sio_packet *packet)
{
	const struct sio_nsp *nsp = s->nsp;
	struct sio_raw_event raw = {.json = packet->data,
		.name = packet->args[0],
		.attachments = packet->blocks,
		.wants_ack = packet->has_id,
		.id = packet->id};

	if (nsp->owner->on_event == NULL || nsp->owner->on_event(nsp->owner_arg, s, &raw))
		return s->state == SIO_CONNECTED;
	return false;
}

/* An EVENT with all of its attachments. Makes up-calls. */
static void
on_event(struct sio_socket *s, const struct sio_packet *packet)
{
	struct sio_nsp *nsp = s->nsp;
	struct sio_event stack = {.socket = s}, *e;
	struct sio_client *c = s->client;

	must(packet->argc >= 1);
	if (nsp->owner != NULL && !offer_to_owner(s, packet))
		return;
	stack.name = sio_event_name_of(&nsp->io->name, packet->args[0]);
	if (stack.name.at == NULL) {
		sio_client_no_memory(c);
		return;
	}
	e = sio_event_place(&stack);
	sio_born(SIO_AN_EVENT, e);
	e->io = nsp->io;
	e->args = packet->args + 1;
	sio_value_owner_init(&e->owner, packet->data, packet->blocks);
	e->list = sio_args_make(e->args, packet->argc - 1, &e->owner);
	e->wants_ack = packet->has_id;
	e->id = packet->id;
	sio_event_dispatch_any(e);
	if (sio_middleware_event(s, e))
		sio_event_dispatch(e);
	if (e->owner.no_memory)
		sio_client_no_memory(c);
	sio_event_done(e);
}

/* A whole packet, in io->packet. */
static void
dispatch(struct sio_client *c)
{
	const struct sio_packet *p = &c->io->packet;
	struct sio_socket *s = socket_in(c, p->nsp);

	if (p->type == SIO_CONNECT && asked_already(c, s, p->nsp))
		return;
	if (s != NULL) {
		s->reply_fresh = false; /* whatever it sends next to this namespace, it has read the reply */
		sio_socket_announce(s);
	}
	/* one that was disconnected this turn drops what was under way, but makes room for a new CONNECT */
	if (s != NULL && s->state == SIO_CLOSING) {
		if (p->type != SIO_CONNECT)
			return;
		s = NULL;
	}
	if (p->type == SIO_CONNECT && s == NULL) {
		sio_connect(c, p->nsp, p->data);
		return;
	}
	if (s == NULL || p->type == SIO_CONNECT || p->type == SIO_CONNECT_ERROR) {
		if (log_debug())
			sio_trace_violation(c->session, p);
		sio_client_close(c);
		return;
	}
	switch (p->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		on_event(s, p);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		sio_ack_receive(s, p);
		break;
	case SIO_DISCONNECT:
		sio_leave_now(s, SIO_REASON_CLIENT_LEFT);
		break;
	default:
		must(!"a packet type");
	}
}

/* A packet misses attachments. Nobody may hoard them without a namespace that the middlewares let them into. */
static void
partial_begun(struct sio_client *c)
{
	if (socket_in(c, c->io->packet.nsp) != NULL) {
		loop_arm(c->io->loop, &c->timer, SIO_ATTACHMENTS_MS);
		return;
	}
	if (log_debug())
		sio_trace_violation(c->session, &c->io->packet);
	sio_client_close(c);
}

static void
decode_failed(struct sio_client *c, int error)
{
	if (error == ERROR_MEMORY)
		loop_count_no_memory(c->io->loop);
	if (error == ERROR_TOO_BIG && c->partial != NULL)
		sio_log_limit(&c->io->turn, "closed", eio_sid(c->session), "bytes of attachments");
	sio_client_failed(c, c->io->packet.why);
}

void
sio_receive_message(struct eio_session *session, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct sio_client *c = owner;
	const struct sio_parser *parser = c->parser;
	struct sio_server *io = c->io;
	struct sio_partial *partial = c->partial;
	size_t held;
	int rc;

	if (c->closed)
		return;
	held = partial != NULL ? parser->held(partial) : 0;
	rc = parser->decode(&c->partial, binary, data, n, &io->limits, &io->packet);
	if (c->partial != NULL)
		eio_hold(session, (int64_t)parser->held(c->partial) - (int64_t)held);
	if (rc < 0) {
		if (log_debug())
			sio_trace_undecodable(c->session, io->packet.why, binary, data, n);
		decode_failed(c, rc);
		return;
	}
	if (partial == NULL)
		counter_add(&io->loop->counters, COUNT_PACKETS_IN, 1);
	if (rc == 0) {
		if (partial == NULL)
			partial_begun(c);
		return;
	}
	if (partial != NULL)
		loop_disarm(io->loop, &c->timer);
	/* the client may go while its packet is handled */
	partial = c->partial;
	c->partial = NULL;
	if (partial != NULL)
		eio_hold(session, -(int64_t)parser->held(partial));
	if (log_debug())
		sio_trace_in(c->session, &io->packet);
	dispatch(c);
	if (partial != NULL)
		parser->forget(partial);
}
