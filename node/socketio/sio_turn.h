/*
 * What the turn of the loop means to this layer: jobs for its end, texts that live until then, and buffers that every
 * packet shares so that sockets own nearly nothing.
 *
 * Up-calls to the application are made from three places only: from the engine's up-calls, from timers, and from the
 * jobs at the end of a turn. Public functions never call the application (listeners of outgoing packets and of rooms
 * excepted); what they cause is a job.
 */
#ifndef NODE_SOCKETIO_SIO_TURN_H
#define NODE_SOCKETIO_SIO_TURN_H

#include "common/base/list.h"
#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/socketio/sio_payload.h"
#include "node/socketio/sio_value.h"

#define SIO_SCRATCH_KEPT (64 * 1024) /* a scratch buffer that grew beyond is given back after use */

/* A function to be called at the end of the turn, embedded in what it is about. */
struct sio_job {
	struct list link;
	void (*run)(struct sio_job *job);
};

struct sio_socket;

/* Sockets picked for a broadcast. */
struct sio_selection {
	struct sio_socket **at;
	unsigned count, size;
	bool no_memory; /* there was none for all of them */
};

/* What one emit packs into. Taken and given back, because a listener of outgoing packets may emit itself. */
struct sio_scratch {
	struct sio_scratch *next;
	struct sio_payload payload;
	struct buffer head;
	struct sio_selection selection;
};

struct sio_turn {
	struct loop *loop;
	struct loop_call end;
	struct list jobs;	     /* in the order they were queued */
	struct list last;	     /* after all of them: what frees the things that jobs were about */
	struct sio_turn_text *texts; /* good until the turn ends */
	struct sio_scratch *scratch; /* those nobody has taken */
	size_t max_payload;	     /* bytes of a scratch's payload */
	struct log_limit log_limit;
};

void sio_turn_init(struct sio_turn *t, struct loop *l, size_t max_payload);
void sio_turn_fini(struct sio_turn *t); /* nothing waits any more */
void sio_turn_limit(struct sio_turn *t, size_t max_payload);
/* What waits for the end of the turn happens now; what it causes waits for the next. True: something does. */
bool sio_turn_run(struct sio_turn *t);

void sio_job_init(struct sio_job *job, void (*run)(struct sio_job *job));
/* Harmless when it is queued already. What it causes is for the next round. */
void sio_turn_defer(struct sio_turn *t, struct sio_job *job);
/* The same after all other jobs of the turn. */
void sio_turn_defer_last(struct sio_turn *t, struct sio_job *job);
void sio_job_cancel(struct sio_job *job); /* harmless when it is not queued */

/* NUL-terminated copy, good until the end of the turn. NULL: there is no memory for it */
const char *sio_turn_copy(struct sio_turn *t, struct text text);
/* Room for n bytes, the same life, the same NULL. */
char *sio_turn_room(struct sio_turn *t, size_t n);
/* A value on a checked text that lives at least until the end of the turn. */
sio_value sio_turn_value(struct sio_turn *t, struct text json);

/* Buffers to pack in, to be given back before the call returns; an up-call within may take another. */
struct sio_scratch *sio_scratch_take(struct sio_turn *t);
void sio_scratch_give(struct sio_turn *t, struct sio_scratch *s);

/* A log line that clients can provoke: rate-limited. */
void sio_log_limit(struct sio_turn *t, const char *event, struct text sid, const char *limit);

#endif
