#include "node/socketio/sio_question.h"

#include "node/socketio/sio_cluster.h"

static void
run(struct sio_job *job)
{
	struct sio_question *q = container_of(job, struct sio_question, job);

	q->finish(q);
}

void
sio_question_init(struct sio_question *q, struct sio_server *io, void (*finish)(struct sio_question *q),
	void (*on_answer)(struct sio_question *q, struct text json, const struct attachments *attachments))
{
	*q = (struct sio_question){.io = io, .finish = finish, .on_answer = on_answer};
	list_add_tail(&io->asking, &q->link);
	sio_job_init(&q->job, run);
}

static void
on_answer(void *arg, struct text json, const struct attachments *attachments)
{
	struct sio_question *q = arg;
	size_t bytes = json.n;

	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		bytes += attachments->blocks[i]->len;
	if (bytes > SIO_QUESTION_BYTES - q->bytes) {
		sio_log_limit(&q->io->turn, "answer-dropped", TEXT_NONE, "bytes of answers to one question");
		q->error = SIO_ERR_TOO_BIG;
		return;
	}
	q->bytes += bytes;
	q->on_answer(q, json, attachments);
}

static void
on_end(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing)
{
	struct sio_question *q = arg;

	(void)nodes;
	(void)missing;
	q->handle = 0;
	q->silent = silent;
	if (q->io->leaving)
		q->error = SIO_ERR_STATE;
	else if (error != 0)
		q->error = sio_cluster_error(error);
	sio_question_end(q, q->error);
}

struct broker_question
sio_question_to_broker(struct sio_question *q, unsigned flags, uint32_t timeout_ms)
{
	bool timed = (flags & SIO_FLAG_TIMEOUT) != 0;

	return (struct broker_question){.on_answer = on_answer,
		.on_end = on_end,
		.arg = q,
		.timeout_ms = !timed		? 0
			      : timeout_ms != 0 ? timeout_ms
						: 1};
}

void
sio_question_asked(struct sio_question *q, int64_t handle)
{
	if (handle > 0) {
		q->handle = handle;
		return;
	}
	q->silent = handle < 0 ? 1 : 0; /* how many there are is not known: at least one was not asked */
	sio_question_end(q, sio_cluster_error((int)handle));
}

void
sio_question_end(struct sio_question *q, int error)
{
	if (q->handle != 0) {
		broker_ask_cancel(q->io->broker, q->handle);
		q->silent = 1; /* at least */
	}
	q->handle = 0;
	q->error = error;
	list_remove(&q->link);
	sio_turn_defer(&q->io->turn, &q->job);
}
