#include "node/socketio/sio_core.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_cluster_in.h"
#include "node/socketio/sio_leave.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_question.h"
#include "node/socketio/sio_receive.h"
#include "node/socketio/sio_history.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_stream.h"
#include "node/socketio/sio_request.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_timer.h"
#include "node/socketio/sio_check.h"

#define PAYLOAD_MAX 1000000 /* applies until the engine is attached */

/* ------------------------------------------------------------------- life */

static void
core_take_options(struct sio_server *io, const struct sio_options *options)
{
	must(options->max_attachments <= SIO_ATTACHMENTS_MAX);
	io->options = *options;
	io->limits = (struct sio_packet_limits){.max_attachments = (unsigned)options->max_attachments,
		.max_depth = JSON_DEPTH_MAX,
		.max_nsp = SIO_NSP_NAME_MAX,
		.max_bytes = io->max_payload};
}

struct sio_server *
sio_core_new(struct loop *l, const struct sio_options *options, struct sio_host *host)
{
	struct sio_server *io = mem_zalloc(sizeof *io);

	sio_born(SIO_A_SERVER, io);
	io->loop = l;
	io->host = host;
	io->max_payload = io->max_emit = PAYLOAD_MAX;
	core_take_options(io, options);
	list_init(&io->parents);
	list_init(&io->closing);
	list_init(&io->gone);
	list_init(&io->asking);
	list_init(&io->steps);
	list_init(&io->gathers);
	list_init(&io->refused);
	list_init(&io->ending);
	sio_turn_init(&io->turn, l, PAYLOAD_MAX);
	sio_job_init(&io->closing_job, sio_leave_closing);
	sio_job_init(&io->gone_job, sio_leave_gone);
	sio_job_init(&io->empty_job, sio_nsp_trim);
	list_init(&io->empty);
	table_init(&io->nsps);
	threads_init(&io->threads, l);
	table_init(&io->timers);
	buffer_init(&io->name, SIZE_MAX / 2);
	sio_nsp_new(io, TEXT("/"), NULL, false)->named = false; /* the application has not asked for it yet */
	return io;
}

void
sio_core_set_history(struct sio_server *io, struct history *store)
{
	if (io->history != NULL)
		sio_history_set_store(io->history, store);
}

static void
core_end_waiting(struct sio_server *io)
{
	while (!list_empty(&io->gathers))
		sio_gather_end(container_of(io->gathers.next, struct sio_gather, link), SIO_ERR_STATE);
	while (!list_empty(&io->asking))
		sio_question_end(container_of(io->asking.next, struct sio_question, link), SIO_ERR_STATE);
	sio_core_set_history(io, NULL);
}

const char *
sio_core_recovery_word(unsigned result)
{
	static const char *const words[] = {
		[SIO_RECOVERY_RECOVERED] = "recovered",
		[SIO_RECOVERY_TAKEN_OVER] = "taken_over",
		[SIO_RECOVERY_NO_SESSION] = "no_session",
		[SIO_RECOVERY_EXPIRED] = "expired",
		[SIO_RECOVERY_OFFSET_GONE] = "offset_gone",
		[SIO_RECOVERY_NO_HUB] = "no_hub",
		[SIO_RECOVERY_FOREIGN] = "foreign",
		[SIO_RECOVERY_TOO_BIG] = "too_big",
		[SIO_RECOVERY_FAILED] = "failed",
	};

	return words[result];
}

static void
core_free_nsps(struct sio_server *io)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&io->nsps, &cursor)) != NULL) {
		table_remove(&io->nsps, node);
		sio_nsp_free(container_of(node, struct sio_nsp, node));
	}
	table_fini(&io->nsps);
	while (!list_empty(&io->parents))
		sio_parent_free(container_of(io->parents.next, struct sio_parent, link));
}

void
sio_core_free(struct sio_server *io)
{
	bool more;

	do {
		core_end_waiting(io);
		more = sio_turn_run(&io->turn);
	} while (more || !list_empty(&io->gathers) || !list_empty(&io->asking));
	while (!list_empty(&io->steps)) {
		struct sio_step *step = container_of(io->steps.next, struct sio_step, all);

		if (step->pending != NULL)
			eio_refuse(step->pending, NULL);
		sio_step_free(step);
	}
	sio_recovery_free(io->recovery);
	io->recovery = NULL;
	core_free_nsps(io);
	sio_history_free(io->history);
	sio_timers_stop(io);
	threads_fini(&io->threads);
	table_fini(&io->timers);
	sio_turn_fini(&io->turn);
	buffer_fini(&io->name);
	sio_died(io);
	mem_free(io);
}

