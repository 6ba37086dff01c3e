#include "node/socketio/sio_emission.h"

#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_deliver.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_stream_state.h"

static int
emission_describe(struct sio_outgoing *out, const struct sio_emission *emission, const uint64_t *id)
{
	int rc;

	out->packet = (struct sio_packet_out){.type = SIO_EVENT,
		.has_id = id != NULL,
		.id = id != NULL ? *id : 0,
		.nsp = sio_nsp_text(emission->nsp),
		.json = emission->what.json,
		.attachments = emission->what.attachments,
		.late = emission->what.late};
	rc = sio_outgoing_init(out, emission->nsp->io->max_emit, &emission->scratch->head,
		(emission->flags & SIO_FLAG_NO_COMPRESS) == 0);
	if (__builtin_expect(out->packet.late != NULL, 0) && rc == 0 && sio_recovery_on(emission->nsp)) {
		/* the offset becomes part of the text, from which all encodings are made */
		rc = sio_outgoing_write(out);
		out->packet.late = NULL;
	}
	return rc;
}

/* Returns the state of recovery in streams mode if it may hold the event, else NULL. */
static inline const struct sio_stream *
emission_stream(const struct sio_nsp *nsp)
{
	return nsp->io->recovery != NULL ? sio_stream_of(nsp) : NULL;
}

static bool
emission_droppable(const struct sio_emission *emission)
{
	return (emission->flags & SIO_FLAG_VOLATILE) != 0;
}

/* Another server has sent an event that nobody has recorded. */
static void
emission_meet_stranger(const struct sio_emission *emission)
{
	struct sio_keep *keep = emission->nsp->io->recovery->keep;

	if (keep->welcome && keep->peer->stranger != NULL && !emission_droppable(emission))
		keep->peer->stranger(keep, emission->nsp);
}

/*
 * Prepares to record the event, if the namespace is recorded. As in Node.js, volatile events and events that want
 * acknowledgements are not recorded. A volatile event still gets an offset if it ends with a string
 * (sio_recovery_stamp()). An event that wants an acknowledgement needs none: for the client, its last argument is the
 * acknowledgement function.
 */
static void
emission_record(struct sio_outgoing *out, struct sio_recording *recording, const struct sio_emission *emission,
	const struct sio_selector *who)
{
	if (!sio_recovery_on(emission->nsp) || out->packet.has_id)
		return;
	*recording = (struct sio_recording){
		.nsp = emission->nsp, .who = emission_droppable(emission) ? NULL : who, .plain = out->packet.json};
	if (emission->nsp->io->recovery->stream != NULL) {
		recording->number = emission_droppable(emission) ? 0 : emission->entry;
		if (recording->number == 0)
			recording->who = NULL;
	} else if (emission->nsp->io->recovery->keep != NULL) {
		/* events for this worker only are not recorded */
		recording->numbered = emission->remote && emission->nsp->io->recovery->keep->numbered;
		if (emission->remote ? !recording->numbered : (emission->flags & SIO_FLAG_LOCAL) != 0)
			recording->who = NULL;
		if (emission->remote && !recording->numbered)
			emission_meet_stranger(emission);
	}
	out->recording = recording;
}

struct emission_of_one {
	struct sio_recording recording;
	struct sio_selector who;
	struct text own;
};

/*
 * Returns true if events to this socket alone are recorded. Events to a waiting socket are not, unless its owner has
 * accepted it and it waits for its missed events.
 */
static bool
emission_records_one(const struct sio_socket *s)
{
	return s->session != NULL && (s->state != SIO_WAITING || s->owner_accepted);
}

/* Like emission_record(), for an event to one socket. */
static void
emission_record_one(struct sio_outgoing *out, struct emission_of_one *one, const struct sio_emission *emission,
	const struct sio_socket *s)
{
	/* a recovered client must not get the newest offset before its missed events */
	if (s->state == SIO_WAITING && emission->nsp->io->recovery->stream != NULL)
		return;
	one->own = sio_socket_id_text(s);
	one->who = (struct sio_selector){.rooms = &one->own, .rooms_count = 1};
	emission_record(out, &one->recording, emission, emission_records_one(s) ? &one->who : NULL);
}

