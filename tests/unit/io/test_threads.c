/* Threads for work that blocks: where jobs run, their limits, and the end with and without unfinished jobs. */
#include <pthread.h>
#include <semaphore.h>

#include "common/base/error.h"
#include "common/io/threads.h"
#include "tests/unit/io/io_bench.h"

#define JOBS 4

struct probe_job {
	struct threads_job job;
	unsigned number;
	pthread_t thread;
	bool waits; /* until `go` */
};

static struct threads threads;
static struct probe_job jobs[JOBS];
static sem_t begun, go, dropped;
static unsigned done, order; /* order: the numbers of the jobs in the order of `done`, as decimal digits */

static void
run(struct threads_job *job)
{
	struct probe_job *probe = container_of(job, struct probe_job, job);

	probe->thread = pthread_self();
	sem_post(&begun);
	if (probe->waits)
		while (sem_wait(&go) != 0)
			;
}

static void
on_done(struct threads_job *job)
{
	struct probe_job *probe = container_of(job, struct probe_job, job);

	order = order * 10 + probe->number;
	done++;
}

static void
on_drop(struct threads_job *job)
{
	(void)job;
	sem_post(&dropped);
}

static void
on_done_end(struct threads_job *job)
{
	on_done(job);
	threads_fini(&threads);
}

static struct threads_job *
job(unsigned number, bool waits)
{
	jobs[number - 1] = (struct probe_job){
		.job = {.run = run, .done = on_done, .drop = on_drop}, .number = number, .waits = waits};
	return &jobs[number - 1].job;
}

static void
await(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		;
}

static int
start(void **state)
{
	bench_start(state);
	threads_init(&threads, &bench.loop);
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&dropped, 0, 0);
	done = order = 0;
	return 0;
}

static int
stop(void **state)
{
	threads_fini(&threads);
	return bench_stop(state);
}

static void
one_thread_keeps_the_order(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(threads_add(&threads, job(i, false), 1, JOBS), 0);
	assert_int_equal(done, 0);
	RUN_UNTIL(done == 3);
	assert_int_equal(order, 123);
	assert_false(pthread_equal(jobs[0].thread, pthread_self()));
	assert_true(pthread_equal(jobs[0].thread, jobs[2].thread));
}

static void
limits(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(threads_add(&threads, job(i, true), 2, 3), 0);
	assert_int_equal(threads_add(&threads, job(4, true), 2, 3), ERROR_TOO_MANY);
	await(&begun);
	await(&begun);
	run_turn();
	assert_int_equal(sem_trywait(&begun), -1); /* the third waits for one of two threads */
	sem_post(&go);
	await(&begun);
	RUN_UNTIL(done == 1);
	assert_int_equal(threads_add(&threads, job(4, true), 2, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		sem_post(&go);
	RUN_UNTIL(done == 4);
	assert_int_equal(threads.jobs, 0);
}

static void
done_may_end_the_threads(void **state)
{
	(void)state;
	job(1, false)->done = on_done_end;
	assert_int_equal(threads_add(&threads, &jobs[0].job, 2, JOBS), 0);
	RUN_UNTIL(done == 1);
	assert_null(threads.pool);
	assert_int_equal(threads_add(&threads, job(2, false), 2, JOBS), 0); /* begins again */
	RUN_UNTIL(done == 2);
}

/* A job that hangs delays nobody: the struct and the loop can go while it runs. */
static void
unfinished_jobs_are_abandoned(void **state)
{
	(void)state;
	assert_int_equal(threads_add(&threads, job(1, true), 1, JOBS), 0);
	assert_int_equal(threads_add(&threads, job(2, false), 1, JOBS), 0);
	await(&begun);
	threads_fini(&threads);
	assert_int_equal(sem_trywait(&dropped), 0); /* the second, which never runs */
	sem_post(&go);
	await(&dropped);
	run_turn();
	assert_int_equal(done, 0);
	assert_int_equal(sem_trywait(&begun), -1);
}

static void
only_jobs_keep_the_loop_running(void **state)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	struct loop l;

	(void)state;
	loop_init(&l, ev);
	threads_init(&threads, &l);
	assert_int_equal(threads_add(&threads, job(1, false), 1, JOBS), 0);
	ev_run(ev, 0);
	assert_int_equal(done, 1);
	ev_run(ev, 0); /* returns at once */
	threads_fini(&threads);
	loop_fini(&l);
	ev_loop_destroy(ev);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_thread_keeps_the_order, start, stop),
		cmocka_unit_test_setup_teardown(limits, start, stop),
		cmocka_unit_test_setup_teardown(done_may_end_the_threads, start, stop),
		cmocka_unit_test_setup_teardown(unfinished_jobs_are_abandoned, start, stop),
		cmocka_unit_test_setup_teardown(only_jobs_keep_the_loop_running, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
