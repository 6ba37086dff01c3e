#include "node/socketio/sio_step.h"

#include "common/base/mem.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_check.h"

/* Calls on_gone. The application may answer the step in it, which queues the step again. */
static void
step_report_gone(struct sio_step *step)
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
		step->resume(step);
	else if (step->on_gone != NULL)
		step_report_gone(step);
}

static void
step_orphan(struct sio_held *held)
{
	struct sio_step *step = container_of(held, struct sio_step, held);

	step->socket = NULL;
	step->client = NULL;
	if (step->on_gone != NULL)
		sio_turn_defer(&step->io->turn, &step->job);
}

struct sio_step *
sio_step_new(struct sio_server *io, unsigned count, void (*resume)(struct sio_step *step))
{
	struct sio_step *step = mem_zalloc(sizeof *step + count * sizeof step->fns[0]);

	sio_born(SIO_A_STEP, step);
	step->io = io;
	step->removals = io->removals;
	step->resume = resume;
	sio_job_init(&step->job, step_run);
	sio_held_init(&step->held, step_orphan);
	list_add_tail(&io->steps, &step->all);
	return step;
}

static void
step_clear_refusal(struct sio_step *step)
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
	list_remove(&step->held.link);
	step_clear_refusal(step);
	if (step->made != NULL)
		sio_nsp_unused(step->made);
	if (step->event != NULL)
		sio_event_release(step->event);
	mem_free((char *)step->nsp.at);
	sio_died(step);
	sio_retire(step);
}

void
sio_step_add(struct sio_step *step, const struct sio_listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		if (listeners->at[i].fn != NULL)
			step->fns[step->count++] = listeners->at[i];
	}
}

static void
step_was_answered(struct sio_step *step)
{
	step->answered = true;
	if (step->running)
		return;
	sio_turn_defer(&step->io->turn, &step->job);
}

void
sio_next(sio_step *step)
{
	SIO_NEEDS(SIO_A_STEP, step, );
	if (step->answered)
		return;
	step_was_answered(step);
	if (step->allowed != NULL)
		step->allowed(step);
}

sio_socket *
sio_step_socket(const sio_step *step)
{
	SIO_NEEDS(SIO_A_STEP, step, NULL);
	return step->socket;
}

int
sio_step_on_gone(sio_step *step, void (*fn)(sio_step *step, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_STEP, step, SIO_ERR_ARGUMENT);
	if (step->answered || step->pending != NULL)
		return SIO_ERR_STATE;
	step->on_gone = fn;
	step->on_gone_arg = arg;
	if (step->socket == NULL && step->client == NULL)
		sio_turn_defer(&step->io->turn, &step->job);
	return 0;
}

int
sio_refuse(sio_step *step, const char *message, const char *format, ...)
{
	SIO_NEEDS(SIO_A_STEP, step, SIO_ERR_ARGUMENT);
	struct sio_scratch *scratch;
	va_list args;
	int rc = 0, packed;

	if (step->answered)
		return SIO_ERR_STATE;
	step_clear_refusal(step);
	step->refused = true;
	if (sio_is_name(message)) {
		step->message = mem_try_text(message, strlen(message));
		if (step->message == NULL)
			rc = sio_misused(__func__, NULL, NULL, NULL, SIO_ERR_SYSTEM);
	} else if (message != NULL)
		rc = sio_misused(__func__, NULL, NULL, NULL, SIO_ERR_ARGUMENT);
	if (format != NULL) {
		scratch = sio_scratch_take(&step->io->turn);
		va_start(args, format);
		packed = sio_pack_data(&scratch->payload, format, args);
		va_end(args);
		/* CONNECT_ERROR cannot carry attachments */
		if (packed == 0 && scratch->payload.attachments.count != 0)
			packed = SIO_ERR_ARGUMENT;
		if (packed == 0 && scratch->payload.json.len != 0) {
			step->data = mem_try_alloc(scratch->payload.json.len);
			if (step->data != NULL) {
				step->data_len = scratch->payload.json.len;
				memcpy(step->data, scratch->payload.json.data, step->data_len);
			} else {
				packed = SIO_ERR_SYSTEM;
			}
		}
		rc = packed != 0 ? sio_misused(__func__, NULL, format, &scratch->payload, packed) : rc;
		sio_scratch_give(&step->io->turn, scratch);
	}
	step_was_answered(step);
	return rc;
}

const char *
sio_step_message(const struct sio_step *step)
{
	return step->message != NULL ? step->message : "";
}
