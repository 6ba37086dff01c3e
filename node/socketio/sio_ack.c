#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_check.h"

#include <limits.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

static struct sio_ack *
ack_add(struct sio_socket *s, uint64_t id)
{
	struct sio_extra *extra = sio_socket_extra(s);
	struct sio_ack *ack;

	if (extra->acks.count >= s->nsp->io->options.max_pending_acks)
		return NULL;
	ack = mem_zalloc(sizeof *ack);
	ack->id = id;
	ack->socket = s;
	list_init(&ack->in_gather);
	table_add(&extra->acks, &ack->node, text_of((const char *)&ack->id, sizeof ack->id));
	return ack;
}

/* Removes the acknowledgement from its lists and disarms its timer. The caller frees the memory. */
static void
ack_take(struct sio_ack *ack)
{
	table_remove(&ack->socket->extra->acks, &ack->node);
	list_remove(&ack->in_gather);
	if (ack->gather == NULL)
		loop_disarm(ack->socket->nsp->io->loop, &ack->timer);
}

/* The acknowledgement has left its socket's table. The callback may destroy the socket. */
static void
ack_call_back(struct sio_ack *ack, struct sio_server *io, int error, sio_answers *answers)
{
	struct sio_underway before = sio_underway_enter(&io->underway, NULL, "acknowledgement");

	answers->socket = ack->socket;
	answers->number = ack->ask.number;
	sio_born(SIO_AN_ANSWER, answers);
	ack->ask.fn(io, error, answers, ack->ask.arg);
	sio_died(answers);
	sio_underway_leave(&io->underway, before);
}

static void
ack_timed_out(struct wheel_entry *entry)
{
	struct sio_ack *ack = container_of(entry, struct sio_ack, timer);
	struct sio_server *io = ack->socket->nsp->io;
	struct sio_answers no_answers = {0};

	ack_take(ack);
	ack_call_back(ack, io, SIO_ERR_TIMEOUT, &no_answers);
	mem_free(ack);
}

int
sio_ack_wait(struct sio_socket *s, uint64_t id, bool timed, uint32_t timeout_ms, const struct sio_asker *ask)
{
	struct sio_ack *ack = ack_add(s, id);

	if (ack == NULL) {
		sio_log_limit(&s->nsp->io->turn, "emit_refused", sio_socket_id_text(s), "max-pending-acks");
		return SIO_ERR_TOO_MANY;
	}
	wheel_entry_init(&ack->timer, ack_timed_out);
	ack->ask = *ask;
	if (timed)
		loop_arm(s->nsp->io->loop, &ack->timer, timeout_ms);
	return 0;
}

/* Makes a gather without receivers, which calls back at the end of the turn. */
void
sio_ack_refused(struct sio_socket *s, const struct sio_asker *ask)
{
	struct sio_gather *gather = sio_gather_new(s->nsp->io, ask);

	gather->refused = s;
	gather->answers.number = ask->number;
	sio_gather_end(gather, SIO_ERR_STATE);
	list_add_tail(&s->nsp->io->refused, &gather->link);
}

void
sio_ack_forget(struct sio_socket *s, const void *arg)
{
	struct table_cursor cursor = {0};
	struct list *it, *next;
	struct table_node *node;

	list_each(it, next, &s->nsp->io->refused)
	{
		struct sio_gather *gather = container_of(it, struct sio_gather, link);

		if (gather->refused == s && gather->arg == arg)
			gather->fn = NULL;
	}
	list_each(it, next, &s->nsp->io->ending)
	{
		struct sio_ack *ack = container_of(it, struct sio_ack, in_gather);

		if (ack->socket != s || ack->ask.arg != arg)
			continue;
		list_remove(&ack->in_gather);
		mem_free(ack);
	}
	while (s->extra != NULL && (node = table_next(&s->extra->acks, &cursor)) != NULL) {
		struct sio_ack *ack = container_of(node, struct sio_ack, node);

		if (ack->gather != NULL || ack->ask.arg != arg)
			continue;
		ack_take(ack);
		mem_free(ack);
	}
}

/* ---------------------------------------------------------------- gathers */

static bool
gather_is_complete(const struct sio_gather *gather)
{
	if (gather->sink != NULL)
		return list_empty(&gather->acks);
	return gather->question == 0 && gather->answered == gather->expected;
}

static void
gather_timed_out(struct wheel_entry *entry)
{
	struct sio_gather *gather = container_of(entry, struct sio_gather, timer);

	gather->error = SIO_ERR_TIMEOUT;
	sio_gather_finish(gather);
}

static void
gather_run(struct sio_job *job)
{
	sio_gather_finish(container_of(job, struct sio_gather, job));
}

