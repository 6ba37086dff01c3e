/*
 * How the messages of one session are handled.
 *
 *   message            state of the client                   action
 *   the first one      no parser yet                         decides on the parser, sio_client_choose_parser()
 *   undecodable        any                                   decode error
 *   CONNECT            not in that namespace                 sio_connect()
 *                      asked already, reply not read yet     ignored
 *                      in that namespace                     violation
 *   CONNECT_ERROR      any                                   violation
 *   any other packet   not in that namespace                 violation (BINARY_*: before the attachments)
 *   EVENT, ACK         in that namespace                     handled
 *   DISCONNECT         in that namespace                     the socket leaves, "client namespace disconnect"
 *
 * Decode error: the error listeners run, then the engine is closed; sockets get the engine's "forced close".
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
#include "node/socketio/sio_received.h"
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
	/* a client of revision 4 is in "/" without asking */
	if (c->parser->revision == 4)
		sio_connect(c, TEXT("/"), TEXT_NONE);
	return c;
}

static void
receive_run_upgrade_list(struct sio_listeners *listeners, struct sio_socket *s)
{
	SIO_RUN(listeners, &s->nsp->io->underway, s->nsp->name, "upgrade", sio_connection_fn, s);
}

static void
receive_run_upgrade(struct sio_socket *s)
{
	if (s->state != SIO_CONNECTED)
		return;
	sio_socket_announce(s);
	if (s->nsp->parent != NULL)
		receive_run_upgrade_list(&s->nsp->parent->upgrade, s);
	receive_run_upgrade_list(&s->nsp->upgrade, s);
}

void
sio_receive_upgrade(struct eio_session *session, void *owner)
{
	struct sio_client *c = owner;
	const struct sio_watcher *watcher = c->io->watcher;

	if (watcher != NULL && watcher->on_upgrade != NULL)
		watcher->on_upgrade(c->io->watcher_arg, session);
	/* listeners can only mark sockets as closed, so the list does not change while they run */
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next)
		receive_run_upgrade(s);
}

void
sio_receive_close(struct eio_session *session, void *owner, enum eio_close_reason reason, const char *description)
{
	struct sio_client *c = owner;

	const struct sio_watcher *watcher = c->io->watcher;

	c->closed = true;
	sio_held_orphan(&c->checks);
	while (c->sockets != NULL) {
		struct sio_socket *s = c->sockets;

		c->io->lost = s->state == SIO_CLOSING ? NULL : s; /* a closing socket leaves for an earlier reason */
		c->io->lost_details = description;
		sio_leave_now(s, SIO_REASON_ENGINE + (unsigned)reason);
	}
	c->io->lost = NULL;
	if (watcher != NULL && watcher->on_gone != NULL)
		watcher->on_gone(c->io->watcher_arg, session, eio_close_reason_text(reason));
	c->session = NULL;
	sio_client_free(c);
}

static struct sio_socket *
client_socket_in(const struct sio_client *c, struct text name)
{
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if ((s->state == SIO_CONNECTED || s->state == SIO_CLOSING) && text_is(sio_nsp_text(s->nsp), name))
			return s;
	}
	return NULL;
}

/*
 * A client may send CONNECT for a namespace twice at the same moment and want one socket. A stock client does so: its
 * manager opens, and the application connects the socket. The second CONNECT is ignored while the client cannot have
 * read a reply to the first; later it is a violation.
 */