struct sio_host *
sio_core_host(const struct sio_server *io)
{
	return io->host;
}

struct sio_underway *
sio_core_underway(struct sio_server *io)
{
	return &io->underway;
}

const struct eio_ops *
sio_core_ops(void)
{
	static const struct eio_ops ops = {
		.on_allow = sio_request_on_allow,
		.on_id = sio_request_on_id,
		.on_headers = sio_request_on_headers,
		.on_refused = sio_request_on_refused,
		.on_open = sio_receive_open,
		.on_message = sio_receive_message,
		.on_upgrade = sio_receive_upgrade,
		.on_close = sio_receive_close,
	};

	return &ops;
}

/* In streams mode, Redis has the log and the sessions. With several workers, the keeper in the hub has them. */
static void
core_join_keeper(struct sio_server *io)
{
	if (io->recovery != NULL && io->broker != NULL && broker_has_stream(io->broker) &&
		io->recovery->stream == NULL)
		sio_stream_new(io->recovery, io->broker);
	if (io->recovery != NULL && io->broker != NULL && broker_keeps(io->broker))
		sio_keep_new(io->recovery, io->broker);
}

void
sio_core_attach(struct sio_server *io, struct eio_server *engine, const struct sio_options *options,
	uint64_t max_http_buffer_size, uint64_t max_emit)
{
	io->engine = engine;
	io->max_payload = max_http_buffer_size;
	io->max_emit = max_emit;
	core_take_options(io, options);
	sio_turn_limit(&io->turn, max_emit);
	if (options->connection_state_recovery && engine != NULL)
		io->recovery = sio_recovery_new(io);
	sio_history_start(io);
	core_join_keeper(io);
}

bool
sio_core_wants_history(const struct sio_server *io)
{
	return io->history != NULL && io->history->rules.count > 0;
}

uint64_t
sio_core_history_max_bytes(const struct sio_server *io)
{
	return io->options.history_max_bytes;
}

static void
core_join_nsp(struct sio_nsp *nsp)
{
	sio_nsp_join(nsp);
	sio_rooms_announce(nsp);
}

void
sio_core_set_broker(struct sio_server *io, struct broker *broker)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	must(broker == NULL || io->broker == NULL);
	if (io->recovery != NULL && io->broker != NULL) {
		sio_keep_free(io->recovery->keep);
		sio_stream_free(io->recovery->stream);
	}
	if (broker != NULL)
		io->broker = broker;
	if (broker != NULL)
		core_join_keeper(io);
	while ((node = table_next(&io->nsps, &cursor)) != NULL) {
		struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		if (broker != NULL)
			core_join_nsp(nsp);
		else
			sio_nsp_leave(nsp);
	}
	io->broker = broker;
}

const struct broker_ops *
sio_core_broker_ops(void)
{
	return &sio_cluster_ops;
}

/* Closes the sockets before the engine, so that they get this reason and not the engine's. */
void
sio_core_close(struct sio_server *io)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&io->nsps, &cursor)) != NULL) {
		struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		while (!list_empty(&nsp->connected))
			sio_socket_close(
				container_of(nsp->connected.next, struct sio_socket, link), SIO_REASON_SHUTTING_DOWN);
	}
	core_end_waiting(io);
	if (io->engine != NULL)
		eio_server_close(io->engine);
}

void
sio_core_part(struct sio_server *io, struct text sid)
{
	struct eio_session *session = eio_find(io->engine, sid);

	if (session != NULL)
		sio_client_end(eio_owner(session), SIO_REASON_SHUTTING_DOWN);
}

unsigned
sio_clients_count(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	return io->engine != NULL ? eio_count(io->engine) : 0;
}

void
sio_core_stats(const struct sio_server *io, struct sio_stats *out,
	void (*each)(void *arg, struct text name, unsigned sockets), void *arg)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	memcpy(out->disconnects, io->disconnects, sizeof out->disconnects);
	out->namespaces = io->nsps.count;
	if (io->recovery != NULL)
		sio_recovery_stats(io->recovery, &out->recovery);
	if (io->history != NULL)
		sio_history_stats(io->history, &out->history);
	while ((node = table_next(&io->nsps, &cursor)) != NULL) {
		const struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		each(arg, sio_nsp_text(nsp), nsp->count);
	}
}

const struct sio_handler_times *
sio_core_handler_times(const struct sio_server *io)
{
	return &io->handler_times;
}

const char *
sio_core_reason_text(unsigned reason)
{
	return sio_reason_text(reason);
}
