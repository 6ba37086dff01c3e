#include "node/socketio/sio_cluster.h"

#include "common/base/error.h"
#include "common/base/must.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_stream_state.h"

bool
sio_cluster_reached(const struct sio_nsp *nsp, unsigned flags)
{
	return nsp->broker != NULL && (flags & SIO_FLAG_LOCAL) == 0;
}

int
sio_cluster_error(int error)
{
	switch (error) {
	case 0:
	case ERROR_TOO_BIG:
	case ERROR_TOO_MANY:
		return error;
	case ERROR_TIMEOUT:
	case ERROR_CLOSED: /* no node could be asked, so all are silent */
		return SIO_ERR_TIMEOUT;
	case ERROR_MEMORY:
		return SIO_ERR_SYSTEM;
	default:
		return SIO_ERR_ARGUMENT;
	}
}

static struct wire_target
target_of_selector(const struct sio_selector *who, unsigned flags)
{
	return (struct wire_target){.rooms = who->rooms,
		.except = who->except,
		.room_count = who->rooms_count,
		.except_count = who->except_count,
		.flags = ((flags & SIO_FLAG_VOLATILE) != 0 ? WIRE_VOLATILE : 0u) |
			 ((flags & SIO_FLAG_NO_COMPRESS) != 0 ? WIRE_NO_COMPRESS : 0u)};
}

bool
sio_cluster_copies(const struct sio_nsp *nsp, const struct sio_content *what)
{
	/* what the hub or a stream records is text */
	if (nsp->io->recovery != NULL && (nsp->io->recovery->keep != NULL || nsp->io->recovery->stream != NULL))
		return false;
	return what->late != NULL && broker_copies(nsp->broker, &what->late->values);
}

int
sio_cluster_broadcast(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	const struct sio_content *what, const struct sio_recording *recording, struct wire_mark mark)
{
	const struct sio_keep *keep = nsp->io->recovery != NULL ? nsp->io->recovery->keep : NULL;
	struct sio_stream *stream = nsp->io->recovery != NULL ? sio_stream_of(nsp) : NULL;
	struct wire_target to = target_of_selector(who, flags);
	uint64_t origin;

	to.mark = mark;
	if (stream != NULL && (flags & SIO_FLAG_VOLATILE) == 0)
		return sio_cluster_error(broker_broadcast_numbered(
			nsp->broker, &to, what->json, what->attachments, stream->ops->number_unheld(stream, nsp)));

	if (sio_cluster_copies(nsp, what))
		return sio_cluster_error(broker_broadcast_late(nsp->broker, &to,
			&(struct wire_outgoing){.name = what->late->name, .values = what->late->values}));
	if (keep != NULL && recording == NULL && (flags & SIO_FLAG_VOLATILE) == 0)
		return sio_cluster_error(broker_broadcast_recorded(
			nsp->broker, &to, what->json, what->attachments, SIO_KEEP_NOT_RECORDED, 0, NULL));
	if (keep != NULL && recording != NULL && recording->who != NULL) {
		origin = recording->number != 0 ? keep->origin : SIO_KEEP_LOST;
		return sio_cluster_error(broker_broadcast_recorded(nsp->broker, &to, what->json, what->attachments,
			origin, recording->number != 0 ? keep->local : 0, NULL));
	}
	return sio_cluster_error(broker_broadcast(nsp->broker, &to, what->json, what->attachments));
}

/* -------------------------------------------------------------- questions */

static void
gather_on_answer(void *arg, struct text json, const struct attachments *attachments)
{
	struct sio_gather *gather = arg;

	if (sio_gather_add(gather, json, attachments) == SIO_ERR_SYSTEM)
		loop_count_no_memory(gather->io->loop);
}

static void
gather_on_end(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing)
{
	struct sio_gather *gather = arg;

	(void)nodes;
	sio_gather_others(gather, gather->io->leaving ? SIO_ERR_STATE : sio_cluster_error(error), silent, missing);
}

static struct broker_question
question_of_gather(struct sio_gather *gather, uint32_t timeout_ms)
{
	return (struct broker_question){
		.on_answer = gather_on_answer, .on_end = gather_on_end, .arg = gather, .timeout_ms = timeout_ms};
}

/* If the broker refuses the question, the answers of this node's sockets remain. */
static void
gather_was_asked(struct sio_gather *gather, int64_t handle)
{
	if (handle > 0) {
		gather->question = handle;
		return;
	}
	gather->error = sio_cluster_error((int)handle);
	gather->answers.silent = 1; /* the number of other nodes is unknown; at least one was not asked */
}

void
sio_cluster_ask_ack(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	const struct sio_content *what, struct sio_gather *gather, uint32_t timeout_ms)
{
	struct wire_target to = target_of_selector(who, flags);
	struct broker_question question = question_of_gather(gather, timeout_ms != 0 ? timeout_ms : 1);

	gather_was_asked(gather, broker_ask_ack(nsp->broker, &to, what->json, what->attachments, &question));
}

void
sio_cluster_ask_servers(
	struct sio_nsp *nsp, const struct sio_content *what, struct sio_gather *gather, uint32_t timeout_ms)
{
	struct broker_question question = question_of_gather(gather, timeout_ms);

	gather_was_asked(gather, broker_ask_server_emit(nsp->broker, what->json, what->attachments, &question));
}

/* ----------------------------------------------------------------- orders */

int
sio_cluster_server_emit(struct sio_nsp *nsp, const struct sio_content *what)
{
	return sio_cluster_error(broker_server_emit(nsp->broker, what->json, what->attachments));
}

int
sio_cluster_order(struct sio_nsp *nsp, const struct sio_selector *who, enum sio_cluster_order order,
	const struct text *rooms, unsigned rooms_count)
{
	struct wire_target to = target_of_selector(who, 0);
	int rc;

	switch (order) {
	case SIO_CLUSTER_JOIN:
		rc = broker_join(nsp->broker, &to, rooms, rooms_count);
		break;
	case SIO_CLUSTER_LEAVE:
		rc = broker_leave(nsp->broker, &to, rooms, rooms_count);
		break;
	default:
		rc = broker_disconnect(nsp->broker, &to, order == SIO_CLUSTER_CLOSE);
		break;
	}
	return sio_cluster_error(rc);
}
