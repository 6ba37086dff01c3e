#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_check.h"

#include <limits.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

static struct sio_ack *
ack_add(struct sio_socket *s, uint64_t id)
{
	struct sio_extra *x = sio_socket_extra(s);
	struct sio_ack *a;

	if (x->acks.count >= s->nsp->io->options.max_pending_acks)
		return NULL;
	a = mem_zalloc(sizeof *a);
	a->id = id;
	a->socket = s;
	list_init(&a->in_gather);
	table_add(&x->acks, &a->node, text_of((const char *)&a->id, sizeof a->id));
	return a;
}

/* Takes it out of everything; the memory stays the caller's. */
static void
ack_take(struct sio_ack *a)
{
	table_remove(&a->socket->extra->acks, &a->node);
	list_remove(&a->in_gather);
	if (a->gather == NULL)
		loop_disarm(a->socket->nsp->io->loop, &a->timer);
}

/* By then the acknowledgement is not its socket's any more, which may be gone. */
static void
call_back(struct sio_ack *a, struct sio_server *io, int error, sio_answers *answers)
{
	struct sio_underway before = sio_underway_enter(&io->underway, NULL, "acknowledgement");

	answers->socket = a->socket;
	answers->number = a->ask.number;
	sio_born(SIO_AN_ANSWER, answers);
	a->ask.fn(io, error, answers, a->ask.arg);
	sio_died(answers);
	sio_underway_leave(&io->underway, before);
}

static void
ack_timed_out(struct wheel_entry *entry)
{
	struct sio_ack *a = container_of(entry, struct sio_ack, timer);
	struct sio_server *io = a->socket->nsp->io;
	struct sio_answers none = {0};

	ack_take(a);
	call_back(a, io, SIO_ERR_TIMEOUT, &none);
	mem_free(a);
}

int
sio_ack_wait(struct sio_socket *s, uint64_t id, bool timed, uint32_t timeout_ms, const struct sio_asker *ask)
{
	struct sio_ack *a = ack_add(s, id);

	if (a == NULL) {
		sio_log_limit(&s->nsp->io->turn, "emit-refused", text_of(s->id, SIO_ID_LENGTH), "max-pending-acks");
		return SIO_ERR_TOO_MANY;
	}
	wheel_entry_init(&a->timer, ack_timed_out);
	a->ask = *ask;
	if (timed)
		loop_arm(s->nsp->io->loop, &a->timer, timeout_ms);
	return 0;
}

/* As a gather of nobody: it ends at the end of the turn. */
void
sio_ack_refused(struct sio_socket *s, const struct sio_asker *ask)
{
	struct sio_gather *g = sio_gather_new(s->nsp->io, ask);

	g->refused = s;
	g->answers.number = ask->number;
	sio_gather_end(g, SIO_ERR_STATE);
	list_add_tail(&s->nsp->io->refused, &g->link);
}

void
sio_ack_forget(struct sio_socket *s, const void *arg)
{
	struct table_cursor cursor = {0};
	struct list *it, *next;
	struct table_node *n;

	list_each(it, next, &s->nsp->io->refused)
	{
		struct sio_gather *g = container_of(it, struct sio_gather, link);

		if (g->refused == s && g->arg == arg)
			g->fn = NULL;
	}
	list_each(it, next, &s->nsp->io->ending)
	{
		struct sio_ack *a = container_of(it, struct sio_ack, in_gather);

		if (a->socket != s || a->ask.arg != arg)
			continue;
		list_remove(&a->in_gather);
		mem_free(a);
	}
	while (s->extra != NULL && (n = table_next(&s->extra->acks, &cursor)) != NULL) {
		struct sio_ack *a = container_of(n, struct sio_ack, node);

		if (a->gather != NULL || a->ask.arg != arg)
			continue;
		ack_take(a);
		mem_free(a);
	}
}

/* ---------------------------------------------------------------- gathers */

static bool
complete(const struct sio_gather *g)
{
	if (g->sink != NULL)
		return list_empty(&g->acks);
	return g->question == 0 && g->answered == g->expected;
}

