#include "node/socketio/sio_question.h"

#include "node/socketio/sio_cluster.h"

static void
question_run_finish(struct sio_job *job)
{
	struct sio_question *question = container_of(job, struct sio_question, job);

	struct sio_silent named = question->named;
	struct sio_server *io = question->io;

	io->silent = &named;
	question->finish(question); /* frees the question */
	io->silent = NULL;
	sio_silent_fini(&named);
}

void
sio_question_init(struct sio_question *question, struct sio_server *io, void (*finish)(struct sio_question *question),
	void (*on_answer)(struct sio_question *question, struct text json, const struct attachments *attachments))
{
	*question = (struct sio_question){.io = io, .finish = finish, .on_answer = on_answer};
	list_add_tail(&io->asking, &question->link);
	sio_job_init(&question->job, question_run_finish);
}

static void
question_on_answer(void *arg, struct text json, const struct attachments *attachments)
{
	struct sio_question *question = arg;
	size_t bytes = json.n;

	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		bytes += attachments->blocks[i]->len;
	if (bytes > SIO_QUESTION_BYTES - question->bytes) {
		sio_log_limit(&question->io->turn, "answer_dropped", TEXT_NONE, "bytes of answers to one question");
		question->error = SIO_ERR_TOO_BIG;
		return;
	}
	question->bytes += bytes;
	question->on_answer(question, json, attachments);
}

static void
question_on_end(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing)
{
	struct sio_question *question = arg;

	(void)nodes;
	(void)missing;
	question->handle = 0;
	question->silent = silent;
	sio_silent_take(&question->named, question->io);
	if (question->io->leaving)
		question->error = SIO_ERR_STATE;
	else if (error != 0)
		question->error = sio_cluster_error(error);
	sio_question_end(question, question->error);
}

struct broker_question
sio_question_to_broker(struct sio_question *question, unsigned flags, uint32_t timeout_ms)
{
	bool timed = (flags & SIO_FLAG_TIMEOUT) != 0;

	return (struct broker_question){.on_answer = question_on_answer,
		.on_end = question_on_end,
		.arg = question,
		.timeout_ms = !timed		? 0
			      : timeout_ms != 0 ? timeout_ms
						: 1};
}

void
sio_question_asked(struct sio_question *question, int64_t handle)
{
	if (handle > 0) {
		question->handle = handle;
		return;
	}
	question->silent = handle < 0 ? 1 : 0; /* the number of other nodes is unknown; at least one was not asked */
	sio_question_end(question, sio_cluster_error((int)handle));
}

void
sio_question_end(struct sio_question *question, int error)
{
	if (question->handle != 0) {
		broker_ask_cancel(question->io->broker, question->handle);
		question->silent = 1; /* at least one: the broker has not counted them yet */
	}
	question->handle = 0;
	question->error = error;
	list_remove(&question->link);
	sio_turn_defer(&question->io->turn, &question->job);
}
