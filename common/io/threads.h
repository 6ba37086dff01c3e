/*
 * Threads for work that blocks. A job runs in one of the threads. Then its `done` runs on the loop. A thread starts
 * when a job finds all others busy, up to a limit, and ends with the struct. Jobs start in the order in which they
 * were added; with several threads they may end in another order.
 *
 * struct threads belongs to the loop's thread, and so do all functions below. Calls go down; only `run` is called in
 * another thread.
 */
#ifndef COMMON_IO_THREADS_H
#define COMMON_IO_THREADS_H

#include <stdint.h>

#include "common/io/loop.h"

struct threads_pool;

/* The caller owns the memory. It must stay until `done` or `drop` is called. */
struct threads_job {
	struct threads_job *next;
	void (*run)(struct threads_job *job);  /* in a thread; may block */
	void (*done)(struct threads_job *job); /* on the loop; may free the job and add others */
	void (*drop)(struct threads_job *job); /* in any thread, in place of `done`, for a job that is abandoned */
};

struct threads {
	struct loop *loop;
	struct threads_pool *pool; /* shared with the threads; NULL before the first job */
	uint32_t jobs;		   /* added, and not done yet */
};

/* `l` is borrowed. Nothing is allocated before the first job. */
void threads_init(struct threads *threads, struct loop *l);

/*
 * Adds a job. Returns 0; ERROR_TOO_MANY if `max_jobs` jobs are not done yet; or ERROR_SYSTEM if the first thread
 * cannot be started. If a further thread cannot be started, the job waits for the present ones.
 */
int threads_add(struct threads *threads, struct threads_job *job, uint32_t max_threads, uint32_t max_jobs);

/*
 * Ends the threads. If all jobs are done, the call waits for the threads. Otherwise it waits for nothing and abandons
 * the jobs that are left: those that wait never run, and those that run are dropped when they return.
 */
void threads_fini(struct threads *threads);

#endif