static void
gather_timed_out(struct wheel_entry *entry)
{
	struct sio_gather *g = container_of(entry, struct sio_gather, timer);

	g->error = SIO_ERR_TIMEOUT;
	sio_gather_finish(g);
}

static void
gather_run(struct sio_job *job)
{
	sio_gather_finish(container_of(job, struct sio_gather, job));
}

struct sio_gather *
sio_gather_new(struct sio_server *io, const struct sio_asker *ask)
{
	struct sio_gather *g = mem_zalloc(sizeof *g);

	list_init(&g->acks);
	list_add_tail(&io->gathers, &g->link);
	sio_job_init(&g->job, gather_run);
	wheel_entry_init(&g->timer, gather_timed_out);
	g->io = io;
	g->fn = ask->fn;
	g->arg = ask->arg;
	return g;
}

struct sio_gather *
sio_gather_new_into(struct sio_server *io, const struct sio_sink *sink, void *arg)
{
	struct sio_gather *g = sio_gather_new(io, &(struct sio_asker){.arg = arg});

	g->sink = sink;
	return g;
}

void
sio_gather_wait(struct sio_gather *g, struct sio_socket *s, uint64_t id)
{
	struct sio_ack *a = ack_add(s, id);

	g->expected++;
	if (a == NULL) {
		sio_log_limit(&g->io->turn, "ack-refused", text_of(s->id, SIO_ID_LENGTH), "max-pending-acks");
		return;
	}
	a->gather = g;
	list_add_tail(&g->acks, &a->in_gather);
}

void
sio_gather_start(struct sio_gather *g, uint32_t timeout_ms)
{
	g->deadline = g->io->loop->now + timeout_ms;
	if (complete(g))
		sio_gather_end(g, g->error);
	else if (g->question == 0)
		loop_arm(g->io->loop, &g->timer, timeout_ms);
}

/* Nothing more is heard of the other nodes. */
static void
forget_others(struct sio_gather *g)
{
	if (g->question != 0) {
		broker_ask_cancel(g->io->broker, g->question);
		g->answers.silent = 1; /* at least */
	}
	g->question = 0;
}

void
sio_gather_end(struct sio_gather *g, int error)
{
	loop_disarm(g->io->loop, &g->timer);
	forget_others(g);
	g->error = error;
	list_remove(&g->link);
	sio_turn_defer(&g->io->turn, &g->job);
}

void
sio_gather_others(struct sio_gather *g, int error, unsigned silent, uint64_t missing)
{
	uint64_t now = g->io->loop->now;

	g->question = 0;
	g->answers.silent = silent;
	g->answers.missing += missing;
	if (error != 0)
		g->error = error;
	if (complete(g) || error == SIO_ERR_STATE)
		sio_gather_end(g, g->error);
	else
		loop_arm(g->io->loop, &g->timer, g->deadline > now ? g->deadline - now : 0);
}

void
sio_gather_finish(struct sio_gather *g)
{
	loop_disarm(g->io->loop, &g->timer);
	forget_others(g);
	list_remove(&g->link);
	sio_job_cancel(&g->job);
	/* late answers are ignored like unknown ids */
	while (!list_empty(&g->acks)) {
		struct sio_ack *a = container_of(g->acks.next, struct sio_ack, in_gather);

		ack_take(a);
		mem_free(a);
	}
	g->answers.missing += g->expected - g->answered;
	if (g->fn != NULL) {
		struct sio_underway before = sio_underway_enter(&g->io->underway, NULL, "acknowledgement");

		sio_born(SIO_AN_ANSWER, &g->answers);
		g->fn(g->io, g->error, &g->answers, g->arg);
		sio_died(&g->answers);
		sio_underway_leave(&g->io->underway, before);
	}
	if (g->sink != NULL)
		g->sink->end(g->arg);
	for (unsigned i = 0; i < g->answers.count; i++)
		sio_stored_free(g->answers.stored[i]);
	mem_free(g->answers.stored);
	mem_free(g);
}

