#include "node/socketio/sio_work.h"

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_server.h"

struct work {
	struct threads_job job;
	struct sio_server *io;
	sio_work_fn *fn;
	sio_work_done_fn *done;
	void *arg;
};

static void
work_run(struct threads_job *job)
{
	struct work *work = container_of(job, struct work, job);

	work->fn(work->arg);
}

static void
work_on_done(struct threads_job *job)
{
	struct work *work = container_of(job, struct work, job);
	struct sio_server *io = work->io;
	struct sio_underway before = sio_underway_enter(&io->underway, NULL, "work");

	work->done(io, work->arg);
	sio_underway_leave(&io->underway, before);
	mem_free(work);
}

static void
work_drop(struct threads_job *job)
{
	mem_free(container_of(job, struct work, job));
}

int
sio_work(sio_server *io, sio_work_fn *fn, sio_work_done_fn *done, void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, done, SIO_ERR_ARGUMENT);
	struct work *work;
	int rc;

	if (io->work_ended)
		return SIO_ERR_STATE;
	work = mem_zalloc(sizeof *work);
	*work = (struct work){.job = {.run = work_run, .done = work_on_done, .drop = work_drop},
		.io = io,
		.fn = fn,
		.done = done,
		.arg = arg};
	rc = threads_add(
		&io->threads, &work->job, (uint32_t)io->options.work_threads, (uint32_t)io->options.max_work);
	if (rc != 0)
		mem_free(work);
	return sio_misused("sio_work", NULL, NULL, NULL, rc);
}

bool
sio_work_end(struct sio_server *io)
{
	if (io->work_ended)
		return true;
	if (io->work_until == 0)
		io->work_until = io->loop->now + SIO_WORK_PATIENCE_MS;
	if (io->threads.jobs != 0 && io->loop->now < io->work_until)
		return false;
	if (io->threads.jobs != 0)
		log_event(LOG_WARN, "work_abandoned", "calls", LOG_INT(io->threads.jobs), NULL);
	io->work_ended = true;
	threads_fini(&io->threads);
	return true;
}
