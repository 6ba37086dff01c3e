#include "common/io/threads.h"

#include <pthread.h>
#include <signal.h>

#include "common/base/error.h"
#include "common/base/mem.h"

struct queue {
	struct threads_job *first, **end;
};

struct thread {
	struct thread *next;
	pthread_t id;
};

/* The last of its parties frees it: the loop's side and the threads. */
struct threads_pool {
	struct threads *owner; /* for the loop's side */
	struct thread *all;    /* for the loop's side */
	uint32_t count;	       /* of `all` */

	pthread_mutex_t lock; /* protects the members that follow */
	pthread_cond_t more;
	struct ev_loop *ev;
	struct ev_async wake;
	struct queue waiting, finished;
	uint32_t unclaimed; /* jobs in `waiting` */
	uint32_t idle;	    /* threads that wait for a job */
	uint32_t parties;
	bool ending; /* threads_fini() was called: `ev` and `wake` are gone */
};

static void
queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void
queue_add(struct queue *queue, struct threads_job *job)
{
	job->next = NULL;
	*queue->end = job;
	queue->end = &job->next;
}

static struct threads_job *
queue_take(struct queue *queue)
{
	struct threads_job *job = queue->first;

	if (job == NULL)
		return NULL;
	queue->first = job->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	return job;
}

/* The caller holds the lock. */
static void
pool_leave(struct threads_pool *pool)
{
	bool last = --pool->parties == 0;

	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool);
}

/* -------------------------------------------------------------- in a thread */

static void *
thread_run(void *arg)
{
	struct threads_pool *pool = arg;
	struct threads_job *job;

	pthread_mutex_lock(&pool->lock);
	while (!pool->ending) {
		job = queue_take(&pool->waiting);
		if (job == NULL) {
			pool->idle++;
			pthread_cond_wait(&pool->more, &pool->lock);
			pool->idle--;
			continue;
		}
		pool->unclaimed--;
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		if (pool->ending) {
			job->drop(job);
			break;
		}
		queue_add(&pool->finished, job);
		ev_async_send(pool->ev, &pool->wake);
	}
	pool_leave(pool);
	return NULL;
}

/* -------------------------------------------------------------- on the loop */

/* `done` of the last job may end the threads, and the memory of `threads` with them. */
static void
threads_on_wake(struct ev_loop *ev, struct ev_async *wake, int events)
{
	struct threads_pool *pool = wake->data;
	struct threads_job *job;

	(void)events;
	pthread_mutex_lock(&pool->lock);
	pool->parties++;
	while (!pool->ending && (job = queue_take(&pool->finished)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		if (--pool->owner->jobs == 0)
			ev_unref(ev);
		job->done(job);
		pthread_mutex_lock(&pool->lock);
	}
	pool_leave(pool);
}

static struct threads_pool *
pool_new(struct threads *threads)
{
	struct threads_pool *pool = mem_zalloc(sizeof *pool);

	pool->owner = threads;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	queue_init(&pool->waiting);
	queue_init(&pool->finished);
	pool->ev = threads->loop->ev;
	pool->parties = 1;
	ev_async_init(&pool->wake, threads_on_wake);
	pool->wake.data = pool;
	ev_async_start(pool->ev, &pool->wake);
	ev_unref(pool->ev); /* the watcher alone must not keep ev_run() running */
	return pool;
}

/* The caller holds the lock. Signals are for the loop's thread. */
static bool
pool_start_thread(struct threads_pool *pool)
{
	struct thread *thread = mem_zalloc(sizeof *thread);
	sigset_t all, before;
	int why;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	why = pthread_create(&thread->id, NULL, thread_run, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (why != 0) {
		mem_free(thread);
		return false;
	}
	thread->next = pool->all;
	pool->all = thread;
	pool->count++;
	pool->parties++;
	return true;
}

void
threads_init(struct threads *threads, struct loop *l)
{
	*threads = (struct threads){.loop = l};
}

int
threads_add(struct threads *threads, struct threads_job *job, uint32_t max_threads, uint32_t max_jobs)
{
	struct threads_pool *pool;

	if (threads->jobs >= max_jobs)
		return ERROR_TOO_MANY;
	if (threads->pool == NULL)
		threads->pool = pool_new(threads);
	pool = threads->pool;
	pthread_mutex_lock(&pool->lock);
	if (pool->unclaimed >= pool->idle && pool->count < max_threads && !pool_start_thread(pool) &&
		pool->count == 0) {
		pthread_mutex_unlock(&pool->lock);
		return ERROR_SYSTEM;
	}
	queue_add(&pool->waiting, job);
	pool->unclaimed++;
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	if (threads->jobs++ == 0)
		ev_ref(pool->ev); /* a job keeps ev_run() running */
	return 0;
}

void
threads_fini(struct threads *threads)
{
	struct threads_pool *pool = threads->pool;
	bool all_done = threads->jobs == 0;
	struct threads_job *job;
	struct thread *thread, *next;

	if (pool == NULL)
		return;
	threads->pool = NULL;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (thread = pool->all; thread != NULL; thread = next) {
		next = thread->next;
		if (all_done)
			pthread_join(thread->id, NULL);
		else
			pthread_detach(thread->id);
		mem_free(thread);
	}
	if (all_done)
		ev_ref(pool->ev);
	ev_async_stop(pool->ev, &pool->wake);
	pthread_mutex_lock(&pool->lock);
	while ((job = queue_take(&pool->waiting)) != NULL || (job = queue_take(&pool->finished)) != NULL)
		job->drop(job);
	pool_leave(pool);
}
