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

/* A binary packet that misses attachments. Its text is parsed again once they are there: no tree is kept. */
struct sio_partial {
	struct attachments attachments;
	unsigned wanted;
	size_t bytes, n;
	char message[];
};

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

	c->io = io;
	c->session = session;
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
sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json)
{
	struct sio_scratch *scratch;
	struct eio_message *m;

	if (!sio_client_open(c))
		return;
	scratch = sio_scratch_take(c->io);
	sio_packet_write_head(&scratch->head, type, 0, nsp, NULL);
	must(buffer_error(&scratch->head) == 0);
	m = eio_message_text2(buffer_text(&scratch->head), json);
	m->compress = true;
	eio_send(c->session, &m, 1);
	eio_message_unref(m);
	counter_add(&c->io->loop->counters, COUNT_PACKETS_OUT, 1);
	sio_scratch_give(c->io, scratch);
}

static void
partial_free(struct sio_client *c)
{
	if (c->partial == NULL)
		return;
	attachments_fini(&c->partial->attachments);
	mem_free(c->partial);
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
	while (!list_empty(&c->checks)) {
		struct sio_step *step = container_of(c->checks.next, struct sio_step, owned);

		list_remove(&step->owned);
		step->client = NULL;
	}
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
dispatch(struct sio_client *c, const struct attachments *attachments)
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
		sio_event_receive(s, p, attachments);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		sio_ack_receive(s, p, attachments);
		break;
	case SIO_DISCONNECT:
		sio_socket_close_now(s, SIO_REASON_CLIENT_LEFT);
		break;
	default:
		must(!"a packet type");
	}
}

static void
partial_begin(struct sio_client *c, struct text message)
{
	const struct sio_packet *p = &c->io->packet;
	struct sio_partial *partial;

	/* nobody may hoard attachments without a namespace that his middlewares let him into */
	if (socket_in(c, p->nsp) == NULL) {
		sio_client_close(c);
		return;
	}
	partial = mem_alloc(sizeof *partial + message.n);
	attachments_init(&partial->attachments);
	partial->wanted = p->attachments;
	partial->bytes = partial->n = message.n;
	memcpy(partial->message, message.at, message.n);
	c->partial = partial;
	loop_arm(c->io->loop, &c->timer, SIO_ATTACHMENTS_MS);
}

static void
on_text(struct sio_client *c, struct text message)
{
	struct sio_packet *p = &c->io->packet;
	int rc;

	if (c->partial != NULL) {
		sio_client_failed(c, "got plaintext data when reconstructing a packet");
		return;
	}
	rc = sio_packet_parse(p, message, &c->io->limits);
	if (rc != 0) {
		sio_client_failed(c, error_text(rc));
		return;
	}
	counter_add(&c->io->loop->counters, COUNT_PACKETS_IN, 1);
	if (p->type == SIO_BINARY_EVENT || p->type == SIO_BINARY_ACK)
		partial_begin(c, message);
	else
		dispatch(c, NULL);
}

static void
on_binary(struct sio_client *c, const uint8_t *data, size_t n)
{
	struct sio_partial *partial = c->partial;
	struct block *block;
	int rc;

	if (partial == NULL) {
		sio_client_failed(c, "got binary data when not reconstructing a packet");
		return;
	}
	if (n > c->io->max_payload || partial->bytes + n > c->io->max_payload) {
		sio_log_limit(c->io, "closed", eio_sid(c->session), "bytes of attachments");
		sio_client_failed(c, "attachments are larger than the limit");
		return;
	}
	partial->bytes += n;
	block = block_copy(data, n);
	attachments_add(&partial->attachments, block);
	block_unref(block);
	if (partial->attachments.count < partial->wanted)
		return;
	loop_disarm(c->io->loop, &c->timer);
	c->partial = NULL;
	rc = sio_packet_parse(&c->io->packet, text_of(partial->message, partial->n), &c->io->limits);
	must(rc == 0);
	dispatch(c, &partial->attachments);
	attachments_fini(&partial->attachments);
	mem_free(partial);
}

void
sio_client_on_message(struct eio_session *session, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct sio_client *c = owner;

	(void)session;
	if (c->closed)
		return;
	if (binary)
		on_binary(c, data, n);
	else
		on_text(c, text_of((const char *)data, n));
}