static bool
fits(struct sio_gather *g, struct text json, const struct attachments *attachments)
{
	size_t bytes = json.n + sizeof(struct sio_stored);

	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		bytes += attachments->blocks[i]->len;
	if (g->bytes + bytes > SIO_GATHER_BYTES) {
		sio_log_limit(&g->io->turn, "answer-dropped", TEXT_NONE, "bytes of answers to one broadcast");
		return false;
	}
	g->bytes += bytes;
	return true;
}

/* The answer counts as missing. */
static int
not_kept(struct sio_gather *g, int error)
{
	g->answers.missing++;
	g->error = error;
	return error;
}

int
sio_gather_add(struct sio_gather *g, struct text json, const struct attachments *attachments)
{
	struct sio_stored *stored = NULL;

	if (!fits(g, json, attachments))
		return not_kept(g, SIO_ERR_TOO_BIG);
	if (g->answers.count == g->size) {
		unsigned size = g->size == 0 ? 8 : g->size * 2;
		struct sio_stored **grown = mem_try_realloc(g->answers.stored, size * sizeof *grown);

		if (grown == NULL)
			return not_kept(g, SIO_ERR_SYSTEM);
		g->answers.stored = grown;
		g->size = size;
	}
	if (json.at != NULL && (stored = sio_stored_new(json, attachments)) == NULL)
		return not_kept(g, SIO_ERR_SYSTEM);
	g->answers.stored[g->answers.count++] = stored;
	return 0;
}

/* A socket of this node has answered. May make the up-call. */
static void
gather_answer(struct sio_gather *g, struct sio_socket *s, const struct sio_packet *packet)
{
	g->answered++;
	if (g->sink != NULL)
		g->sink->answer(g->arg, s, packet);
	else if (sio_gather_add(g, packet->argc != 0 ? packet->args[0] : TEXT_NONE, packet->blocks) == SIO_ERR_SYSTEM)
		sio_client_no_memory(s->client);
	/* an answer that came at once, while receivers are still being counted, cannot end it: no up-call sends */
	if (complete(g))
		sio_gather_finish(g);
}

/* -------------------------------------------------------------- receiving */

static struct sio_ack *
ack_find(const struct sio_socket *s, uint64_t id)
{
	struct table_node *n = NULL;

	if (s->extra != NULL && s->extra->acks.count != 0)
		n = table_find(&s->extra->acks, text_of((const char *)&id, sizeof id));
	return n != NULL ? container_of(n, struct sio_ack, node) : NULL;
}

void
sio_ack_receive(struct sio_socket *s, const struct sio_packet *packet)
{
	struct sio_ack *a = packet->has_id ? ack_find(s, packet->id) : NULL;
	struct sio_client *c = s->client;
	struct sio_value_owner owner;
	struct sio_answers answers;

	if (a == NULL)
		return;
	ack_take(a);
	if (a->gather != NULL) {
		gather_answer(a->gather, s, packet);
	} else {
		sio_value_owner_init(&owner, packet->data, packet->blocks);
		answers = (struct sio_answers){.count = packet->argc, .args = packet->args, .owner = &owner};
		call_back(a, s->nsp->io, 0, &answers);
		if (owner.no_memory)
			sio_client_no_memory(c);
		sio_value_owner_fini(&owner);
	}
	mem_free(a);
}

void
sio_ack_abandon(struct sio_socket *s)
{
	struct sio_server *io = s->nsp->io;
	struct table_cursor cursor = {0};
	struct table_node *n;

	if (s->extra == NULL)
		return;
	while ((n = table_next(&s->extra->acks, &cursor)) != NULL) {
		struct sio_ack *a = container_of(n, struct sio_ack, node);

		ack_take(a);
		if (a->gather == NULL) {
			list_add_tail(&io->ending, &a->in_gather);
			continue;
		}
		/* a sink asks no more than who is there; the application's waits for its timeout */
		if (a->gather->sink != NULL && complete(a->gather))
			sio_gather_end(a->gather, 0);
		mem_free(a);
	}
	while (!list_empty(&io->ending)) {
		struct sio_ack *a = container_of(io->ending.next, struct sio_ack, in_gather);

		list_remove(&a->in_gather);
		call_back(a, io, SIO_ERR_STATE, &(struct sio_answers){0});
		mem_free(a);
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