static bool
receive_asked_already(const struct sio_client *c, const struct sio_socket *joined, struct text name)
{
	struct list *it, *next;

	if (joined != NULL)
		return joined->reply_fresh && !eio_mark_passed(c->session);
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

/* The owner of the namespace gets the event first. Returns false if listeners are not to get it. */
static bool
receive_offer_to_owner(struct sio_socket *s, const struct sio_packet *packet)
{
	const struct sio_nsp *nsp = s->nsp;
	struct sio_raw_event raw = {.json = packet->data,
		.name = packet->args[0],
		.attachments = packet->blocks,
		.wants_ack = packet->has_id,
		.id = packet->id};

	if (nsp->owner->on_event == NULL || nsp->owner->on_event(nsp->owner_arg, s, &raw))
		return s->state == SIO_CONNECTED;
	if (nsp->io->observer.on_owned_event != NULL)
		nsp->io->observer.on_owned_event(nsp->io->observer_arg, s, &raw);
	return false;
}

/* Returns TEXT_NONE if memory is short. */
static struct text
receive_name(struct sio_server *io, const struct sio_packet *packet)
{
	if (__builtin_expect(packet->values.at == NULL, 1))
		return sio_event_name_of(&io->name, packet->args[0]);
	buffer_reset(&io->name);
	buffer_add_text(&io->name, packet->name);
	buffer_add_byte(&io->name, '\0');
	return buffer_error(&io->name) == 0 ? text_of((const char *)io->name.data, packet->name.n) : TEXT_NONE;
}

/* Handles an EVENT with all its attachments. Makes up-calls. */
static void
receive_event(struct sio_socket *s, const struct sio_packet *packet)
{
	struct sio_nsp *nsp = s->nsp;
	struct sio_event stack = {.socket = s}, *event;
	struct sio_client *c = s->client;

	must(packet->argc >= 1);
	if (nsp->owner != NULL) {
		if (sio_received_write(nsp->io) != 0) {
			sio_client_no_memory(c);
			return;
		}
		if (!receive_offer_to_owner(s, packet))
			return;
	}
	stack.name = receive_name(nsp->io, packet);
	if (stack.name.at == NULL) {
		sio_client_no_memory(c);
		return;
	}
	event = sio_event_place(&stack);
	sio_born(SIO_AN_EVENT, event);
	event->io = nsp->io;
	sio_event_received(event, packet);
	event->wants_ack = packet->has_id;
	event->id = packet->id;
	sio_event_dispatch_any(event);
	if (sio_middleware_event(s, event))
		sio_event_dispatch(event);
	if (event->owner.no_memory)
		sio_client_no_memory(c);
	sio_event_done(event);
}

/* Handles the complete packet in io->packet. */
static void
receive_packet(struct sio_client *c)
{
	const struct sio_packet *packet = &c->io->packet;
	struct sio_socket *s = client_socket_in(c, packet->nsp);

	if (packet->type == SIO_CONNECT && receive_asked_already(c, s, packet->nsp))
		return;
	if (s != NULL) {
		s->reply_fresh = false; /* the client sends to this namespace, so it has read the reply */
		sio_socket_announce(s);
	}
	/*
	 * A socket that was disconnected ignores later packets until it has left, but a new CONNECT is accepted. The
	 * old socket leaves first, so that listeners see the two in order; in revision 4 both have the same id.
	 */
	if (s != NULL && s->state == SIO_CLOSING) {
		if (packet->type != SIO_CONNECT)
			return;
		sio_leave_now(s, s->reason);
		s = NULL;
	}
	if (packet->type == SIO_CONNECT && s == NULL) {
		sio_connect(c, packet->nsp, packet->data);
		return;
	}
	if (s == NULL || packet->type == SIO_CONNECT || packet->type == SIO_CONNECT_ERROR) {
		if (log_debug())
			sio_trace_violation(c->session, packet);
		sio_client_close(c);
		return;
	}
	switch (packet->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		receive_event(s, packet);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		if (sio_received_write(c->io) == 0)
			sio_ack_receive(s, packet);
		else
			sio_client_no_memory(c);
		break;
	case SIO_DISCONNECT:
		sio_leave_now(s, SIO_REASON_CLIENT_LEFT);
		break;
	default:
		must(!"a packet type");
	}
}

/* The packet waits for its attachments, which are accepted only in a namespace that the client has joined. */
static void
receive_partial_begun(struct sio_client *c)
{
	if (client_socket_in(c, c->io->packet.nsp) != NULL) {
		loop_arm(c->io->loop, &c->timer, SIO_ATTACHMENTS_MS);
		return;
	}
	if (log_debug())
		sio_trace_violation(c->session, &c->io->packet);
	sio_client_close(c);
}

static void
receive_decode_failed(struct sio_client *c, int error)
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
	const struct sio_parser *parser;
	struct sio_server *io = c->io;
	struct sio_partial *partial = c->partial;
	size_t held;
	int rc;

	if (c->closed)
		return;
	if (!c->parser_known)
		sio_client_choose_parser(c, binary);
	parser = c->parser;
	held = partial != NULL ? parser->held(partial) : 0;
	rc = parser->decode(&c->partial, binary, data, n, &io->limits, &io->packet);
	if (c->partial != NULL)
		eio_hold(session, (int64_t)parser->held(c->partial) - (int64_t)held);
	if (rc < 0) {
		if (log_debug())
			sio_trace_undecodable(c->session, io->packet.why, binary, data, n);
		receive_decode_failed(c, rc);
		return;
	}
	if (partial == NULL)
		counter_add(&io->loop->counters, COUNT_PACKETS_IN, 1);
	if (rc == 0) {
		if (partial == NULL)
			receive_partial_begun(c);
		return;
	}
	if (partial != NULL)
		loop_disarm(io->loop, &c->timer);
	/* the client may be freed while its packet is handled */
	partial = c->partial;
	c->partial = NULL;
	if (partial != NULL)
		eio_hold(session, -(int64_t)parser->held(partial));
	if (log_debug())
		sio_trace_in(c->session, &io->packet);
	io->serving = c;
	io->packet_parser = parser;
	receive_packet(c);
	io->serving = NULL;
	sio_received_end(io);
	if (partial != NULL)
		parser->forget(partial);
}
