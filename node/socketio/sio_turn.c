#include "node/socketio/sio_turn.h"

#include "common/base/mem.h"

#define HEAD_MAX (64 * 1024) /* bytes of a packet's head: digits and a namespace name */
#define SELECTION_KEPT 8192  /* a selection with room for more sockets is freed after use */
#define LOG_LINES_PER_SECOND 10

struct sio_turn_text {
	struct sio_turn_text *next;
	struct sio_value_owner owner; /* json.at NULL: no value */
	char bytes[];
};

static void
jobs_run(struct list *jobs)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, jobs);
	while (!list_empty(&now)) {
		struct sio_job *job = container_of(now.next, struct sio_job, link);

		list_remove(&job->link);
		job->run(job);
	}
}

static void
turn_free_texts(struct sio_turn *turn)
{
	struct sio_turn_text *text;
	struct sio_turn_object *held;

	while ((text = turn->texts) != NULL) {
		turn->texts = text->next;
		if (text->owner.json.at != NULL) {
			if (text->owner.no_memory)
				loop_count_no_memory(turn->loop);
			sio_value_owner_fini(&text->owner);
		}
		mem_free(text);
	}
	while ((held = turn->held) != NULL) {
		turn->held = held->next;
		held->free(held);
	}
}

bool
sio_turn_run(struct sio_turn *turn)
{
	jobs_run(&turn->jobs);
	jobs_run(&turn->last);
	turn_free_texts(turn);
	if (list_empty(&turn->jobs) && list_empty(&turn->last))
		return false;
	loop_defer(turn->loop, &turn->end);
	return true;
}

static void
turn_on_end(struct loop_call *call)
{
	(void)sio_turn_run(container_of(call, struct sio_turn, end));
}

static void
turn_on_next(struct loop_call *call)
{
	struct sio_turn *turn = container_of(call, struct sio_turn, next);

	list_move_all(&turn->jobs, &turn->later);
	loop_defer(turn->loop, &turn->end);
}

void
sio_turn_init(struct sio_turn *turn, struct loop *l, size_t max_payload)
{
	turn->loop = l;
	turn->max_payload = max_payload;
	loop_call_init(&turn->end, turn_on_end);
	loop_call_init(&turn->next, turn_on_next);
	list_init(&turn->jobs);
	list_init(&turn->later);
	list_init(&turn->last);
}

void
sio_turn_fini(struct sio_turn *turn)
{
	struct sio_scratch *scratch;

	loop_call_cancel(&turn->end);
	loop_call_cancel(&turn->next);
	turn_free_texts(turn);
	while ((scratch = turn->scratch) != NULL) {
		turn->scratch = scratch->next;
		sio_payload_fini(&scratch->payload);
		buffer_fini(&scratch->head);
		mem_free(scratch->selection.at);
		mem_free(scratch);
	}
}

void
sio_turn_limit(struct sio_turn *turn, size_t max_payload)
{
	turn->max_payload = max_payload;
	for (struct sio_scratch *scratch = turn->scratch; scratch != NULL; scratch = scratch->next)
		scratch->payload.json.max = max_payload;
}

/* ------------------------------------------------------------------- jobs */

void
sio_job_init(struct sio_job *job, void (*run)(struct sio_job *job))
{
	list_init(&job->link);
	job->run = run;
}

static void
turn_queue_job(struct sio_turn *turn, struct list *jobs, struct sio_job *job)
{
	if (!list_empty(&job->link))
		return;
	list_add_tail(jobs, &job->link);
	loop_defer(turn->loop, &turn->end);
}

void
sio_turn_defer(struct sio_turn *turn, struct sio_job *job)
{
	turn_queue_job(turn, &turn->jobs, job);
}

void
sio_turn_defer_next(struct sio_turn *turn, struct sio_job *job)
{
	if (!list_empty(&job->link))
		return;
	list_add_tail(&turn->later, &job->link);
	loop_defer_next(turn->loop, &turn->next);
}

void
sio_turn_defer_last(struct sio_turn *turn, struct sio_job *job)
{
	turn_queue_job(turn, &turn->last, job);
}

void
sio_job_cancel(struct sio_job *job)
{
	list_remove(&job->link);
}

/* ------------------------------------------------------------------ texts */

/* Returns NULL if memory is short, except for n == 0. */
static struct sio_turn_text *
turn_new_text(struct sio_turn *turn, size_t n)
{
	struct sio_turn_text *text = n == 0 ? mem_alloc(sizeof *text) : mem_try_alloc(sizeof *text + n);

	if (text == NULL)
		return NULL;
	text->owner = (struct sio_value_owner){0};
	text->next = turn->texts;
	turn->texts = text;
	loop_defer(turn->loop, &turn->end);
	return text;
}

char *
sio_turn_room(struct sio_turn *turn, size_t n)
{
	struct sio_turn_text *text = turn_new_text(turn, n);

	return text != NULL ? text->bytes : NULL;
}

const char *
sio_turn_copy(struct sio_turn *turn, struct text text)
{
	char *copy = sio_turn_room(turn, text.n + 1);

	if (copy == NULL)
		return NULL;
	if (text.n != 0)
		memcpy(copy, text.at, text.n);
	copy[text.n] = '\0';
	return copy;
}

sio_value
sio_turn_value(struct sio_turn *turn, struct text json)
{
	struct sio_turn_text *text = turn_new_text(turn, 0);

	sio_value_owner_init(&text->owner, json, NULL);
	return sio_value_make(json, &text->owner);
}

void
sio_turn_hold(struct sio_turn *turn, struct sio_turn_object *held, void (*free)(struct sio_turn_object *held))
{
	held->free = free;
	held->next = turn->held;
	turn->held = held;
	loop_defer(turn->loop, &turn->end);
}

/* ---------------------------------------------------------------- scratch */

struct sio_scratch *
sio_scratch_take(struct sio_turn *turn)
{
	struct sio_scratch *scratch = turn->scratch;

	if (scratch == NULL) {
		scratch = mem_zalloc(sizeof *scratch);
		sio_payload_init(&scratch->payload, turn->max_payload);
		buffer_init(&scratch->head, HEAD_MAX);
		return scratch;
	}
	turn->scratch = scratch->next;
	return scratch;
}

void
sio_scratch_give(struct sio_turn *turn, struct sio_scratch *scratch)
{
	attachments_fini(&scratch->payload.attachments);
	attachments_init(&scratch->payload.attachments);
	if (scratch->payload.json.size > SIO_SCRATCH_KEPT) {
		buffer_fini(&scratch->payload.json);
		buffer_init(&scratch->payload.json, turn->max_payload);
	}
	buffer_reset(&scratch->payload.json);
	scratch->payload.late.values.at = NULL;
	buffer_reset(&scratch->head);
	if (scratch->selection.size > SELECTION_KEPT) {
		mem_free(scratch->selection.at);
		scratch->selection = (struct sio_selection){0};
	}
	scratch->next = turn->scratch;
	turn->scratch = scratch;
}

void
sio_log_limit(struct sio_turn *turn, const char *event, struct text sid, const char *limit)
{
	if (!log_allow(&turn->log_limit, LOG_LINES_PER_SECOND, turn->loop->now))
		return;
	/* the engine's sid is a secret; its beginning is enough to follow a client through the log */
	sid.n = sid.n > 8 ? 8 : sid.n;
	log_event(LOG_WARN, event, "sid", LOG_TEXT(sid), "limit", LOG_STR(limit), NULL);
}
