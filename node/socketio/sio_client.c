#include "node/socketio/sio_client.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "node/socketio/sio_cork.h"
#include "node/socketio/sio_socket.h"
#include "node/socketio/sio_tables.h"
#include "node/socketio/sio_trace.h"

void
sio_held_init(struct sio_held *held, void (*orphan)(struct sio_held *held))
{
	list_init(&held->link);
	held->orphan = orphan;
}

void
sio_held_orphan(struct list *list)
{
	while (!list_empty(list)) {
		struct sio_held *held = container_of(list->next, struct sio_held, link);

		list_remove(&held->link);
		held->orphan(held);
	}
}

bool
sio_client_open(const struct sio_client *c)
{
	return !c->closed && c->session != NULL && eio_is_open(c->session);
}

uint64_t
sio_client_began(const struct sio_client *c)
{
	return c->session != NULL ? eio_session_began(c->session) : 0;
}

static void
client_timed_out(struct wheel_entry *entry)
{
	struct sio_client *c = container_of(entry, struct sio_client, timer);

	if (c->partial != NULL)
		sio_client_failed(c, "attachments did not arrive in time");
	else
		sio_client_close(c);
}

/* Sets the parser. If it is not known yet, the first message may change it. Revision 4 has only one parser. */
static void
client_set_parser(struct sio_client *c)
{
	if (eio_session_revision(c->session) == 3) {
		c->parser = &sio_parser_json4;
		c->parser_known = true;
		return;
	}
	c->parser = c->io->options.parser == SIO_PARSER_MSGPACK ? &sio_parser_msgpack : &sio_parser_json;
	c->parser_known = c->io->options.parser == SIO_PARSER_JSON;
}

struct sio_client *
sio_client_new(struct sio_server *io, struct eio_session *session)
{
	struct sio_client *c = small_zalloc(sizeof *c);

	io->served = true;
	c->io = io;
	c->session = session;
	client_set_parser(c);
	list_init(&c->checks);
	wheel_entry_init(&c->timer, client_timed_out);
	loop_arm(io->loop, &c->timer, io->options.connect_timeout);
	return c;
}

void
sio_client_choose_parser(struct sio_client *c, bool binary)
{
	c->parser_known = true;
	if (binary && c->io->options.parser == SIO_PARSER_AUTO)
		c->parser = &sio_parser_msgpack;
	if (c->parser == &sio_parser_msgpack)
		counter_add(&c->io->loop->counters, COUNT_MSGPACK_CLIENTS, 1);
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
	if (encoded->count < 0) {
		if (encoded->count == ERROR_MEMORY)
			loop_count_no_memory(c->io->loop);
		return;
	}
	counter_add(counters, COUNT_PACKETS_OUT, 1);
	if (log_debug())
		sio_trace_out(c->session, &out->packet, encoded);
	eio_send(c->session, encoded->messages, (unsigned)encoded->count);
}

void
sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json)
{
	struct sio_scratch *scratch = sio_scratch_take(&c->io->turn);
	struct sio_outgoing out;

	/* the limits hold: the server's own packets are small, and the data of a refusal was limited before */
	out.packet = (struct sio_packet_out){.type = type, .nsp = nsp, .json = json};
	(void)sio_outgoing_init(&out, c->io->max_emit, &scratch->head, true);
	sio_client_put(c, &out, false);
	sio_outgoing_fini(&out);
	sio_scratch_give(&c->io->turn, scratch);
}

void
sio_client_hold(struct sio_client *c, int64_t bytes)
{
	if (c->session != NULL)
		eio_hold(c->session, bytes);
}

static void
partial_free(struct sio_client *c)
{
	if (c->partial != NULL)
		sio_client_hold(c, -(int64_t)c->parser->held(c->partial));
	c->parser->forget(c->partial);
	c->partial = NULL;
}

/* Reads nothing more. The engine calls on_close at the end of the turn or later. */
static void
client_stop(struct sio_client *c)
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
	client_stop(c);
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next)
		sio_socket_close(s, reason);
}

void
sio_client_close(struct sio_client *c)
{
	sio_client_end(c, SIO_REASON_SERVER_CLOSED);
}

void
sio_client_no_memory(struct sio_client *c)
{
	if (c == NULL || c->closed || c->session == NULL)
		return;
	loop_count_no_memory(c->io->loop);
	sio_log_limit(&c->io->turn, "closed", eio_sid(c->session), "no-memory");
	sio_client_close(c);
}

void
sio_client_failed(struct sio_client *c, const char *message)
{
	if (c->closed)
		return;
	counter_add(&c->io->loop->counters, COUNT_DECODE_ERRORS, 1);
	/* listeners can only mark sockets as closed, so the list does not change while they run */
	for (struct sio_socket *s = c->sockets; s != NULL; s = s->next)
		sio_socket_error(s, message);
	if (!c->closed)
		client_stop(c);
}

void
sio_client_free(struct sio_client *c)
{
	must(c->sockets == NULL && list_empty(&c->checks));
	loop_disarm(c->io->loop, &c->timer);
	sio_cork_end(c);
	if (c->io->serving == c)
		c->io->serving = NULL;
	partial_free(c);
	small_free(c, sizeof *c);
}