struct sio_gather *
sio_gather_new(struct sio_server *io, const struct sio_asker *ask)
{
	struct sio_gather *gather = mem_zalloc(sizeof *gather);

	list_init(&gather->acks);
	list_add_tail(&io->gathers, &gather->link);
	sio_job_init(&gather->job, gather_run);
	wheel_entry_init(&gather->timer, gather_timed_out);
	gather->io = io;
	gather->fn = ask->fn;
	gather->arg = ask->arg;
	return gather;
}

struct sio_gather *
sio_gather_new_into(struct sio_server *io, const struct sio_sink *sink, void *arg)
{
	struct sio_gather *gather = sio_gather_new(io, &(struct sio_asker){.arg = arg});

	gather->sink = sink;
	return gather;
}

void
sio_gather_wait(struct sio_gather *gather, struct sio_socket *s, uint64_t id)
{
	struct sio_ack *ack = ack_add(s, id);

	gather->expected++;
	if (ack == NULL) {
		sio_log_limit(&gather->io->turn, "ack_refused", sio_socket_id_text(s), "max-pending-acks");
		return;
	}
	ack->gather = gather;
	list_add_tail(&gather->acks, &ack->in_gather);
}

void
sio_gather_start(struct sio_gather *gather, uint32_t timeout_ms)
{
	gather->deadline = gather->io->loop->now + timeout_ms;
	if (gather_is_complete(gather))
		sio_gather_end(gather, gather->error);
	else if (gather->question == 0)
		loop_arm(gather->io->loop, &gather->timer, timeout_ms);
}

/* Stops waiting for the answers of other nodes. */
static void
gather_forget_others(struct sio_gather *gather)
{
	if (gather->question != 0) {
		broker_ask_cancel(gather->io->broker, gather->question);
		gather->answers.silent = 1; /* at least one: the broker has not counted them yet */
	}
	gather->question = 0;
}

void
sio_gather_end(struct sio_gather *gather, int error)
{
	loop_disarm(gather->io->loop, &gather->timer);
	gather_forget_others(gather);
	gather->error = error;
	list_remove(&gather->link);
	sio_turn_defer(&gather->io->turn, &gather->job);
}

void
sio_gather_others(struct sio_gather *gather, int error, unsigned silent, uint64_t missing)
{
	uint64_t now = gather->io->loop->now;

	gather->question = 0;
	gather->answers.silent = silent;
	sio_silent_take(&gather->named, gather->io);
	gather->answers.missing += missing;
	if (error != 0)
		gather->error = error;
	if (gather_is_complete(gather) || error == SIO_ERR_STATE)
		sio_gather_end(gather, gather->error);
	else
		loop_arm(gather->io->loop, &gather->timer, gather->deadline > now ? gather->deadline - now : 0);
}

void
sio_gather_finish(struct sio_gather *gather)
{
	loop_disarm(gather->io->loop, &gather->timer);
	gather_forget_others(gather);
	list_remove(&gather->link);
	sio_job_cancel(&gather->job);
	/* from here on, a late answer has an unknown id and is ignored */
	while (!list_empty(&gather->acks)) {
		struct sio_ack *ack = container_of(gather->acks.next, struct sio_ack, in_gather);

		ack_take(ack);
		mem_free(ack);
	}
	gather->answers.missing += gather->expected - gather->answered;
	if (gather->fn != NULL) {
		struct sio_underway before = sio_underway_enter(&gather->io->underway, NULL, "acknowledgement");

		sio_born(SIO_AN_ANSWER, &gather->answers);
		gather->io->silent = &gather->named;
		gather->fn(gather->io, gather->error, &gather->answers, gather->arg);
		gather->io->silent = NULL;
		sio_died(&gather->answers);
		sio_underway_leave(&gather->io->underway, before);
	}
	if (gather->sink != NULL)
		gather->sink->end(gather->arg);
	for (unsigned i = 0; i < gather->answers.count; i++)
		sio_stored_unref(gather->answers.stored[i]);
	mem_free(gather->answers.stored);
	sio_silent_fini(&gather->named);
	mem_free(gather);
}

static bool
gather_has_room(struct sio_gather *gather, struct text json, const struct attachments *attachments)
{
	size_t bytes = json.n + sizeof(struct sio_stored);

	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		bytes += attachments->blocks[i]->len;
	if (gather->bytes + bytes > SIO_GATHER_BYTES) {
		sio_log_limit(&gather->io->turn, "answer_dropped", TEXT_NONE, "bytes of answers to one broadcast");
		return false;
	}
	gather->bytes += bytes;
	return true;
}

/* Counts an answer that cannot be stored as missing. */
static int
gather_drop_answer(struct sio_gather *gather, int error)
{
	gather->answers.missing++;
	gather->error = error;
	return error;
}