/* With several workers, sends the recorded event to the keeper. */
static void
emission_keep_one(const struct sio_emission *emission, const struct sio_outgoing *out)
{
	struct sio_content what = emission->what;

	if (out->recording->number != 0 && emission->nsp->io->recovery->keep != NULL && sio_content_write(&what) == 0)
		sio_keep_record_one(emission->nsp, out->recording->who, &what);
}

/*
 * Records the event for a socket that is leaving or waits for its missed events. The client gets it together with the
 * missed events.
 */
static int
emission_miss(const struct sio_emission *emission, struct sio_socket *s)
{
	struct emission_of_one one;
	struct sio_outgoing out;
	int rc = emission_describe(&out, emission, NULL);

	if (rc == 0) {
		emission_record_one(&out, &one, emission, s);
		if (out.recording != NULL) {
			sio_deliver_record_one(s, &out);
			emission_keep_one(emission, &out);
		}
	}
	sio_outgoing_fini(&out);
	return rc;
}

int
sio_emission_one(const struct sio_emission *emission, struct sio_socket *s)
{
	struct sio_nsp *nsp = emission->nsp;
	const struct sio_stream *stream = emission->released ? NULL : emission_stream(nsp);
	bool asks = emission->ask.fn != NULL;
	struct emission_of_one one;
	struct sio_outgoing out;
	uint64_t id = emission->has_id ? emission->id : nsp->ids;
	int rc;

	if (stream != NULL && !asks && stream->ops->hold_one(emission, s, NULL, &rc))
		return rc;
	if (!sio_socket_open(s)) {
		if (asks)
			sio_ack_refused(s, &emission->ask);
		else if (emission_records_one(s) && !emission_droppable(emission))
			return emission_miss(emission, s);
		return 0;
	}
	if (s->owner_accepted && emission_records_one(s) && !asks && !emission_droppable(emission))
		return emission_miss(emission, s);
	rc = emission_describe(&out, emission, asks || emission->has_id ? &id : NULL);
	if (rc == 0 && asks) {
		rc = sio_ack_wait(
			s, id, (emission->flags & SIO_FLAG_TIMEOUT) != 0, emission->timeout_ms, &emission->ask);
		if (rc == 0)
			nsp->ids++;
	}
	if (rc == 0 && asks && stream != NULL && stream->ops->hold_one(emission, s, &id, &rc)) {
		/* the packet is sent later */
	} else if (rc == 0) {
		if (sio_recovery_on(nsp))
			emission_record_one(&out, &one, emission, s);
		sio_deliver_one(s, &out, emission->name, emission_droppable(emission));
		if (out.recording != NULL)
			emission_keep_one(emission, &out);
		rc = sio_outgoing_result(&out);
	}
	sio_outgoing_fini(&out);
	return rc;
}

/* Registers the acknowledgements of this node's sockets, before the packet is sent to them. */
static void
emission_expect_acks(const struct sio_emission *emission, struct sio_gather *gather)
{
	const struct sio_selection *to = &emission->scratch->selection;

	for (unsigned i = 0; i < to->count; i++)
		sio_gather_wait(gather, to->at[i], emission->nsp->ids);
	emission->nsp->ids++;
}

/*
 * Handles an event for rooms with a history: stores it, unless another node or sio_stream_hold.c has done so, and
 * removes from the selection the sockets that must not get it now. Returns the mark of the event.
 */
static __attribute__((cold, noinline)) struct wire_mark
emission_remember(const struct sio_emission *emission, const struct sio_selector *who)
{
	struct sio_history *history = emission->nsp->io->history;
	struct sio_history_event event = {.nsp = emission->nsp,
		.who = who,
		.what = &emission->what,
		.mark = emission->mark,
		.entry = emission->entry,
		.flags = emission->flags};

	if (!emission->remote && !emission->released)
		history->work->store(history, &event);
	if (history->groups.count > 0)
		history->work->hold(history, &event, &emission->scratch->selection);
	return event.mark;
}

