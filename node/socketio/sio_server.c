#include "node/socketio/sio_server.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_question.h"
#include "node/socketio/sio_socket.h"
#include "node/socketio/sio_step.h"

#define HEAD_MAX (64 * 1024) /* a packet's head: digits and a namespace name */
#define PAYLOAD_MAX 1000000  /* until the engine is attached */
#define SELECTION_KEPT 8192  /* sockets */
#define LOG_LINES_PER_SECOND 10

struct sio_turn_text {
	struct sio_turn_text *next;
	struct sio_value_owner owner; /* json.at NULL: no value */
	char bytes[];
};

/* One round over everything that waits; what it causes is for the next round. */
static void
round_of(struct sio_server *io)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &io->closing);
	while (!list_empty(&now))
		sio_socket_finish(container_of(now.next, struct sio_socket, link));
	list_move_all(&now, &io->ready);
	while (!list_empty(&now)) {
		struct sio_step *step = container_of(now.next, struct sio_step, ready);

		list_remove(&step->ready);
		step->go(step);
	}
	list_move_all(&now, &io->answered);
	while (!list_empty(&now))
		sio_gather_finish(container_of(now.next, struct sio_gather, link));
	list_move_all(&now, &io->asked);
	while (!list_empty(&now))
		sio_question_finish(container_of(now.next, struct sio_question, link));
}

static void
texts_free(struct sio_server *io)
{
	struct sio_turn_text *t;

	while ((t = io->texts) != NULL) {
		io->texts = t->next;
		if (t->owner.json.at != NULL)
			sio_value_owner_fini(&t->owner);
		mem_free(t);
	}
}

static bool
idle(const struct sio_server *io)
{
	return list_empty(&io->closing) && list_empty(&io->ready) && list_empty(&io->answered) &&
	       list_empty(&io->asked);
}

static void
sio_turn(struct loop_call *call)
{
	struct sio_server *io = container_of(call, struct sio_server, turn);

	round_of(io);
	while (!list_empty(&io->gone))
		sio_socket_free(container_of(io->gone.next, struct sio_socket, link));
	texts_free(io);
	if (!idle(io))
		sio_turn_wanted(io);
}

void
sio_turn_wanted(struct sio_server *io)
{
	loop_defer(io->loop, &io->turn);
}

/* ------------------------------------------------------------------- life */

static void
take_options(struct sio_server *io, const struct sio_options *options)
{
	must(options->max_attachments <= SIO_ATTACHMENTS_MAX);
	io->options = *options;
	io->limits = (struct sio_packet_limits){.max_attachments = (unsigned)options->max_attachments,
		.max_depth = JSON_DEPTH_MAX,
		.max_nsp = SIO_NSP_NAME_MAX,
		.max_bytes = io->max_payload};
	io->out_limits.max_attachments = (unsigned)options->max_attachments;
}

struct sio_server *
sio_core_new(struct loop *l, const struct sio_options *options, struct sio_host *host)
{
	struct sio_server *io = mem_zalloc(sizeof *io);

	io->loop = l;
	io->host = host;
	io->max_payload = io->out_limits.max_bytes = PAYLOAD_MAX;
	take_options(io, options);
	list_init(&io->parents);
	list_init(&io->closing);
	list_init(&io->gone);
	list_init(&io->ready);
	list_init(&io->answered);
	list_init(&io->asking);
	list_init(&io->asked);
	list_init(&io->steps);
	list_init(&io->gathers);
	loop_call_init(&io->turn, sio_turn);
	table_init(&io->nsps);
	buffer_init(&io->name, SIZE_MAX / 2);
	(void)sio_of(io, "/");
	return io;
}

static void
end_what_waits(struct sio_server *io)
{
	while (!list_empty(&io->gathers))
		sio_gather_end(container_of(io->gathers.next, struct sio_gather, link), SIO_ERR_STATE);
	while (!list_empty(&io->asking))
		sio_question_end(container_of(io->asking.next, struct sio_question, link), SIO_ERR_STATE);
}

static void
nsps_free(struct sio_server *io)
{
	struct table_cursor cursor = {0};
	struct table_node *n;

	while ((n = table_next(&io->nsps, &cursor)) != NULL) {
		table_remove(&io->nsps, n);
		sio_nsp_free(container_of(n, struct sio_nsp, node));
	}
	table_fini(&io->nsps);
	while (!list_empty(&io->parents))
		sio_parent_free(container_of(io->parents.next, struct sio_parent, link));
}

void
sio_core_free(struct sio_server *io)
{
	struct sio_scratch *scratch;

	do {
		end_what_waits(io);
		sio_turn(&io->turn);
	} while (!idle(io) || !list_empty(&io->gathers) || !list_empty(&io->asking));
	loop_call_cancel(&io->turn);
	while (!list_empty(&io->steps)) {
		struct sio_step *step = container_of(io->steps.next, struct sio_step, all);

		if (step->pending != NULL)
			eio_refuse(step->pending, NULL);
		sio_step_free(step);
	}
	nsps_free(io);
	while ((scratch = io->scratch) != NULL) {
		io->scratch = scratch->next;
		sio_payload_fini(&scratch->payload);
		buffer_fini(&scratch->head);
		mem_free(scratch->selection.at);
		mem_free(scratch);
	}
	texts_free(io);
	buffer_fini(&io->name);
	mem_free(io);
}

struct sio_host *
sio_core_host(const struct sio_server *io)
{
	return io->host;
}

const struct sio_underway *
sio_core_underway(const struct sio_server *io)
{
	return &io->underway;
}