int
sio_gather_add(struct sio_gather *gather, struct text json, const struct attachments *attachments)
{
	struct sio_stored *stored = NULL;

	if (!gather_has_room(gather, json, attachments))
		return gather_drop_answer(gather, SIO_ERR_TOO_BIG);
	if (gather->answers.count == gather->size) {
		unsigned size = gather->size == 0 ? 8 : gather->size * 2;
		struct sio_stored **grown = mem_try_realloc(gather->answers.stored, size * sizeof *grown);

		if (grown == NULL)
			return gather_drop_answer(gather, SIO_ERR_SYSTEM);
		gather->answers.stored = grown;
		gather->size = size;
	}
	if (json.at != NULL && (stored = sio_stored_new(json, attachments)) == NULL)
		return gather_drop_answer(gather, SIO_ERR_SYSTEM);
	gather->answers.stored[gather->answers.count++] = stored;
	return 0;
}

/* Adds the answer of a socket of this node. May call the application. */
static void
gather_answer(struct sio_gather *gather, struct sio_socket *s, const struct sio_packet *packet)
{
	gather->answered++;
	if (gather->sink != NULL)
		gather->sink->answer(gather->arg, s, packet);
	else if (sio_gather_add(gather, packet->argc != 0 ? packet->args[0] : TEXT_NONE, packet->blocks) ==
		 SIO_ERR_SYSTEM)
		sio_client_no_memory(s->client);
	/* No answer arrives while receivers are still being counted, because no up-call sends. */
	if (gather_is_complete(gather))
		sio_gather_finish(gather);
}

/* -------------------------------------------------------------- receiving */

static struct sio_ack *
ack_find(const struct sio_socket *s, uint64_t id)
{
	struct table_node *node = NULL;

	if (s->extra != NULL && s->extra->acks.count != 0)
		node = table_find(&s->extra->acks, text_of((const char *)&id, sizeof id));
	return node != NULL ? container_of(node, struct sio_ack, node) : NULL;
}

void
sio_ack_receive(struct sio_socket *s, const struct sio_packet *packet)
{
	struct sio_ack *ack = packet->has_id ? ack_find(s, packet->id) : NULL;
	struct sio_client *c = s->client;
	struct sio_value_owner owner;
	struct sio_answers answers;

	if (ack == NULL)
		return;
	ack_take(ack);
	if (ack->gather != NULL) {
		gather_answer(ack->gather, s, packet);
	} else {
		sio_value_owner_init(&owner, packet->data, packet->blocks);
		answers = (struct sio_answers){.count = packet->argc, .args = packet->args, .owner = &owner};
		ack_call_back(ack, s->nsp->io, 0, &answers);
		if (owner.no_memory)
			sio_client_no_memory(c);
		sio_value_owner_fini(&owner);
	}
	mem_free(ack);
}

void
sio_ack_abandon(struct sio_socket *s)
{
	struct sio_server *io = s->nsp->io;
	struct table_cursor cursor = {0};
	struct table_node *node;

	if (s->extra == NULL)
		return;
	while ((node = table_next(&s->extra->acks, &cursor)) != NULL) {
		struct sio_ack *ack = container_of(node, struct sio_ack, node);

		ack_take(ack);
		if (ack->gather == NULL) {
			list_add_tail(&io->ending, &ack->in_gather);
			continue;
		}
		/* a sink ends when no socket is left that could answer; other gathers wait for their timeout */
		if (ack->gather->sink != NULL && gather_is_complete(ack->gather))
			sio_gather_end(ack->gather, 0);
		mem_free(ack);
	}
	while (!list_empty(&io->ending)) {
		struct sio_ack *ack = container_of(io->ending.next, struct sio_ack, in_gather);

		list_remove(&ack->in_gather);
		ack_call_back(ack, io, SIO_ERR_STATE, &(struct sio_answers){0});
		mem_free(ack);
	}
}

unsigned
sio_answers_count(const sio_answers *answers)
{
	SIO_NEEDS(SIO_AN_ANSWER, answers, 0);
	return answers->count;
}

unsigned
sio_answers_silent(const sio_answers *answers)
{
	SIO_NEEDS(SIO_AN_ANSWER, answers, 0);
	return answers->silent;
}

unsigned
sio_answers_missing(const sio_answers *answers)
{
	SIO_NEEDS(SIO_AN_ANSWER, answers, 0);
	return answers->missing > UINT_MAX ? UINT_MAX : (unsigned)answers->missing;
}

sio_value
sio_answer(const sio_answers *answers, unsigned index)
{
	SIO_NEEDS(SIO_AN_ANSWER, answers, sio_value_none());
	if (index >= answers->count)
		return sio_value_none();
	if (answers->stored != NULL)
		return sio_stored_value(answers->stored[index]);
	return sio_value_make(answers->args[index], answers->owner);
}
