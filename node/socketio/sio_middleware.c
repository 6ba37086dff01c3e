/*
 * Steps, and the two chains of middlewares. A chain is a loop, not a recursion: a function that answers at once
 * returns into the loop that called it.
 */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_step.h"

/* The up-call; the step may be answered in it, which queues it again. */
static void
tell_gone(struct sio_step *step)
{
	void (*fn)(struct sio_step * step, void *arg) = step->on_gone;
	struct sio_underway before = sio_underway_enter(&step->io->underway, NULL, "gone");

	step->on_gone = NULL;
	fn(step, step->on_gone_arg);
	sio_underway_leave(&step->io->underway, before);
}

static void
step_run(struct sio_job *job)
{
	struct sio_step *step = container_of(job, struct sio_step, job);

	if (step->answered)
		step->go(step);
	else if (step->on_gone != NULL)
		tell_gone(step);
}

struct sio_step *
sio_step_new(struct sio_server *io, unsigned count, void (*go)(struct sio_step *step))
{
	struct sio_step *step = mem_zalloc(sizeof *step + count * sizeof step->fns[0]);

	step->io = io;
	step->go = go;
	sio_job_init(&step->job, step_run);
	list_init(&step->owned);
	list_add_tail(&io->steps, &step->all);
	return step;
}

static void
forget_refusal(struct sio_step *step)
{
	mem_free(step->message);
	mem_free(step->data);
	step->message = NULL;
	step->data = NULL;
	step->data_len = 0;
	step->refused = false;
}

void
sio_step_free(struct sio_step *step)
{
	list_remove(&step->all);
	sio_job_cancel(&step->job);
	list_remove(&step->owned);
	forget_refusal(step);
	if (step->made != NULL)
		sio_nsp_unused(step->made);
	if (step->event != NULL)
		sio_event_release(step->event);
	mem_free((char *)step->nsp.at);
	mem_free(step);
}

void
sio_step_add(struct sio_step *step, const struct sio_listeners *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (l->at[i].fn != NULL)
			step->fns[step->count++] = l->at[i];
	}
}

static void
answered(struct sio_step *step)
{
	step->answered = true;
	if (step->running)
		return;
	sio_turn_defer(&step->io->turn, &step->job);
}

void
sio_next(sio_step *step)
{
	if (step->answered)
		return;
	answered(step);
	if (step->nsp.at != NULL)
		sio_parent_allowed(step);
}

sio_socket *
sio_step_socket(const sio_step *step)
{
	return step->socket;
}

int
sio_step_on_gone(sio_step *step, void (*fn)(sio_step *step, void *arg), void *arg)
{
	if (step->answered || step->pending != NULL)
		return SIO_ERR_STATE;
	step->on_gone = fn;
	step->on_gone_arg = arg;
	if (step->socket == NULL && step->client == NULL)
		sio_step_orphan(step);
	return 0;
}

void
sio_step_orphan(struct sio_step *step)
{
	list_remove(&step->owned);
	step->socket = NULL;
	step->client = NULL;
	if (step->on_gone != NULL)
		sio_turn_defer(&step->io->turn, &step->job);
}

int
sio_refuse(sio_step *step, const char *message, const char *format, ...)
{
	struct sio_scratch *scratch;
	va_list args;
	int rc = 0;

	if (step->answered)
		return SIO_ERR_STATE;
	forget_refusal(step);
	step->refused = true;
	if (message != NULL)
		step->message = mem_text(message, strlen(message));
	if (format != NULL) {
		scratch = sio_scratch_take(&step->io->turn);
		va_start(args, format);
		rc = sio_pack_data(&scratch->payload, format, args);
		va_end(args);
		/* a CONNECT_ERROR packet has no attachments */
		if (rc == 0 && scratch->payload.attachments.count != 0)
			rc = SIO_ERR_ARGUMENT;
		if (rc == 0 && scratch->payload.json.len != 0) {
			step->data_len = scratch->payload.json.len;
			step->data = mem_copy(scratch->payload.json.data, step->data_len);
		}
		sio_scratch_give(&step->io->turn, scratch);
	}
	answered(step);
	return rc;
}

