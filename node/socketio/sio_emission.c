#include "node/socketio/sio_emission.h"

#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_deliver.h"

static int
describe(struct sio_outgoing *out, const struct sio_emission *m, const uint64_t *id)
{
	out->packet = (struct sio_packet_out){.type = SIO_EVENT,
		.has_id = id != NULL,
		.id = id != NULL ? *id : 0,
		.nsp = sio_nsp_text(m->nsp),
		.json = m->what.json,
		.attachments = m->what.attachments};
	return sio_outgoing_init(
		out, &m->nsp->io->out_limits, &m->scratch->head, (m->flags & SIO_FLAG_NO_COMPRESS) == 0);
}

static bool
droppable(const struct sio_emission *m)
{
	return (m->flags & SIO_FLAG_VOLATILE) != 0;
}

int
sio_emission_one(const struct sio_emission *m, struct sio_socket *s)
{
	struct sio_nsp *nsp = m->nsp;
	bool asks = m->ask.fn != NULL;
	struct sio_outgoing out;
	uint64_t id = nsp->ids;
	int rc;

	if (!sio_socket_open(s)) {
		if (asks)
			sio_ack_refused(s, &m->ask);
		return 0;
	}
	rc = describe(&out, m, asks ? &id : NULL);
	if (rc == 0 && asks) {
		rc = sio_ack_wait(s, id, (m->flags & SIO_FLAG_TIMEOUT) != 0, m->timeout_ms, &m->ask);
		if (rc == 0)
			nsp->ids++;
	}
	if (rc == 0) {
		sio_deliver_one(s, &out, m->name, droppable(m));
		rc = sio_outgoing_result(&out);
	}
	sio_outgoing_fini(&out);
	return rc;
}

/* Acknowledgements of this node's sockets are expected before the packet goes out to them. */
static void
expect(const struct sio_emission *m, struct sio_gather *g)
{
	const struct sio_selection *to = &m->scratch->selection;

	for (unsigned i = 0; i < to->count; i++)
		sio_gather_wait(g, to->at[i], m->nsp->ids);
	m->nsp->ids++;
}

/* The other nodes get it as it was packed. */
static int
elsewhere(const struct sio_emission *m, const struct sio_selector *who, struct sio_gather *g)
{
	uint32_t timeout = (m->flags & SIO_FLAG_TIMEOUT) != 0 ? m->timeout_ms : SIO_GATHER_MS;
	int rc = 0;

	if (!sio_cluster_reached(m->nsp, m->flags))
		rc = 0;
	else if (g != NULL)
		sio_cluster_ask_ack(m->nsp, who, m->flags, &m->what, g, timeout);
	else
		rc = sio_cluster_broadcast(m->nsp, who, m->flags, &m->what);
	if (g != NULL)
		sio_gather_start(g, timeout);
	return rc;
}

int
sio_emission_many(const struct sio_emission *m, const struct sio_selector *who)
{
	struct sio_nsp *nsp = m->nsp;
	struct sio_gather *g = NULL;
	struct sio_outgoing out;
	uint64_t id = nsp->ids;
	int rc = describe(&out, m, m->ask.fn != NULL ? &id : NULL);

	if (rc == 0)
		rc = sio_rooms_select(nsp, who, &m->scratch->selection);
	if (rc != 0)
		return rc;
	if (m->ask.fn != NULL) {
		g = sio_gather_new(nsp->io, &m->ask);
		expect(m, g);
	}
	sio_deliver(&m->scratch->selection, &out, m->name, droppable(m));
	sio_outgoing_fini(&out);
	rc = elsewhere(m, who, g);
	return rc != 0 ? rc : sio_outgoing_result(&out);
}

int
sio_emission_here(const struct sio_emission *m, const struct sio_sink *sink, void *arg)
{
	const struct sio_selection *to = &m->scratch->selection;
	struct sio_gather *g = NULL;
	struct sio_outgoing out;
	uint64_t id = m->nsp->ids;
	int rc = describe(&out, m, sink != NULL ? &id : NULL);

	if (rc != 0)
		return rc;
	if (sink != NULL) {
		sink->count(arg, to->count);
		g = sio_gather_new_into(m->nsp->io, sink, arg);
		expect(m, g);
	}
	sio_deliver(to, &out, m->name, droppable(m));
	sio_outgoing_fini(&out);
	if (g != NULL)
		sio_gather_start(g, m->timeout_ms);
	return (int)to->count;
}

int
sio_emission_answer(struct sio_socket *s, uint64_t id, const struct sio_content *what, struct sio_scratch *scratch)
{
	struct sio_outgoing out;
	int rc;

	out.packet = (struct sio_packet_out){.type = SIO_ACK,
		.has_id = true,
		.id = id,
		.nsp = sio_nsp_text(s->nsp),
		.json = what->json,
		.attachments = what->attachments};
	rc = sio_outgoing_init(&out, &s->nsp->io->out_limits, &scratch->head, true);
	if (rc == 0) {
		sio_deliver_quietly(s, &out, false);
		rc = sio_outgoing_result(&out);
	}
	sio_outgoing_fini(&out);
	return rc;
}