const struct eio_ops *
sio_core_ops(void)
{
	static const struct eio_ops ops = {
		.on_allow = sio_request_on_allow,
		.on_headers = sio_request_on_headers,
		.on_refused = sio_request_on_refused,
		.on_open = sio_client_on_open,
		.on_message = sio_client_on_message,
		.on_close = sio_client_on_close,
	};

	return &ops;
}

void
sio_core_attach(struct sio_server *io, struct eio_server *engine, const struct sio_options *options,
	uint64_t max_http_buffer_size, uint64_t max_emit)
{
	io->engine = engine;
	io->max_payload = max_http_buffer_size;
	io->out_limits.max_bytes = max_emit;
	take_options(io, options);
	for (struct sio_scratch *s = io->scratch; s != NULL; s = s->next)
		s->payload.json.max = max_emit;
}

/* Sockets get their reason first: what the engine says afterwards is not heard any more. */
void
sio_core_close(struct sio_server *io)
{
	struct table_cursor cursor = {0};
	struct table_node *n;

	while ((n = table_next(&io->nsps, &cursor)) != NULL) {
		struct sio_nsp *nsp = container_of(n, struct sio_nsp, node);

		while (!list_empty(&nsp->connected))
			sio_socket_close(
				container_of(nsp->connected.next, struct sio_socket, link), SIO_REASON_SHUTTING_DOWN);
	}
	end_what_waits(io);
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
	return io->engine != NULL ? eio_count(io->engine) : 0;
}

/* ---------------------------------------------------------------- scratch */

struct sio_scratch *
sio_scratch_take(struct sio_server *io)
{
	struct sio_scratch *s = io->scratch;

	if (s == NULL) {
		s = mem_zalloc(sizeof *s);
		sio_payload_init(&s->payload, io->out_limits.max_bytes);
		buffer_init(&s->head, HEAD_MAX);
		return s;
	}
	io->scratch = s->next;
	return s;
}

void
sio_scratch_give(struct sio_server *io, struct sio_scratch *s)
{
	attachments_fini(&s->payload.attachments);
	attachments_init(&s->payload.attachments);
	if (s->payload.json.size > SIO_SCRATCH_KEPT) {
		buffer_fini(&s->payload.json);
		buffer_init(&s->payload.json, io->out_limits.max_bytes);
	}
	buffer_reset(&s->payload.json);
	buffer_reset(&s->head);
	if (s->selection.size > SELECTION_KEPT) {
		mem_free(s->selection.at);
		s->selection = (struct sio_selection){0};
	}
	s->next = io->scratch;
	io->scratch = s;
}

static struct sio_turn_text *
turn_text_new(struct sio_server *io, size_t n)
{
	struct sio_turn_text *t = mem_alloc(sizeof *t + n);

	t->owner = (struct sio_value_owner){0};
	t->next = io->texts;
	io->texts = t;
	sio_turn_wanted(io);
	return t;
}

char *
sio_turn_room(struct sio_server *io, size_t n)
{
	return turn_text_new(io, n)->bytes;
}

const char *
sio_turn_copy(struct sio_server *io, struct text t)
{
	char *copy = sio_turn_room(io, t.n + 1);

	if (t.n != 0)
		memcpy(copy, t.at, t.n);
	copy[t.n] = '\0';
	return copy;
}

sio_value
sio_turn_value(struct sio_server *io, struct text json)
{
	struct sio_turn_text *t = turn_text_new(io, 0);

	sio_value_owner_init(&t->owner, json, NULL);
	return sio_value_make(json, &t->owner);
}

struct sio_stored *
sio_stored_new(struct text json, const struct attachments *attachments)
{
	struct sio_stored *s = mem_alloc(sizeof *s + json.n);

	memcpy(s->json, json.at, json.n);
	attachments_init(&s->attachments);
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&s->attachments, attachments->blocks[i]);
	sio_value_owner_init(&s->owner, text_of(s->json, json.n), attachments != NULL ? &s->attachments : NULL);
	return s;
}

void
sio_stored_free(struct sio_stored *s)
{
	if (s == NULL)
		return;
	sio_value_owner_fini(&s->owner);
	attachments_fini(&s->attachments);
	mem_free(s);
}

sio_value
sio_stored_value(const struct sio_stored *s)
{
	return s != NULL ? sio_value_make(s->owner.json, &s->owner) : sio_value_none();
}

void
sio_log_limit(struct sio_server *io, const char *event, struct text sid, const char *limit)
{
	if (!log_allow(&io->log_limit, LOG_LINES_PER_SECOND, io->loop->now))
		return;
	/* the engine's sid is a secret: its beginning is enough to follow a client through the log */
	sid.n = sid.n > 8 ? 8 : sid.n;
	log_event(LOG_WARN, event, "sid", LOG_TEXT(sid), "limit", LOG_STR(limit), NULL);
}

const char *
sio_error_text(int error)
{
	if (error == SIO_ERR_RESERVED)
		return "the event name is reserved";
	if (error == SIO_ERR_TIMEOUT)
		return "operation has timed out";
	return error_text(error);
}

void
sio_core_stats(const struct sio_server *io, struct sio_stats *out,
	void (*each)(void *arg, struct text name, unsigned sockets), void *arg)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	memcpy(out->disconnects, io->disconnects, sizeof out->disconnects);
	out->namespaces = io->nsps.count;
	while ((node = table_next(&io->nsps, &cursor)) != NULL) {
		const struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		each(arg, sio_nsp_text(nsp), nsp->count);
	}
}

const char *
sio_core_reason_text(unsigned reason)
{
	return sio_reason_text(reason);
}
