#include "node/socketio/sio_turn.h"

#include "common/base/mem.h"

#define HEAD_MAX (64 * 1024) /* a packet's head: digits and a namespace name */
#define SELECTION_KEPT 8192  /* sockets */
#define LOG_LINES_PER_SECOND 10

struct sio_turn_text {
	struct sio_turn_text *next;
	struct sio_value_owner owner; /* json.at NULL: no value */
	char bytes[];
};

static void
run_all(struct list *jobs)
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
texts_free(struct sio_turn *t)
{
	struct sio_turn_text *text;

	while ((text = t->texts) != NULL) {
		t->texts = text->next;
		if (text->owner.json.at != NULL) {
			if (text->owner.no_memory)
				loop_count_no_memory(t->loop);
			sio_value_owner_fini(&text->owner);
		}
		mem_free(text);
	}
}

bool
sio_turn_run(struct sio_turn *t)
{
	run_all(&t->jobs);
	run_all(&t->last);
	texts_free(t);
	if (list_empty(&t->jobs) && list_empty(&t->last))
		return false;
	loop_defer(t->loop, &t->end);
	return true;
}

static void
on_end(struct loop_call *call)
{
	(void)sio_turn_run(container_of(call, struct sio_turn, end));
}

void
sio_turn_init(struct sio_turn *t, struct loop *l, size_t max_payload)
{
	t->loop = l;
	t->max_payload = max_payload;
	loop_call_init(&t->end, on_end);
	list_init(&t->jobs);
	list_init(&t->last);
}

void
sio_turn_fini(struct sio_turn *t)
{
	struct sio_scratch *s;

	loop_call_cancel(&t->end);
	texts_free(t);
	while ((s = t->scratch) != NULL) {
		t->scratch = s->next;
		sio_payload_fini(&s->payload);
		buffer_fini(&s->head);
		mem_free(s->selection.at);
		mem_free(s);
	}
}

void
sio_turn_limit(struct sio_turn *t, size_t max_payload)
{
	t->max_payload = max_payload;
	for (struct sio_scratch *s = t->scratch; s != NULL; s = s->next)
		s->payload.json.max = max_payload;
}

/* ------------------------------------------------------------------- jobs */

void
sio_job_init(struct sio_job *job, void (*run)(struct sio_job *job))
{
	list_init(&job->link);
	job->run = run;
}

static void
queue(struct sio_turn *t, struct list *jobs, struct sio_job *job)
{
	if (!list_empty(&job->link))
		return;
	list_add_tail(jobs, &job->link);
	loop_defer(t->loop, &t->end);
}

void
sio_turn_defer(struct sio_turn *t, struct sio_job *job)
{
	queue(t, &t->jobs, job);
}

void
sio_turn_defer_last(struct sio_turn *t, struct sio_job *job)
{
	queue(t, &t->last, job);
}

void
sio_job_cancel(struct sio_job *job)
{
	list_remove(&job->link);
}

/* ------------------------------------------------------------------ texts */

/* NULL: there is no memory for it; not for n == 0. */
static struct sio_turn_text *
text_new(struct sio_turn *t, size_t n)
{
	struct sio_turn_text *text = n == 0 ? mem_alloc(sizeof *text) : mem_try_alloc(sizeof *text + n);

	if (text == NULL)
		return NULL;
	text->owner = (struct sio_value_owner){0};
	text->next = t->texts;
	t->texts = text;
	loop_defer(t->loop, &t->end);
	return text;
}

char *
sio_turn_room(struct sio_turn *t, size_t n)
{
	struct sio_turn_text *text = text_new(t, n);

	return text != NULL ? text->bytes : NULL;
}

const char *
sio_turn_copy(struct sio_turn *t, struct text text)
{
	char *copy = sio_turn_room(t, text.n + 1);

	if (copy == NULL)
		return NULL;
	if (text.n != 0)
		memcpy(copy, text.at, text.n);
	copy[text.n] = '\0';
	return copy;
}

sio_value
sio_turn_value(struct sio_turn *t, struct text json)
{
	struct sio_turn_text *text = text_new(t, 0);

	sio_value_owner_init(&text->owner, json, NULL);
	return sio_value_make(json, &text->owner);
}

/* ---------------------------------------------------------------- scratch */

struct sio_scratch *
sio_scratch_take(struct sio_turn *t)
{
	struct sio_scratch *s = t->scratch;

	if (s == NULL) {
		s = mem_zalloc(sizeof *s);
		sio_payload_init(&s->payload, t->max_payload);
		buffer_init(&s->head, HEAD_MAX);
		return s;
	}
	t->scratch = s->next;
	return s;
}

void
sio_scratch_give(struct sio_turn *t, struct sio_scratch *s)
{
	attachments_fini(&s->payload.attachments);
	attachments_init(&s->payload.attachments);
	if (s->payload.json.size > SIO_SCRATCH_KEPT) {
		buffer_fini(&s->payload.json);
		buffer_init(&s->payload.json, t->max_payload);
	}
	buffer_reset(&s->payload.json);
	buffer_reset(&s->head);
	if (s->selection.size > SELECTION_KEPT) {
		mem_free(s->selection.at);
		s->selection = (struct sio_selection){0};
	}
	s->next = t->scratch;
	t->scratch = s;
}

void
sio_log_limit(struct sio_turn *t, const char *event, struct text sid, const char *limit)
{
	if (!log_allow(&t->log_limit, LOG_LINES_PER_SECOND, t->loop->now))
		return;
	/* the engine's sid is a secret: its beginning is enough to follow a client through the log */
	sid.n = sid.n > 8 ? 8 : sid.n;
	log_event(LOG_WARN, event, "sid", LOG_TEXT(sid), "limit", LOG_STR(limit), NULL);
}