/* Returns true if events to these receivers take part in the history of rooms. */
static inline bool
emission_is_remembered(const struct sio_emission *emission, const struct sio_selector *who)
{
	return __builtin_expect(emission->nsp->io->history != NULL, 0) && who != NULL && who->rooms_count > 0;
}

/* Passes the packed event to the broker. */
static int
emission_to_other_nodes(const struct sio_emission *emission, const struct sio_selector *who,
	struct sio_gather *gather, const struct sio_recording *recording, struct wire_mark mark)
{
	uint32_t timeout = (emission->flags & SIO_FLAG_TIMEOUT) != 0 ? emission->timeout_ms : SIO_GATHER_MS;
	bool reached = sio_cluster_reached(emission->nsp, emission->flags);
	struct sio_content what = emission->what;
	int rc = 0;

	if (reached && (gather != NULL || !sio_cluster_copies(emission->nsp, &what)))
		rc = sio_content_write(&what);
	if (reached && rc == 0 && gather != NULL)
		sio_cluster_ask_ack(emission->nsp, who, emission->flags, &what, gather, timeout);
	else if (reached && rc == 0)
		rc = sio_cluster_broadcast(emission->nsp, who, emission->flags, &what, recording, mark);
	if (gather != NULL)
		sio_gather_start(gather, timeout);
	return rc;
}

int
sio_emission_many(const struct sio_emission *emission, const struct sio_selector *who)
{
	struct sio_nsp *nsp = emission->nsp;
	const struct sio_stream *stream = emission->released ? NULL : emission_stream(nsp);
	struct sio_gather *gather = NULL;
	struct wire_mark mark = {0, 0};
	struct sio_recording recording;
	struct sio_outgoing out;
	uint64_t id = nsp->ids;
	int rc;

	if (stream != NULL && stream->ops->hold_many(emission, who, &rc))
		return rc;
	rc = emission_describe(&out, emission, emission->ask.fn != NULL ? &id : NULL);
	if (rc == 0)
		rc = sio_rooms_select(nsp, who, &emission->scratch->selection);
	if (rc != 0)
		return rc;
	if (emission->ask.fn != NULL) {
		gather = sio_gather_new(nsp->io, &emission->ask);
		emission_expect_acks(emission, gather);
	} else if (emission_is_remembered(emission, who)) {
		mark = emission_remember(emission, who);
	}
	emission_record(&out, &recording, emission, who);
	sio_deliver(&emission->scratch->selection, &out, emission->name, emission_droppable(emission));
	sio_outgoing_fini(&out);
	rc = emission_to_other_nodes(emission, who, gather, out.recording, mark);
	return rc != 0 ? rc : sio_outgoing_result(&out);
}

int
sio_emission_here(
	const struct sio_emission *emission, const struct sio_selector *who, const struct sio_sink *sink, void *arg)
{
	const struct sio_selection *to = &emission->scratch->selection;
	struct sio_gather *gather = NULL;
	struct sio_recording recording;
	struct sio_outgoing out;
	uint64_t id = emission->nsp->ids;
	int rc = emission_describe(&out, emission, sink != NULL ? &id : NULL);

	if (rc != 0)
		return rc;
	if (sink != NULL) {
		sink->count(arg, to->count);
		gather = sio_gather_new_into(emission->nsp->io, sink, arg);
		emission_expect_acks(emission, gather);
	} else if (emission_is_remembered(emission, who)) {
		(void)emission_remember(emission, who);
	}
	emission_record(&out, &recording, emission, who);
	sio_deliver(to, &out, emission->name, emission_droppable(emission));
	if (gather == NULL)
		rc = sio_outgoing_result(&out);
	sio_outgoing_fini(&out);
	if (gather != NULL)
		sio_gather_start(gather, emission->timeout_ms);
	return rc != 0 ? rc : (int)to->count;
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
		.attachments = what->attachments,
		.late = what->late};
	rc = sio_outgoing_init(&out, s->nsp->io->max_emit, &scratch->head, true);
	if (rc == 0) {
		sio_deliver_quietly(s, &out, false);
		rc = sio_outgoing_result(&out);
	}
	sio_outgoing_fini(&out);
	return rc;
}