static const char *
message_of(const struct sio_step *step)
{
	return step->message != NULL ? step->message : "";
}

/* ------------------------------------------------- before a socket connects */

static void
connect_go(struct sio_step *step)
{
	struct sio_socket *s = step->socket;

	while (s != NULL && !step->refused && step->next < step->count) {
		struct sio_listener l = step->fns[step->next++];
		struct sio_underway before;

		step->answered = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, s->nsp->name, "middleware");
		((sio_middleware_fn *)l.fn)(s, step, l.arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered)
			return;
		s = step->socket;
	}
	if (s != NULL) {
		list_remove(&step->owned);
		if (step->refused)
			sio_connect_refuse(s, message_of(step), text_of(step->data, step->data_len));
		else
			sio_connect_accept(s);
	}
	sio_step_free(step);
}

void
sio_middleware_connect(struct sio_socket *s)
{
	const struct sio_nsp *nsp = s->nsp, *parent = nsp->parent;
	unsigned count = nsp->use.count + (parent != NULL ? parent->use.count : 0);
	struct sio_step *step;

	if (count == 0) {
		sio_connect_accept(s);
		return;
	}
	step = sio_step_new(nsp->io, count, connect_go);
	step->socket = s;
	if (parent != NULL)
		sio_step_add(step, &parent->use);
	sio_step_add(step, &nsp->use);
	list_add_tail(&sio_socket_extra(s)->steps, &step->owned);
	connect_go(step);
}

/* ------------------------------------------------------ before the listeners */

/* True: all have passed. False: refused, or an answer is missing. The step stays the caller's, unless it waits. */
static bool
event_ask(struct sio_step *step, struct sio_event *event)
{
	struct sio_socket *s;

	while ((s = step->socket) != NULL && step->next < step->count) {
		struct sio_listener l = step->fns[step->next++];
		struct sio_underway before;

		step->answered = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, s->nsp->name, event->name.at);
		((sio_event_middleware_fn *)l.fn)(s, event, step, l.arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered || step->refused)
			return false;
	}
	return s != NULL;
}

static void
event_go(struct sio_step *step)
{
	bool passed = !step->refused && event_ask(step, step->event);
	struct sio_socket *s = step->socket;

	if (!step->answered)
		return;
	if (s != NULL && passed)
		sio_event_dispatch(step->event);
	else if (s != NULL && step->refused)
		sio_socket_error(s, message_of(step));
	sio_step_free(step);
}

bool
sio_middleware_event(struct sio_socket *s, struct sio_event *event)
{
	struct sio_nsp *nsp = s->nsp, *parent = nsp->parent;
	unsigned count = nsp->use_events.count + (parent != NULL ? parent->use_events.count : 0);
	struct sio_step *step;
	bool passed;

	count += s->extra != NULL ? s->extra->use.count : 0;
	if (count == 0)
		return true;
	step = sio_step_new(nsp->io, count, event_go);
	step->socket = s;
	if (parent != NULL)
		sio_step_add(step, &parent->use_events);
	sio_step_add(step, &nsp->use_events);
	if (s->extra != NULL)
		sio_step_add(step, &s->extra->use);
	list_add_tail(&sio_socket_extra(s)->steps, &step->owned);
	passed = event_ask(step, event);
	if (!step->answered) {
		step->event = sio_event_keep(event);
		return false;
	}
	if (step->refused)
		sio_socket_error(s, message_of(step));
	sio_step_free(step);
	return passed;
}

void
sio_use(sio_nsp *nsp, sio_middleware_fn *fn, void *arg)
{
	sio_listeners_add(&nsp->use, (sio_any_fn *)fn, arg);
}

void
sio_use_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg)
{
	sio_listeners_add(&nsp->use_events, (sio_any_fn *)fn, arg);
}

void
sio_socket_use(sio_socket *s, sio_event_middleware_fn *fn, void *arg)
{
	if (s->state != SIO_GONE)
		sio_listeners_add(&sio_socket_extra(s)->use, (sio_any_fn *)fn, arg);
}
