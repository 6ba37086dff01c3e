/*
 * A client: what the engine's messages of one session mean.
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
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_tables.h"

bool
sio_client_open(const struct sio_client *c)
{
	return !c->closed && c->session != NULL && eio_is_open(c->session);
}

static void
timer_fired(struct wheel_entry *entry)
{
	struct sio_client *c = container_of(entry, struct sio_client, timer);

	if (c->partial != NULL)
		sio_client_failed(c, "attachments did not come in time");
	else
		sio_client_close(c);
}

void *
sio_client_on_open(void *arg, struct eio_session *session)
{
	struct sio_server *io = arg;
	struct sio_client *c = mem_zalloc(sizeof *c);

	io->served = true;
	c->io = io;
	c->session = session;
	c->parser = &sio_parser_json;
	list_init(&c->checks);
	wheel_entry_init(&c->timer, timer_fired);
	loop_arm(io->loop, &c->timer, io->options.connect_timeout);
	return c;
}

void
sio_client_joined(struct sio_client *c)
{
	if (c->joined)
		return;
	c->joined = true;
	loop_disarm(c->io->loop, &c->timer);
}

void
sio_client_put(struct sio_client *c, struct sio_outgoing *out, bool droppable)
{
	struct counters *counters = &c->io->loop->counters;
	const struct sio_encoding *encoded;

	if (!sio_client_open(c))
		return;
	if (droppable && !eio_writable(c->session)) {
		counter_add(counters, COUNT_VOLATILE_DROPPED, 1);
		return;
	}
	encoded = sio_outgoing_for(out, c->parser);
	counter_add(counters, COUNT_PACKETS_OUT, 1);
	eio_send(c->session, encoded->messages, encoded->count);
}

void
sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json)
{
	struct sio_scratch *scratch = sio_scratch_take(&c->io->turn);
	struct sio_outgoing out;

	/* the server's own packets are small, and a refusal's data has been limited */
	out.packet = (struct sio_packet_out){.type = type, .nsp = nsp, .json = json};
	(void)sio_outgoing_init(&out, &c->io->out_limits, &scratch->head, true);
	sio_client_put(c, &out, false);
	sio_outgoing_fini(&out);
	sio_scratch_give(&c->io->turn, scratch);
}

static void
partial_free(struct sio_client *c)
{
	c->parser->forget(c->partial);
	c->partial = NULL;
}

/* Nothing more is read; the engine's on_close comes at the end of the turn or later. */
static void
stop(struct sio_client *c)
{
	eio_close(c->session, false);
	c->closed = true;
	loop_disarm(c->io->loop, &c->timer);
	partial_free(c);
}

void
sio_client_end(struct sio_client *c, unsigned reason)
{
	if (c->closed || c->session == NULL)
		return;
	stop(c);
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next)
		sio_socket_close(s, reason);
}

void
sio_client_close(struct sio_client *c)
{
	sio_client_end(c, SIO_REASON_SERVER_CLOSED);
}

void
sio_client_failed(struct sio_client *c, const char *message)
{
	if (c->closed)
		return;
	counter_add(&c->io->loop->counters, COUNT_DECODE_ERRORS, 1);
	/* listeners may only mark sockets: the list stays as it is while they run */
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next)
		sio_socket_error(s, message);
	if (!c->closed)
		stop(c);
}

void
sio_client_on_close(struct eio_session *session, void *owner, enum eio_close_reason reason, const char *description)
{
	struct sio_client *c = owner;

	(void)session;
	(void)description;
	c->closed = true;
	loop_disarm(c->io->loop, &c->timer);
	partial_free(c);
	while (!list_empty(&c->checks))
		sio_step_orphan(container_of(c->checks.next, struct sio_step, owned));
	while (c->sockets != NULL)
		sio_socket_close_now(c->sockets, SIO_REASON_ENGINE + (unsigned)reason);
	c->session = NULL;
	mem_free(c);
}

/* --------------------------------------------------------------- messages */

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
		return in->reply_fresh && !eio_all_sent(c->session);
	for (const struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if (s->state == SIO_WAITING && text_is(sio_nsp_text(s->nsp), name))
			return true;
	}
	list_each(it, next, &c->checks)
	{
		if (text_is(container_of(it, struct sio_step, owned)->nsp, name))
			return true;
	}
	return false;
}

/* A whole packet, in io->packet. */
static void
dispatch(struct sio_client *c)
{
	const struct sio_packet *p = &c->io->packet;
	struct sio_socket *s = socket_in(c, p->nsp);

	if (p->type == SIO_CONNECT && asked_already(c, s, p->nsp))
		return;
	if (s != NULL)
		s->reply_fresh = false; /* whatever it sends next to this namespace, it has read the reply */
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
		sio_client_close(c);
		return;
	}
	switch (p->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		sio_event_receive(s, p, p->blocks);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		sio_ack_receive(s, p, p->blocks);
		break;
	case SIO_DISCONNECT:
		sio_socket_close_now(s, SIO_REASON_CLIENT_LEFT);
		break;
	default:
		must(!"a packet type");
	}
}

/* A packet misses attachments. Nobody may hoard them without a namespace that the middlewares let them into. */
static void
partial_begun(struct sio_client *c)
{
	if (socket_in(c, c->io->packet.nsp) == NULL)
		sio_client_close(c);
	else
		loop_arm(c->io->loop, &c->timer, SIO_ATTACHMENTS_MS);
}

static void
decode_failed(struct sio_client *c, int error)
{
	if (error == ERROR_TOO_BIG && c->partial != NULL)
		sio_log_limit(&c->io->turn, "closed", eio_sid(c->session), "bytes of attachments");
	sio_client_failed(c, c->io->packet.why);
}

void
sio_client_on_message(struct eio_session *session, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct sio_client *c = owner;
	const struct sio_parser *parser = c->parser;
	struct sio_server *io = c->io;
	struct sio_partial *partial = c->partial;
	int rc;

	(void)session;
	if (c->closed)
		return;
	rc = parser->decode(&c->partial, binary, data, n, &io->limits, &io->packet);
	if (rc < 0) {
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
	dispatch(c);
	if (partial != NULL)
		parser->forget(partial);
}
