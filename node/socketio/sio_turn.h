/*
 * What this layer keeps per turn of the loop: jobs for the end of the turn, texts that live until then, and buffers
 * that all packets share so that sockets own almost no memory.
 *
 * The application is called from callbacks of the engine and the broker, from timers, and from jobs at the end of a
 * turn. Public functions never call the application, except listeners of outgoing packets and of rooms; other calls
 * that they cause become jobs.
 */
#ifndef NODE_SOCKETIO_SIO_TURN_H
#define NODE_SOCKETIO_SIO_TURN_H

#include "common/base/list.h"
#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/socketio/sio_payload.h"
#include "node/socketio/sio_value.h"

#define SIO_SCRATCH_KEPT (64 * 1024) /* a scratch buffer larger than this is freed after use */

/* A function to call at the end of the turn, embedded in its object. */
struct sio_job {
	struct list link;
	void (*run)(struct sio_job *job);
};

struct sio_socket;

/* The receivers of a broadcast. */
struct sio_selection {
	struct sio_socket **at;
	unsigned count, size;
	bool no_memory; /* some receivers are missing for want of memory */
};

/* Work space of one emit. There may be several at once, because a listener of outgoing packets may emit. */
struct sio_scratch {
	struct sio_scratch *next;
	struct sio_payload payload;
	struct buffer head;
	struct sio_selection selection;
};

/* An object that lives until the turn ends, embedded in it. */
struct sio_turn_object {
	struct sio_turn_object *next;
	void (*free)(struct sio_turn_object *held);
};

struct sio_turn {
	struct loop *loop;
	struct loop_call end;
	struct list jobs;	      /* in the order in which they were queued */
	struct loop_call next;	      /* moves `later` to `jobs` */
	struct list later;	      /* jobs of the next turn */
	struct list last;	      /* run after `jobs`: they free the objects that jobs belong to */
	struct sio_turn_text *texts;  /* valid until the turn ends */
	struct sio_turn_object *held; /* the objects of sio_turn_hold() */
	struct sio_scratch *scratch;  /* scratches that are not in use */
	size_t max_payload;	      /* limit of a scratch's payload in bytes */
	struct log_limit log_limit;
};

/* `max_payload` limits the payload of each scratch, in bytes; sio_turn_limit() changes it. */
void sio_turn_init(struct sio_turn *turn, struct loop *l, size_t max_payload);
void sio_turn_fini(struct sio_turn *turn); /* requires that no job is queued */
void sio_turn_limit(struct sio_turn *turn, size_t max_payload);
/*
 * Runs the jobs of the end of the turn and frees its texts. Jobs queued meanwhile wait for the next round. Returns
 * true if there are such jobs.
 */
bool sio_turn_run(struct sio_turn *turn);

void sio_job_init(struct sio_job *job, void (*run)(struct sio_job *job));
/* Queues a job, unless it is queued already. A job queued by a running job waits for the next round. */
void sio_turn_defer(struct sio_turn *turn, struct sio_job *job);
/*
 * Like sio_turn_defer(), but for the next turn, which begins without waiting. Used by a job that has done its share
 * of work for this turn.
 */
void sio_turn_defer_next(struct sio_turn *turn, struct sio_job *job);
/* Queues a job that runs after all others of the turn. */
void sio_turn_defer_last(struct sio_turn *turn, struct sio_job *job);
void sio_job_cancel(struct sio_job *job); /* does nothing if it is not queued */

/* Returns a NUL-terminated copy, valid until the end of the turn, or NULL if memory is short. */
const char *sio_turn_copy(struct sio_turn *turn, struct text text);
/* Returns room for `n` bytes, valid until the end of the turn, or NULL if memory is short. */
char *sio_turn_room(struct sio_turn *turn, size_t n);
/* Returns a value for a checked text, which must live at least until the end of the turn. */
sio_value sio_turn_value(struct sio_turn *turn, struct text json);

/* Calls free(held) at the end of the turn. */
void sio_turn_hold(struct sio_turn *turn, struct sio_turn_object *held, void (*free)(struct sio_turn_object *held));

/* Takes work space. The caller gives it back before it returns. An up-call in between may take another. */
struct sio_scratch *sio_scratch_take(struct sio_turn *turn);
void sio_scratch_give(struct sio_turn *turn, struct sio_scratch *scratch);

/* Writes a log line that clients can provoke, so it is rate-limited. */
void sio_log_limit(struct sio_turn *turn, const char *event, struct text sid, const char *limit);

#endif
